"""Labels of texts, read by a process beside this one.

It leaves this process free for other work. The texts are those of patients: they go through a pipe,
into no file, command line or environment. What the process cannot answer is read here.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import zlib
from contextlib import suppress
from pathlib import Path
from threading import Timer
from typing import Any

import numpy as np
import pyarrow as pa

from cxr_datasets.labels.text.column import label_texts, labels_of, texts_of

_PROGRAM = Path(__file__).with_name("helper.py")

_LONGEST = 60.0
"""Seconds for an answer, after which the process counts as lost. It takes less than one."""

_SUM = 4
"""Bytes of the checksum before an answer."""

_KEPT = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LANG", "LC_ALL")
"""Of the environment, which may hold secrets, all that Python needs to start."""


class Helper:
    """A process that labels texts. Use it as a context, so that none is left behind.

    In another process, to which it is sent, it is one that has not begun.
    """

    def __init__(self) -> None:
        """Start nothing yet."""
        self._process: subprocess.Popen[bytes] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """What is sent to another process."""
        return Helper, ()

    def __enter__(self) -> Helper:
        """Give this one."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process."""
        self.end()

    @property
    def is_there(self) -> bool:
        """Whether a process was started and none of its answers failed to come."""
        return self._process is not None

    def begin(self) -> None:
        """Start the process, if none is there; where that fails, all is read here."""
        if self._process is None and _is_python(sys.executable):
            with suppress(OSError, ValueError):
                self._process = subprocess.Popen(
                    # Isolated: nothing is imported from the current folder.
                    [sys.executable, "-I", str(_PROGRAM), *_folders()],
                    env={name: os.environ[name] for name in _KEPT if name in os.environ},
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                    start_new_session=True,  # Ctrl-C is for this process, which ends that one
                )  # fmt: skip

    def label_texts(self, column: Any) -> pa.StructArray:
        """Give the labels of a column, as `column.label_texts` does; for one thread at a time."""
        process, texts = self._process, texts_of(column)
        if process is not None:
            marks = _answer(process, texts)
            if marks is not None:
                return labels_of(texts, marks)
            self.end()
        return label_texts(texts)

    def end(self) -> None:
        """End the process, whatever it does."""
        process, self._process = self._process, None
        if process is not None:
            _kill(process)
            for pipe in filter(None, (process.stdin, process.stdout)):
                with suppress(OSError):  # what was not sent yet
                    pipe.close()
            process.wait()


def _is_python(program: str | None) -> bool:
    """Whether a program is Python: if it is another that has Python in it, it is not started."""
    is_other = getattr(sys, "frozen", False)
    return not is_other and Path(program or "").name.lower().startswith(("python", "pypy"))


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and those that it started, which would keep its pipes open."""
    with suppress(OSError):  # it has ended
        os.killpg(process.pid, signal.SIGKILL)


def _folders() -> list[str]:
    """Folders of the packages that the program needs, should Python not find them by itself."""
    return list(dict.fromkeys(str(Path(str(one.__file__)).parents[1]) for one in (np, pa)))


def _answer(
    process: subprocess.Popen[bytes], texts: pa.Array | pa.ChunkedArray
) -> np.ndarray | None:
    """Give the bits of all that each text says; None if the process does not answer."""
    assert process.stdin
    assert process.stdout
    lost = Timer(_LONGEST, _kill, [process])
    lost.daemon = True
    lost.start()
    try:
        process.stdin.write(_as_stream(texts))
        process.stdin.flush()
        answer = process.stdout.read(_SUM + 8 * len(texts))
    except (OSError, ValueError):  # it has ended, or is ended meanwhile
        return None
    finally:
        lost.cancel()
    told, marks = answer[:_SUM], answer[_SUM:]
    if len(marks) < 8 * len(texts) or int.from_bytes(told, "little") != zlib.crc32(marks):
        return None
    return np.frombuffer(marks, np.int64)


def _as_stream(texts: pa.Array | pa.ChunkedArray) -> pa.Buffer:
    rows = pa.table([texts], ["text"])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as stream:
        stream.write_table(rows)
    return sink.getvalue()
