"""A loopback Hugging Face Hub for tests, that the real `huggingface_hub` client talks to.

It holds private, public and gated dataset repositories, knows the tokens of its users, takes
commits and LFS files (at once or in parts), serves files and ranges of them, and goes wrong when
told to::

    with Hub(users={"alice": Account("hf_alice", orgs=("lab",))}) as hub:
        hub.create("alice/films", private=True, files={"README.md": b"---\\nlicense: mit\\n---\\n"})
        run_client(hub, program, token="hf_alice")
        hub.repos["alice/films"].files

It does what `cxr push`, `push_to_hub` and reading by `hf://` need, and no more: no history beyond
the newest commit, no branches, no removal of files, no pull requests.

Programs that use it run in a Python of their own (see `client.py`): the client reads its address,
its caches and whether it is offline from the environment, once, when it is imported.
"""

from __future__ import annotations

import re
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path

from tests.fakes.hub.connection import Asked, Connection, Incoming, Reply
from tests.fakes.hub.faults import Fault
from tests.fakes.hub.files import Files
from tests.fakes.hub.repository import Blob, Caller, Gated, Repo, stored_by_lfs
from tests.fakes.hub.routes import Account, Routes
from tests.fakes.hub.storage import Storage
from tests.fakes.hub.xet import ENVIRONMENT as XET_ENVIRONMENT
from tests.fakes.hub.xet import XetFolder
from tests.fakes.loopback import Loopback


class Hub(Loopback):
    """A Hub at an address of its own on 127.0.0.1, from `with` to the end of it.

    Args:
        users: Accounts by the name of the user.
        part_size: Size in bytes of the parts that LFS files larger than it are uploaded in. None:
            none is uploaded in parts.
        xet: Let clients upload through Xet, their default, instead of by LFS. Their `hf_xet` then
            puts LFS files into a folder by itself (see `xet.py`), so that `requests` and faults
            know nothing of contents on their way; and `environment` lets them.

    Attributes:
        users: As given.
    """

    connection = Connection

    def __init__(
        self,
        users: Mapping[str, Account] | None = None,
        *,
        part_size: int | None = None,
        xet: bool = False,
    ) -> None:
        super().__init__()
        self.bind()
        self.users = dict(users or {})
        self._temporary = tempfile.TemporaryDirectory(prefix="hub-", ignore_cleanup_errors=True)
        self._xet = XetFolder(Path(self._temporary.name) / "xet") if xet else None
        elsewhere = f"http://localhost:{self.port}"
        storage = Storage(self.url, elsewhere, part_size, self._xet)
        self._routes = Routes(self.url, self.users, Files(self.url, storage))
        self._lock = threading.RLock()
        self._log_lock = threading.Lock()
        self._log: list[Asked] = []
        self._faults: list[Fault] = []

    @property
    def repos(self) -> dict[str, Repo]:
        """Repositories by id."""
        return self._routes.repos

    @property
    def buckets(self) -> dict[str, bool]:
        """Whether a bucket is private, by its id."""
        return self._routes.buckets

    @property
    def requests(self) -> list[Asked]:
        """What was asked so far, in the order of the answers.

        Requests to other hosts, which `environment` leads here too, are there with the host
        instead of the first slash (`datasets-server.127.0.0.1:…/info`); they got a 404 or 403.
        """
        with self._log_lock:
            return list(self._log)

    def asked(self, path: str, method: str | None = None) -> list[Asked]:
        """The requests so far whose path holds a regular expression."""
        return [
            request
            for request in self.requests
            if re.search(path, request.path) and method in (None, request.method)
        ]

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
            repo = self.repos[repo_id] = Repo(repo_id, private, gated)
            self.put(repo_id, files or {})
            return repo

    def put(self, repo_id: str, files: Mapping[str, bytes], title: str = "Add files") -> None:
        """Commit files on the server's side, as somebody else would in between."""
        with self._lock:
            if files:
                self.repos[repo_id].commit(
                    {path: Blob(content, stored_by_lfs(path)) for path, content in files.items()},
                    title=title,
                )

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
            hold: Keep the answer back until the fault's `release()` or the end of the Hub;
                `reached.wait()` returns once a request is held.
        """
        fault = Fault(
            re.compile(path), method=method, status=status, headers=dict(headers or {}),
            left=times, spared=after, drop_upload_after=drop_upload_after,
        )  # fmt: skip
        if not hold:
            fault.release()
        with self._log_lock:
            self._faults.append(fault)
        return fault

    def mend(self) -> None:
        """Take back all faults; requests that one holds go on."""
        with self._log_lock:
            for fault in self._faults:
                fault.release()
            self._faults.clear()

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

    def stop(self) -> None:
        self.mend()
        super().stop()

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            super().__exit__(kind, error, trace)
        finally:
            self._temporary.cleanup()

    # For the connections.

    def note(self, asked: Asked) -> None:
        """Log a request."""
        with self._log_lock:
            self._log.append(asked)

    def fault_for(self, method: str, path: str) -> Fault | None:
        """The fault that a request meets. Call it once a request: it counts."""
        with self._log_lock:
            return next((fault for fault in self._faults if fault.takes(method, path)), None)

    def caller(self, incoming: Incoming) -> Caller:
        """Who asks; refused is a token that is nobody's."""
        return self._routes.caller(incoming.parts, incoming.headers.get("Authorization"))

    def answer(self, incoming: Incoming, caller: Caller) -> Reply:
        """The answer to a request; a `Refusal` if it is an error."""
        with self._lock:  # one at a time: a commit is there as a whole or not at all
            return self._routes.answer(incoming, caller)
