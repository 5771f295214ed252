"""What a site's answers mean is said of that site only, and not of any other server."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from cxr_datasets.errors import OptionError, StoreError
from cxr_datasets.storage import sites
from cxr_datasets.storage.credentials import StorageOptions
from cxr_datasets.storage.sites import Site, register_site, site_of
from cxr_datasets.storage.source import open_place
from tests.fakes.recorder import Answer, Recorder
from tests.helpers import run_python

ROOT = Path(__file__).resolve().parents[4]
LOGIN = {"username": "reader", "password": "invented-word"}


class Refusing(BaseHTTPRequestHandler):
    """Answers whatever is asked of whatever host by one status."""

    status = 403
    cookies: list[str | None]

    def do_GET(self) -> None:
        self.cookies.append(self.headers.get("Cookie"))
        self.send_response(self.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Refusing]]:
    """All servers of the web, behind a proxy: none lets anybody in."""
    answers = type("Answers", (Refusing,), {"cookies": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.server_address[1]}")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        yield answers
        server.shutdown()
        thread.join()


@pytest.fixture
def no_sites(monkeypatch: pytest.MonkeyPatch) -> None:
    """No site is known."""
    monkeypatch.setattr(sites, "_sites", {})
    monkeypatch.setattr(sites, "_announced", lambda: {})


def refusal(url: str, options: dict[str, Any] | None = None) -> str:
    with pytest.raises(StoreError) as caught:
        open_place(url, StorageOptions(options, url)).read("table.csv")
    return str(caught.value)


def site(**changed: Any) -> Site:
    given = {
        "name": "Example", "host": "example.org", "user_variable": "EXAMPLE_USER",
        "password_variable": "EXAMPLE_WORD", "refusal": "Sign the agreement, {agent}.",
    }  # fmt: skip
    return Site(**{**given, **changed})


# --- any other server -----------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("options", [None, LOGIN])
def test_a_refusal_of_another_server_is_told_as_its_own(
    proxy: type[Refusing], status: int, options: dict[str, Any] | None
) -> None:
    proxy.status = status
    message = refusal("http://films.example.net/release", options)
    assert message.startswith(
        f"http://films.example.net/release/table.csv may not be read: the server answered {status}."
    )
    assert "films.example.net" in message.partition("answered")[2]
    assert "storage_options=" in message
    assert "hysio" not in message
    assert "PHYSIONET" not in message
    assert "agreement" not in message
    assert "invented-word" not in message
    assert "testcookie" not in str(proxy.cookies)


def test_a_403_of_another_server_tells_which_login_and_agent_it_refused(
    proxy: type[Refusing],
) -> None:
    message = refusal("http://films.example.net/release", LOGIN)
    assert "the login from storage_options" in message
    assert "User-Agent ('cxr-datasets/" in message
    message = refusal("http://films.example.net/release")
    assert "no login was sent" in message
    assert "~/.netrc" in message


# --- a site that a package registers --------------------------------------------------------------


@pytest.mark.usefixtures("no_sites")
def test_a_registered_site_has_its_own_variables_cookies_and_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    register_site(site(cookies={"a": "b"}, host_variable="EXAMPLE_HOST"))
    monkeypatch.setenv("EXAMPLE_HOST", "localhost")
    with Recorder(lambda asked: Answer(403), encrypted=True) as server:
        url = f"https://localhost:{server.port}/release"
        message = refusal(url, {**LOGIN, "headers": {"User-Agent": "Own/1"}})
        assert message.endswith("Sign the agreement, 'Own/1'.")
        assert server.asked[-1].headers["Cookie"] == "a=b"
        server.answer = lambda asked: Answer(401)
        assert "or EXAMPLE_USER and EXAMPLE_WORD into the environment" in refusal(url)
        monkeypatch.setenv("EXAMPLE_USER", "reader")
        monkeypatch.setenv("EXAMPLE_WORD", "word")
        assert "The login from EXAMPLE_USER and EXAMPLE_WORD is not accepted" in refusal(url)


@pytest.mark.usefixtures("no_sites")
def test_a_site_is_its_host_and_those_below_it() -> None:
    register_site(site(host_variable="EXAMPLE_HOST"))
    for host in ("example.org", "data.example.org", "data.example.org:8443"):
        assert site_of(host) == site(host_variable="EXAMPLE_HOST")
    for host in (
        "notexample.org", "example.org.example.net", "localhost", "127.0.0.1", "[::1]:80", "org",
        "example.org@evil.example", "",
    ):  # fmt: skip
        assert site_of(host) is None


@pytest.mark.usefixtures("no_sites")
@pytest.mark.parametrize(
    ("value", "servers", "others"),
    [
        ("localhost", ["localhost", "localhost:8443", "LOCALHOST"], ["127.0.0.1", "a.localhost"]),
        ("localhost:8443", ["localhost:8443"], ["localhost", "localhost:443", "127.0.0.1:8443"]),
        ("Tunnel.example.net:443", ["tunnel.example.net"], ["tunnel.example.net:80"]),
        ("[::1]:8443", ["[::1]:8443"], ["[::1]", "[::2]:8443"]),
        ("::1", ["[::1]:8443", "[::1]"], ["localhost"]),
        (" ", [], ["localhost", ""]),
    ],
)
def test_the_variable_of_a_site_names_one_more_host(
    value: str, servers: list[str], others: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    register_site(site(host_variable="EXAMPLE_HOST"))
    monkeypatch.setenv("EXAMPLE_HOST", value)
    assert all(site_of(server) for server in [*servers, "example.org"])
    assert not any(site_of(server) for server in others)


@pytest.mark.usefixtures("no_sites")
@pytest.mark.parametrize(
    "value", ["http://localhost", "localhost/path", "a:b@localhost", "localhost:port", "a b"]
)
def test_a_variable_that_names_no_host_is_told_and_not_shown(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    register_site(site(host_variable="EXAMPLE_HOST"))
    monkeypatch.setenv("EXAMPLE_HOST", value)
    with pytest.raises(OptionError, match="EXAMPLE_HOST is no name of a host") as caught:
        open_place("https://localhost/release").read("table.csv")
    assert value not in str(caught.value)


@pytest.mark.usefixtures("no_sites")
def test_a_site_that_is_registered_again_is_the_new_one() -> None:
    register_site(site())
    register_site(site(refusal="Another word."))
    found = site_of("example.org")
    assert found
    assert found.refusal == "Another word."


# --- PhysioNet, in every process ------------------------------------------------------------------


TELL = """
import sys
from cxr_datasets.storage.sites import site_of
site = site_of("physionet.org")
print(site and site.user_variable, site_of("example.org"), "mimic_cxr_jpg" in sys.modules)
"""


@pytest.mark.parametrize(
    "program",
    [
        "import mimic_cxr_jpg",
        "import pickle; pickle.loads(open(FILE, 'rb').read())",
        "from cxr_datasets.packages import builder_class; builder_class('mimic-cxr-jpg')",
        "import cxr_datasets.images",  # as a worker that decodes what another process loaded
    ],
    ids=["import", "pickle", "command", "nothing"],
)
def test_physionet_is_known_in_every_process(
    program: str, small_release: Path, tmp_path: Path, cache: str
) -> None:
    import datasets

    import mimic_cxr_jpg  # noqa: F401

    builder = datasets.load_dataset_builder(
        "mimic_cxr_jpg", data_dir=str(small_release), cache_dir=cache
    )
    (tmp_path / "pickle").write_bytes(pickle.dumps(builder))
    program = f"FILE = {str(tmp_path / 'pickle')!r}\n{program}\n{TELL}"
    finished = run_python(program, cwd=tmp_path, pythonpath=ROOT, forked=True)
    assert finished.stdout.split() == ["PHYSIONET_USERNAME", "None", "True"], finished.stderr


def test_a_host_that_no_package_announces_imports_none(tmp_path: Path) -> None:
    program = """
import sys
from cxr_datasets.storage.sites import site_of
print(site_of("films.example.net"), "mimic_cxr_jpg" in sys.modules)
"""
    finished = run_python(program, cwd=tmp_path, pythonpath=ROOT, forked=True)
    assert finished.stdout.split() == ["None", "False"], finished.stderr
