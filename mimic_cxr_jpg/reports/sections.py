r"""Sections of MIMIC-CXR's free-text reports, by the rules of the official parser.

The rules are those of MIT-LCP's ``txt/section_parser.py`` and ``txt/create_section_files.py``
(MIT licence), which made ``mimic_cxr_sectioned.csv``:

1. A header stands at the beginning of a line, after at least one space: capitals, spaces and any
   of ``( ) / , -``, then a colon and one white-space character (``\n ([A-Z ()/,-]+):\s``). A
   header in lower case, with a digit, at the margin or at the very end of the report is text. The
   white space after the colon belongs to the header; where it is the line's end, the next line is
   text whatever it looks like.
2. A section runs from its header to the next one. `headers.section_of` says which section a
   header opens. What stands before the first header, or a whole report without one, is the
   *opening*.
3. Findings and impressions that are blank are dropped.
4. If neither is left, the last thing that is left (a section, or the opening) is cut at its first
   empty line, which is written ``"\n \n"``; what follows the cut is the ``last_paragraph``.
5. Of several sections of one name, the last counts, even a blank one.

Two things differ from the official files. The typo ``ndication`` means indication, not impression
(see `headers`). And the 54 studies that the official code treats apart by id (for 23 it
takes another section, for 31 a range of characters) are parsed like all others, because those ids
are real and have no place in this code; ``mimic_cxr_sectioned.csv`` has no row for them.

The opening and the section ``date`` are no columns: the one is mostly the report's title, the
other is blanked by de-identification, and both remain in the whole report. An addendum or a
wet read that comes first runs, as in the official code, to the first header of the report proper,
so its text may end with the line of underscores and the title that stand between the two.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mimic_cxr_jpg.reports.headers import section_of

REPORT_SECTIONS: tuple[str, ...] = (
    "indication",
    "comparison",
    "findings",
    "impression",
    "examination",
    "technique",
    "history",
    "recommendations",
    "notification",
    "addendum",
    "wet_read",
    "comment",
    "last_paragraph",
)
"""The columns of `parse_sections`, in order."""

_FINDINGS = REPORT_SECTIONS.index("findings")
_IMPRESSION = REPORT_SECTIONS.index("impression")
_LAST_PARAGRAPH = REPORT_SECTIONS.index("last_paragraph")
_OPENING = len(REPORT_SECTIONS)
_OTHER = _OPENING + 1
_KINDS = _OTHER + 1

_HEADER = re.compile(r"\n ([A-Z ()/,-]+):\s")
_EMPTY_LINE = "\n \n"
_BATCH_ROWS = 4096
"""Reports handled at once: enough to hide the cost of a batch, few enough to stay in memory."""


def parse_sections(
    reports: pa.Array | pa.ChunkedArray, rows: pa.Array | None = None
) -> dict[str, pa.Array]:
    """Parse whole reports into their sections.

    Args:
        reports: n reports, as `string` or `large_string`; null for a study without one. Lines may
            end in LF, CR LF or CR. Any text is accepted, however little it looks like a report.
        rows: For each row of the result, which report it is of, as int32 without nulls: several
            images share one. None: a row per report.

    Returns:
        For each of `REPORT_SECTIONS`, in that order, a string per row: the section's text as it
        stands in the report, but without the white space around it, and with LF at the end of its
        lines. Null where there is no report, or no such section in it, or the section is blank.

    Raises:
        TypeError: If `reports` does not hold strings.
    """
    _check_type(reports.type)
    batches = [_parse_batch(batch) for batch in _batches(reports)]
    if len(batches) == 1 and rows is not None:
        ((texts, number_of),) = batches
        return _columns(texts, number_of[:, rows.to_numpy()])  # saves copying every text twice
    columns = [_columns(*batch) for batch in batches]
    whole = {
        section: pa.concat_arrays([column[section] for column in columns])
        if columns
        else pa.array([], pa.string())
        for section in REPORT_SECTIONS
    }
    return whole if rows is None else {name: texts.take(rows) for name, texts in whole.items()}


def _check_type(found: pa.DataType) -> None:
    types = pa.types
    if not (types.is_string(found) or types.is_large_string(found) or types.is_null(found)):
        raise TypeError(f"reports must be an array of strings, not of {found}; cast it to string")


def _batches(reports: pa.Array | pa.ChunkedArray) -> Iterator[list[str]]:
    """Yield the reports as lists of at most `_BATCH_ROWS`; one that is not there is empty."""
    for start in range(0, len(reports), _BATCH_ROWS):
        batch = reports.slice(start, _BATCH_ROWS)
        yield [report or "" for report in batch.to_pylist()]


def _parse_batch(reports: list[str]) -> tuple[pa.Array, npt.NDArray[np.int64]]:
    """Return texts, and for each kind of section and report the number of its text, or -1.

    A *passage* is a stretch of text from one header to the next; passages are numbered through
    the whole batch, and the work on them is done a column at a time.
    """
    passages, codes = _split(reports)
    rows = np.cumsum(codes == _OPENING) - 1
    texts: list[str | None] = [passage.strip() or None for passage in passages]

    numbers = np.arange(len(passages))
    is_main = (codes == _FINDINGS) | (codes == _IMPRESSION)
    dropped = [number for number in numbers[is_main].tolist() if texts[number] is None]
    kept = np.ones(len(passages), bool)
    kept[dropped] = False
    numbers, codes, rows = numbers[kept], codes[kept], rows[kept]

    # The last passage of each kind in each report. Not `number_of[codes, rows] = numbers`: NumPy
    # promises no order of assignment where an index repeats.
    number_of = np.full((_KINDS, len(reports)), -1)
    np.maximum.at(number_of, (codes, rows), numbers)
    last = number_of.max(axis=0)
    lacking = (number_of[_FINDINGS] < 0) & (number_of[_IMPRESSION] < 0)
    for row in np.flatnonzero(lacking).tolist():
        number = last[row]
        text, cut, paragraph = passages[number].partition(_EMPTY_LINE)
        if cut:
            texts[number] = text.strip() or None
            number_of[_LAST_PARAGRAPH, row] = len(texts)
            texts.append(paragraph.strip() or None)

    return pa.array(texts, pa.string()), number_of


def _columns(texts: pa.Array, number_of: npt.NDArray[np.int64]) -> dict[str, pa.Array]:
    """Give each of `REPORT_SECTIONS` its column of texts."""
    return {
        section: texts.take(pa.array(number_of[code], mask=number_of[code] < 0))
        for code, section in enumerate(REPORT_SECTIONS)
    }


def _split(reports: list[str]) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Cut the reports at their headers: the passages in order, and a code for what opens each."""
    parts: list[str | None] = []
    for report in reports:
        if "\r" in report:
            report = report.replace("\r\n", "\n").replace("\r", "\n")
        parts.append(None)
        parts += _HEADER.split(report)
    headers = parts[0::2]
    passages = cast(list[str], parts[1::2])
    code_of = {header: _code_of(header) for header in set(headers)}
    return passages, np.fromiter(map(code_of.__getitem__, headers), np.int64, len(headers))


def _code_of(header: str | None) -> int:
    """Return the index of a header's section, `_OPENING` for no header, `_OTHER` if unknown."""
    if header is None:
        return _OPENING
    section = section_of(header)
    return REPORT_SECTIONS.index(section) if section in REPORT_SECTIONS else _OTHER
