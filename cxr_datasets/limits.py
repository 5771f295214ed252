"""The most that is read, unpacked and waited for, so that no input takes all memory or time.

Each limit is several times what the largest file of the known releases needs. What is beyond one
ends in an error that names the file, the limit and its constant here, and what was found.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from cxr_datasets.errors import OptionError
from cxr_datasets.wording import OwnWords

KIB, MIB, GIB = 2**10, 2**20, 2**30

_UNITS = {
    f"{letter}{binary}b": base**power
    for power, letter in enumerate(("", "k", "m", "g", "t"))
    for binary, base in (("", 1_000), ("i", 1_024))
    if letter or not binary
}


class Limit(int):
    """The most of something, which is a number that knows what it counts.

    Attributes:
        what: What is counted, such as `bytes of one image`.
        name: Its name in this module.
    """

    what: str
    name: str = ""

    def __new__(cls, most: int, what: str) -> Limit:
        """Make it of the number and of what it counts."""
        limit = super().__new__(cls, most)
        limit.what = what
        return limit


class TooLargeError(OwnWords, OSError):
    """A file, or what it unpacks to, is beyond a limit; the text says so after the file's name."""


def too_large(limit: Limit, found: int | str = "more were found") -> TooLargeError:
    """Build the error for something beyond a limit.

    Args:
        limit: One of this module.
        found: How many it has; or a clause that says it, where that is not known.
    """
    if isinstance(found, int):
        found = f"it has {found:,}"
    return TooLargeError(
        f"is beyond a limit: at most {limit:,} {limit.what} are read "
        f"(cxr_datasets.limits.{limit.name}), and {found}"
    )


def check_limit(count: int, limit: Limit) -> None:
    """Require that so many of something are within a limit.

    Raises:
        TooLargeError: They are more.
    """
    if count > limit:
        raise too_large(limit, count)


def size_in_bytes(option: str, given: object) -> int:
    """Read a size that a user gives.

    Args:
        option: Name of the option, for the message.
        given: Bytes as a positive integer, or a text such as "200GB", "1.5 TB" or "200 GiB". kB,
            MB, GB and TB count in thousands, KiB, MiB, GiB and TiB in steps of 1,024; small and
            capital letters are the same.

    Raises:
        OptionError: It is no size.
    """
    if isinstance(given, str):
        found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]*)\s*", given, re.ASCII)
        unit = _UNITS.get(found[2].lower() or "b") if found else None
        size = int(float(found[1]) * unit) if found and unit else 0
    else:
        size = given if isinstance(given, int) and not isinstance(given, bool) else 0
    if size <= 0:
        raise OptionError(
            f"{option}={given!r} is no size. Give a positive number of bytes, or a text with a "
            'unit, such as "200GB" or "200 GiB" (kB, MB, GB, TB; KiB, MiB, GiB, TiB).'
        )
    return size


def joined(parts: Iterable[bytes], limit: Limit) -> bytes:
    """Put the parts of something together, as long as they are within a limit.

    Args:
        parts: Its bytes, part by part. No more are taken than the limit allows.
        limit: How many bytes it may have.

    Raises:
        TooLargeError: It has more.
    """
    taken, size = [], 0
    for part in parts:
        taken.append(part)
        size += len(part)
        check_limit(size, limit)
    return b"".join(taken)


# --- images ---------------------------------------------------------------------------------------

LARGEST_IMAGE = Limit(32 * MIB, "bytes of one image")
"""Bytes of one image file; usual ones have 1 to 5 MB, and 16-bit pixels of the largest detectors
(4,280 x 3,520) without any compression have 30 MB."""

MOST_PIXELS = Limit(50_000_000, "pixels of one image")
"""Pixels of one image; radiographs of the largest detectors have 15 million."""

MOST_SCANS = Limit(200, "scans of one JPEG")
"""Scans of one progressive or coloured JPEG, each of which takes time; encoders write about 10."""

# --- tables ---------------------------------------------------------------------------------------

LARGEST_TABLE = Limit(256 * MIB, "bytes of one table")
"""Bytes of one table, as it is stored and unpacked; the largest known has about 70 MB
unpacked."""

MOST_LINES = Limit(2_000_000, "lines of one table")
"""Lines of one table, which are counted in samples; the longest known has 377,111."""

MOST_LINES_OF_TEXTS = Limit(8_000_000, "lines of one table of texts")
"""Lines of one table whose cells are texts of many lines, counted likewise; the findings and
impressions of 227,827 reports should have about two million."""

LONGEST_LINE = Limit(1 * MIB, "bytes of one line of a table")
"""Bytes of one line of a table, line ends in its cells included; a report has a few thousand."""

LONGEST_FIRST_LINE = Limit(64 * KIB, "bytes of a table's first line")
"""Bytes of the line that names the columns; the longest known has some 300."""

MOST_PACKINGS = Limit(3, "layers of gzip around one table")
"""How often a table may be compressed by gzip, one time over the other: a server may do it again
to what is packed already."""

LARGEST_LIST = Limit(1 * GIB, "bytes of a file of ids")
"""Bytes of a file that lists ids, as it is stored and unpacked; one that holds all reports beside
them, as JSON, has some 200 MB."""
LARGEST_LAYER = Limit(64 * GIB, "bytes of one layer")
"""Bytes of the table of a layer, as it is stored and unpacked; masks of 240,000 images, as text,
should have about 10 GB."""

LARGEST_JSON = Limit(4 * GIB, "bytes of one JSON file of a layer")
"""Bytes of a layer that is one JSON file, unpacked, all of which is in memory at once; the texts of
400,000 images have about 1 GB."""

MOST_LINES_OF_LAYER = Limit(200_000_000, "lines of one layer")
"""Lines of the table of a layer, which are counted in samples; 36 boxes of each image are nine
million."""

# --- reports --------------------------------------------------------------------------------------

LARGEST_REPORT = Limit(4 * MIB, "bytes of one report")
"""Bytes of one report, unpacked; usual ones have a few thousand."""

LARGEST_REPORTS = Limit(256 * MIB, "bytes of reports at once")
"""Bytes of the reports that are unpacked at once, which are those of some thousand studies."""

LARGEST_ARCHIVE = Limit(1 * GIB, "bytes of an archive of reports")
"""Bytes of an archive of reports as it is stored; the release's own has 135 MB, and as a tar
without compression about 700 MB."""

LARGEST_UNPACKED = Limit(4 * GIB, "bytes of what an archive of reports unpacks to")
"""Bytes that an archive of reports unpacks to; the release's own has about 700 MB as a tar."""

MOST_MEMBERS = Limit(2_000_000, "members of an archive of reports")
"""Members of an archive of reports; the release's own has 290,000."""

LARGEST_MEMBER_HEADER = Limit(1 * MIB, "bytes of what a tar says of one member")
"""Bytes of all that a tar says of one member before its content: long names, maps of holes."""

# --- archives that hold a release -----------------------------------------------------------------

LARGEST_DIRECTORY = Limit(256 * MIB, "bytes of a zip's table of members")
"""Bytes of the table of members of a zip; one of 290,000 members has 20 to 30 MB."""

MOST_MEMBERS_IN_PLACE = Limit(1_000_000, "members of a zip")
"""Members of a zip in which a release is read in place, each of which takes about 2 KB of memory;
the smaller release has 7,472, and the larger one would have 670,000."""

# --- servers --------------------------------------------------------------------------------------

LARGEST_ANSWER = Limit(256 * MIB, "bytes of one answer of a server")
"""Bytes of one answer of a server where nothing else limits it, such as a whole archive of a server
that sends no parts of files."""

LARGEST_PAGE = Limit(16 * MIB, "bytes of a page that lists a folder")
"""Bytes of the page on which a web server lists a folder; one of 6,500 patients has about 1 MB."""

LONGEST_REQUEST = 600.0
"""Seconds for one image, one table, or one piece of an archive, from the request to the last byte;
they come within seconds, and on slow connections within a minute."""

LONGEST_RETRY = 180.0
"""Seconds from the first try of a request to the last one. If a server asks by `Retry-After` for a
longer wait, the request fails at once."""

for _name, _value in list(globals().items()):
    if isinstance(_value, Limit):
        _value.name = _name
