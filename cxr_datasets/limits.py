"""The most that is read, unpacked and waited for, so that no input takes all memory or time.

Each limit is several times what the largest file of the known releases needs. What is beyond one
ends in an error that names the file, the limit and its constant here, and what was found.
"""

from __future__ import annotations

from typing import Final

from cxr_datasets.wording import OwnWords

KIB: Final = 2**10
MIB: Final = 2**20
GIB: Final = 2**30

# --- images ---------------------------------------------------------------------------------------

LARGEST_IMAGE: Final = 32 * MIB
"""Bytes of one image file; the largest known has 5 MB, and 16-bit pixels of the largest detectors
(4,280 x 3,520) without any compression have 30 MB."""

MOST_PIXELS: Final = 50_000_000
"""Pixels of one image; radiographs of the largest detectors have 15 million."""

MOST_SCANS: Final = 200
"""Scans of one progressive or coloured JPEG, each of which takes time; encoders write about 10."""

# --- tables ---------------------------------------------------------------------------------------

LARGEST_TABLE: Final = 256 * MIB
"""Bytes of one table, as it is stored and unpacked; the largest known has 70 MB unpacked."""

MOST_LINES: Final = 2_000_000
"""Lines of one table; the longest known has 377,111."""

LONGEST_FIRST_LINE: Final = 64 * KIB
"""Bytes of the line that names the columns; the longest known has some 300."""

MOST_PACKINGS: Final = 3
"""How often a table may be compressed by gzip, one time over the other: a server may do it again
to what is packed already."""

# --- reports --------------------------------------------------------------------------------------

LARGEST_REPORT: Final = 4 * MIB
"""Bytes of one report, unpacked; usual ones have a few thousand."""

LARGEST_REPORTS: Final = 256 * MIB
"""Bytes of the reports that are unpacked at once, which are those of some thousand studies."""

LARGEST_ARCHIVE: Final = 1 * GIB
"""Bytes of an archive of reports as it is stored; the release's own has 135 MB, and as a tar
without compression about 700 MB."""

LARGEST_UNPACKED: Final = 4 * GIB
"""Bytes that an archive of reports unpacks to; the release's own has about 700 MB as a tar."""

MOST_MEMBERS: Final = 2_000_000
"""Members of an archive of reports; the release's own has 290,000."""

LARGEST_MEMBER_HEADER: Final = 1 * MIB
"""Bytes of all that a tar says of one member before its content: long names, maps of holes."""

# --- archives that hold a release -----------------------------------------------------------------

LARGEST_DIRECTORY: Final = 256 * MIB
"""Bytes of the table of members of a zip; one of 290,000 members has 25 MB."""

MOST_MEMBERS_IN_PLACE: Final = 1_000_000
"""Members of a zip in which a release is read in place, each of which takes about 2 KB of memory;
the smaller release has 7,472, and the larger one would have 670,000."""

# --- servers --------------------------------------------------------------------------------------

LARGEST_ANSWER: Final = 256 * MIB
"""Bytes of one answer of a server where nothing else limits it, such as a whole archive of a server
that sends no parts of files."""

LARGEST_PAGE: Final = 16 * MIB
"""Bytes of the page on which a web server lists a folder; one of 6,500 patients has 1 MB."""

LONGEST_REQUEST: Final = 600.0
"""Seconds for one image, one table, or one piece of an archive, from the request to the last byte;
they come within seconds, and on slow connections within a minute."""

LONGEST_RETRY: Final = 180.0
"""Seconds from the first try of a request to the last one. If a server asks by `Retry-After` for a
longer wait, the request fails at once."""


class TooLargeError(OwnWords, OSError):
    """A file, or what it unpacks to, is beyond a limit; the text says so after the file's name."""


def too_large(what: str, limit: float, name: str, found: str = "") -> TooLargeError:
    """Build the error for something beyond a limit.

    Args:
        what: What is limited, such as `bytes of one report`.
        limit: The limit.
        name: Its name in this module.
        found: What was found, where more is known than that it is more.
    """
    return TooLargeError(
        f"is beyond a limit: at most {limit:,} {what} are read here (cxr_datasets.limits.{name}), "
        f"and {found or 'more were found'}"
    )
