"""A Python that has imported what takes long, and forks for each program: see `forked`.

    python fork_server.py DESCRIPTOR MODULE...

Whatever else comes is told through the socket of that number. It imports nothing of this project.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.abc
import importlib.util
import json
import os
import runpy
import select
import socket
import sys
import types
import warnings
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from typing import Any


class Hidden(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives modules that are loaded already to who imports one of them, and to nobody before.

    Some programs look into `sys.modules` whether torch is imported.
    """

    def __init__(self, package: str) -> None:
        names = [name for name in sys.modules if name.partition(".")[0] == package]
        self._modules = {name: sys.modules.pop(name) for name in names}
        self._specs = {name: module.__spec__ for name, module in self._modules.items()}

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: types.ModuleType | None = None
    ) -> ModuleSpec | None:
        # Some only ask whether it is installed.
        return importlib.util.spec_from_loader(name, self) if name in self._modules else None

    def create_module(self, spec: ModuleSpec) -> types.ModuleType:
        sys.meta_path.remove(self)
        sys.modules.update(self._modules)
        return self._modules[spec.name]

    def exec_module(self, module: types.ModuleType) -> None:
        module.__spec__ = self._specs[module.__name__]


def serve(connection: socket.socket) -> dict[str, Any] | None:
    """Fork for each request, and tell who asked how it ended.

    Returns:
        The request, in the forked process; None where there are no more.
    """
    hidden: set[str] = set()
    running: dict[int, tuple[int, socket.socket]] = {}
    while True:
        heard, _, _ = select.select([connection, *running], [], [])
        for ended in running.keys() & set(heard):
            child, answers = running.pop(ended)
            os.close(ended)
            _, status, usage = os.wait4(child, 0)
            code, seconds = os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime
            with answers, contextlib.suppress(OSError):  # nobody may want to know
                answers.send(json.dumps([code, seconds]).encode())
        if connection not in heard:
            continue
        place, descriptors, *_ = socket.recv_fds(connection, 4096, 4)
        if not place:
            return None
        *streams, own = descriptors
        answers = socket.socket(fileno=own)
        with open(place, encoding="utf-8") as file:
            request: dict[str, Any] = json.load(file)
        for module in request["modules"]:
            hidden.add(module.partition(".")[0])
            with contextlib.suppress(ImportError):  # the program itself meets it, if it needs it
                importlib.import_module(module)
        gc.freeze()  # else the first collection would copy all memory
        child = os.fork()
        if not child:
            for open_here in (connection, answers, *(other for _, other in running.values())):
                open_here.close()
            for descriptor in running:
                os.close(descriptor)
            for number, descriptor in enumerate(streams):
                os.dup2(descriptor, number)
                os.close(descriptor)
            return {**request, "hidden": sorted(hidden)}
        for descriptor in streams:
            os.close(descriptor)
        running[os.pidfd_open(child)] = child, answers
        answers.send(b"%d" % child)


def become(request: dict[str, Any], base: list[str]) -> None:
    """Make this process one that was started anew, as far as a program can tell."""
    if request["new_session"]:
        os.setsid()
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    given = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:] = [*given, *base]
    importlib.invalidate_caches()
    sys.meta_path[:0] = map(Hidden, request["hidden"])
    for name in ("huggingface_hub.constants", "datasets.config"):  # they read the environment
        if name in sys.modules:
            importlib.reload(sys.modules[name])
    if "huggingface_hub.hf_api" in sys.modules:  # its functions are methods of an object it made
        hub = sys.modules["huggingface_hub.constants"].ENDPOINT
        sys.modules["huggingface_hub.hf_api"].api.endpoint = hub
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()  # the others begin at the same state


def run(words: list[str]) -> None:
    """Do what Python does with these words: `-c CODE`, `-m MODULE` or a file; `-W` before it."""
    while words[0] == "-W":
        warnings._setoption(words[1])  # type: ignore[attr-defined]
        words = words[2:]
    if words[0] == "-m":
        sys.argv[:] = words[1:]
        sys.path.insert(0, os.getcwd())
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        return
    main = types.ModuleType("__main__")
    sys.modules["__main__"] = main
    if words[0] == "-c":
        sys.argv[:] = ["-c", *words[2:]]
        sys.path.insert(0, "")
        code = compile(words[1], "<string>", "exec")
    else:
        sys.argv[:] = words
        sys.path.insert(0, os.path.dirname(words[0]))
        main.__file__ = words[0]
        with open(words[0], encoding="utf-8") as file:
            code = compile(file.read(), words[0], "exec")
    exec(code, main.__dict__)


if __name__ == "__main__":
    where, *first = sys.argv[1:]
    own_path = sys.path[1:]
    # Libraries of numbers have started threads, and do well without them in a forked process.
    warnings.filterwarnings("ignore", ".*multi-threaded, use of fork", DeprecationWarning)
    for name in first:
        with contextlib.suppress(ImportError):  # another version of `datasets` does without
            importlib.import_module(name)
    asked = serve(socket.socket(fileno=int(where)))
    if asked is not None:
        become(asked, own_path)
        run(asked["words"])
