"""A loopback Hugging Face Hub for tests, that the real `huggingface_hub` client talks to.

It holds private, public and gated dataset repositories, knows the tokens of its users, takes
commits and LFS files (at once or in parts), serves files and ranges of them, and goes wrong when
told to::

    with Hub(users={"alice": Account("hf_alice", orgs=("lab",))}) as hub:
        hub.create("alice/films", private=True, files={"README.md": b"---\\nlicense: mit\\n---\\n"})
        run_python(program, cwd=..., pythonpath=..., **hub.environment(token="hf_alice"))
        hub.repos["alice/films"].files

Programs that use it run in a Python of their own (see `tests.fakes.hub_client`): the client reads
its address, its caches and whether it is offline from the environment, once, when it is imported.
"""

from __future__ import annotations

import re
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from tests.fakes.hub_api import Account, Api
from tests.fakes.hub_faults import Fault
from tests.fakes.hub_files import Files
from tests.fakes.hub_server import Asked, Incoming, Reply, Server
from tests.fakes.hub_storage import Storage
from tests.fakes.hub_store import Blob, Caller, Contents, Gated, Repo, stored_by_lfs
from tests.fakes.hub_xet import ENVIRONMENT as XET_ENVIRONMENT
from tests.fakes.hub_xet import XetFolder

__all__ = ["Account", "Asked", "Fault", "Hub", "Repo"]


class Hub:
    """A Hub at an address of its own on 127.0.0.1, from `with` to the end of it.

    Args:
        users: Accounts by the name of the user.
        folder: Keep the contents of files in this folder; in memory if None.
        part_size: Size in bytes of the parts that LFS files larger than it are uploaded in. None:
            none is uploaded in parts.
        lfs_above: Size in bytes above which a file goes by LFS. Parquet, images, archives and
            arrays go by LFS whatever their size.
        page_size: Entries of a listing in one answer.
        private_by_default: Organisations whose new repositories are private if the request does
            not say.
        xet: Let clients upload through Xet, their default, instead of by LFS. Their `hf_xet` then
            puts LFS files into a folder by itself (see `hub_xet`), so that `requests` and faults
            know nothing of contents on their way; and `environment` lets them.
        latency: Seconds that every answer is kept back.

    Attributes:
        url: Address of the Hub, `http://127.0.0.1:…`, with no slash at its end.
        users: As given.
        repos: Repositories by id.
    """

    def __init__(
        self,
        users: Mapping[str, Account] | None = None,
        *,
        folder: str | Path | None = None,
        part_size: int | None = None,
        lfs_above: int = 10 * 1024 * 1024,
        page_size: int = 1000,
        private_by_default: tuple[str, ...] = (),
        xet: bool = False,
        latency: float = 0.0,
    ) -> None:
        self.users = dict(users or {})
        self._contents = Contents(None if folder is None else Path(folder))
        self._server = Server(self._answer, self._caller)
        self._server.latency = latency
        port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{port}"
        self._temporary = tempfile.TemporaryDirectory(prefix="hub-", ignore_cleanup_errors=True)
        self._xet = XetFolder(Path(self._temporary.name) / "xet") if xet else None
        storage = Storage(
            self.url, f"http://localhost:{port}", self._contents, part_size, self._xet
        )
        files = Files(self.url, storage, lfs_above, page_size)
        self._api = Api(self.url, self.users, files, private_by_default)
        self._lock = threading.RLock()

    @property
    def repos(self) -> dict[str, Repo]:
        return self._api.repos

    @property
    def latency(self) -> float:
        """Seconds that every answer is kept back; may be set."""
        return self._server.latency

    @latency.setter
    def latency(self, seconds: float) -> None:
        self._server.latency = seconds

    @property
    def requests(self) -> list[Asked]:
        """What was asked so far, in the order of the answers.

        Requests to other hosts, which `environment` leads here too, are there with the host
        instead of the first slash (`datasets-server.127.0.0.1:…/info`); they got a 404 or 403.
        """
        with self._server.logged:
            return list(self._server.log)

    def create(
        self,
        repo_id: str,
        *,
        private: bool = False,
        gated: Gated = False,
        files: Mapping[str, bytes] | None = None,
    ) -> Repo:
        """Make a repository on the server's side, with its files in one commit if there are any."""
        with self._lock:
            if repo_id in self.repos:
                raise ValueError(f"{repo_id} is there already")
            owner = repo_id.partition("/")[0]
            repo = Repo(repo_id, self._contents, owner, private, gated)
            self.repos[repo_id] = repo
            self.put(repo_id, files or {})
            return repo

    def put(self, repo_id: str, files: Mapping[str, bytes], title: str = "Add files") -> None:
        """Commit files on the server's side, as somebody else would in between."""
        with self._lock:
            repo = self.repos[repo_id]
            if files:
                blobs = {path: self._blob(repo, path, content) for path, content in files.items()}
                repo.commit(blobs, title=title, author=repo.owner)

    def _blob(self, repo: Repo, path: str, content: bytes) -> Blob:
        if stored_by_lfs(path, len(content), self._api.files.lfs_above):
            sha256 = self._contents.add(content)
            repo.objects.add(sha256)
            return Blob.by_lfs(sha256, self._contents)
        return Blob.regular(content, self._contents)

    def fail(
        self,
        path: str,
        *,
        method: str | None = None,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        times: int | None = 1,
        after: int = 0,
        drop_upload_after: int | None = None,
        drop_download_after: int | None = None,
        delay: float = 0.0,
        hold: bool = False,
    ) -> Fault:
        r"""Let requests fail from now on.

        Args:
            path: Regular expression that is searched for in the path (the part before `?`).
                Commits: `/commit/`; files: `/resolve/`; contents of LFS files, up and down:
                `^/_storage/objects/`, parts of them `^/_storage/parts/`.
            method: Only this method.
            status: Answer with this status, and do nothing. None: answer as usual.
            headers: Headers of that answer, such as `{"Retry-After": "0"}`.
            times: How many requests; None: all of them.
            after: How many requests are spared first.
            drop_upload_after: Reset the connection when so many bytes of the request's body have
                come.
            drop_download_after: Reset it when so many bytes of the answer's body are sent.
            delay: Seconds that the answer is kept back.
            hold: Keep it back until the fault's `release()` or the end of the Hub; `reached.wait()`
                returns once a request is held.
        """
        fault = Fault(
            path, method=method, status=status, headers=headers, times=times, after=after,
            drop_upload_after=drop_upload_after, drop_download_after=drop_download_after,
            delay=delay, hold=hold,
        )  # fmt: skip
        with self._server.logged:
            self._server.faults.append(fault)
        return fault

    def mend(self) -> None:
        """Take back all faults; requests that one holds go on."""
        with self._server.logged:
            for fault in self._server.faults:
                fault.release()
            self._server.faults.clear()

    def asked(self, path: str, method: str | None = None) -> list[Asked]:
        """The requests so far whose path holds a regular expression."""
        return [
            request
            for request in self.requests
            if re.search(path, request.path) and method in (None, request.method)
        ]

    def wait_for(
        self, path: str, method: str | None = None, *, count: int = 1, timeout: float = 30
    ) -> list[Asked]:
        """Wait until so many such requests were answered.

        Raises:
            TimeoutError: They were not in time.
        """
        deadline = time.monotonic() + timeout
        with self._server.logged:
            while len(found := self.asked(path, method)) < count:
                if not self._server.logged.wait(deadline - time.monotonic()):
                    raise TimeoutError(f"{len(found)} of {count} requests for {path}")
        return found

    def environment(
        self, *, token: str | None = None, home: str | Path | None = None
    ) -> dict[str, str]:
        """Environment variables that lead the client, and `datasets`, here and nowhere else.

        Args:
            token: The access token; None: not logged in.
            home: Folder for all caches. None: a new one, gone at the end of the Hub.
        """
        if home is None:
            home = tempfile.mkdtemp(dir=self._temporary.name, prefix="home-")
        home = Path(home)
        return {
            "HF_ENDPOINT": self.url,
            "HUGGINGFACE_CO_STAGING": "0",
            # Who asks. An empty variable counts as none; other ways to log in are closed.
            "HF_TOKEN": token or "",
            "HUGGING_FACE_HUB_TOKEN": "",
            "HF_OIDC_RESOURCE": "",
            "HF_TOKEN_PATH": str(home / "token"),
            "HF_HUB_DISABLE_IMPLICIT_TOKEN": "0",
            # Where things are kept: each of these outranks HF_HOME, and may be set where we run.
            "HF_HOME": str(home),
            "HF_HUB_CACHE": str(home / "hub"),
            "HF_ASSETS_CACHE": str(home / "assets"),
            "HF_XET_CACHE": str(home / "xet"),
            "HF_DATASETS_CACHE": str(home / "datasets"),
            "HF_MODULES_CACHE": str(home / "modules"),
            # The tests' own process is offline.
            "HF_HUB_OFFLINE": "0",
            "TRANSFORMERS_OFFLINE": "0",
            "HF_DATASETS_OFFLINE": "0",
            # With hf_xet installed, clients upload through Xet without asking whether the
            # repository has it.
            **(XET_ENVIRONMENT if self._xet is not None else {"HF_HUB_DISABLE_XET": "1"}),
            # What is sent elsewhere or shown unasked.
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_UPDATE_CHECK": "1",
            "HF_UPDATE_DOWNLOAD_COUNTS": "0",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
            # `datasets` asks `datasets-server.<our host>` for infos, a name that no resolver should
            # be bothered with. As the proxy for all other hosts we answer that, and log the rest.
            **{
                name: value
                for variable, value in {
                    "HTTP_PROXY": self.url,
                    "HTTPS_PROXY": self.url,
                    "ALL_PROXY": self.url,
                    "NO_PROXY": "127.0.0.1,localhost",
                }.items()
                for name in (variable, variable.lower())
            },
        }

    def __enter__(self) -> Hub:
        self._server.start()
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._server.stop()
        self._temporary.cleanup()
        if self._server.errors and kind is None:
            raise AssertionError("the loopback Hub itself failed") from self._server.errors[0]

    def _answer(self, incoming: Incoming, caller: Caller) -> Reply:
        with self._lock:  # one at a time: a commit is there as a whole or not at all
            return self._api.answer(incoming, caller)

    def _caller(self, parts: tuple[str, ...], authorization: str | None) -> Caller:
        return self._api.caller(parts, authorization)
