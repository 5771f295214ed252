"""Files, ranges of them and index pages, as nginx serves them for the loopback PhysioNet."""

from __future__ import annotations

import html
import os
import stat
import time
from email.utils import formatdate
from itertools import accumulate
from pathlib import Path
from urllib.parse import quote

from tests.fakes.loopback import byte_range
from tests.fakes.physionet.messages import Answer, Request, page

_TYPES = {
    ".csv": "text/csv",
    ".html": "text/html",
    ".jpg": "image/jpeg",
    ".txt": "text/plain",
    ".zip": "application/zip",
}


def inside(folder: Path, path: str) -> Path | None:
    """Where a decoded path leads; None if that is not there, or not in the folder."""
    if "\0" in path:
        return None
    parts = [part for part in path.split("/") if part]
    place = folder.joinpath(*parts)
    if ".." in parts or any(map(os.path.islink, accumulate([str(folder), *parts], os.path.join))):
        # Only then: to resolve a path looks at each folder from the root of the disk on.
        root, place = folder.resolve(), place.resolve()
        if not place.is_relative_to(root):
            return None
    return place if place.exists() else None


def file_answer(place: Path, request: Request, *, etags: bool, ranges: bool) -> Answer:
    """A file, or the range of it that was asked for."""
    file = place.open("rb")
    facts = os.fstat(file.fileno())
    headers = {
        "Content-Type": _TYPES.get(place.suffix, "application/octet-stream"),
        "Last-Modified": formatdate(facts.st_mtime, usegmt=True),
    }
    if etags:
        headers["ETag"] = f'"{facts.st_mtime_ns:x}-{facts.st_size:x}"'
    if ranges:
        headers["Accept-Ranges"] = "bytes"
    answer = Answer(200, headers, file, 0, facts.st_size)
    only_if = request.headers.get("If-Range")
    fresh = only_if is None or only_if in (headers.get("ETag"), headers["Last-Modified"])
    wanted = byte_range(request.headers.get("Range", ""), facts.st_size)
    if not ranges or not fresh or wanted is None:
        return answer
    if not wanted:
        file.close()
        return page(416, {"Content-Range": f"bytes */{facts.st_size}"})
    answer.status, answer.size = 206, facts.st_size
    answer.start, answer.length = wanted.start, len(wanted)
    return answer


def index_page(folder: Path, path: str) -> Answer:
    """A page as nginx's autoindex writes it: folders first, each kind by name."""
    lines = ['<a href="../">../</a>']
    found = [(not child.is_dir(), child.name, child.stat()) for child in folder.iterdir()]
    for _, name, facts in sorted(found, key=lambda entry: entry[:2]):
        is_folder = stat.S_ISDIR(facts.st_mode)
        shown = name + "/" * is_folder
        when = time.strftime("%d-%b-%Y %H:%M", time.gmtime(facts.st_mtime))
        size = "-" if is_folder else str(facts.st_size)
        # nginx cuts a shown name to 50 characters; the address is never cut.
        cut = shown if len(shown) <= 50 else f"{shown[:47]}..>"
        link = f'<a href="{quote(shown)}">{html.escape(cut)}</a>'
        lines.append(f"{link}{' ' * (50 - len(cut))} {when} {size:>19}")
    title = f"Index of {html.escape(path)}"
    listing = "\n".join(lines)
    return page(
        200,
        body=f"<html>\n<head><title>{title}</title></head>\n<body>\n"
        f"<h1>{title}</h1><hr><pre>{listing}\n</pre><hr></body>\n</html>\n",
    )
