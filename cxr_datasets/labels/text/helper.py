"""Run as a program: label the texts that come in, until no more come; see `beside`.

It gets Arrow streams on its standard input, one for each request. To each it answers with a
checksum and the bits of what every text says.
"""

from __future__ import annotations

import gc
import os
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any


class _NoPandas:
    """Hides pandas from Arrow, which imports it where it is there, in the time of 10,000 texts."""

    @staticmethod
    def find_spec(name: str, *_: object) -> None:
        """Refuse pandas; leave the rest to others."""
        if name == "pandas":
            raise ModuleNotFoundError(name)


def _import_marks() -> Callable[[Any], Any]:
    """Import the rules that lie beside this file, whatever is installed, and no more than them."""
    ours = Path(__file__).resolve().parents[2]
    # Packages whose `__init__` is not run: that of the labels needs `datasets`, which takes long.
    for name, folder in ((ours.name, ours), (f"{ours.name}.labels", ours / "labels")):
        package = ModuleType(name)
        package.__path__ = [str(folder)]
        sys.modules[name] = package
    sys.meta_path.insert(0, _NoPandas())
    sys.path += sys.argv[1:]  # behind all of Python's own modules
    from cxr_datasets.labels.text.column import marks

    return marks


def main() -> None:
    """Answer until the input ends, as it does when the other process ends."""
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what else is printed is no answer
    gc.disable()  # what is kept of texts is much to look through, and has no cycles
    marks = _import_marks()
    import pyarrow as pa

    while requests.peek(1):
        with pa.ipc.open_stream(requests) as request:
            answer = marks(request.read_all().column(0)).tobytes()
        answers.write(zlib.crc32(answer).to_bytes(4, "little") + answer)
        answers.flush()


if __name__ == "__main__":
    main()
