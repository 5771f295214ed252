r"""Sections of MIMIC-CXR's free-text reports, by the rules of the official parser.

The rules are those of MIT-LCP's `txt/section_parser.py` and `txt/create_section_files.py` (MIT
licence), which made `mimic_cxr_sectioned.csv`:

1. A header begins a line, after at least one space. It consists of capitals, spaces and any of
   `( ) / , -`, and ends with a colon and one white-space character: `\n ([A-Z ()/,-]+):\s`. In
   lower case, with a digit, at the margin or at the very end of the report it is text. The
   white-space character belongs to the header: if it ends the line, the next line is text,
   whatever it looks like.
2. A section runs from its header to the next one; `headers.section_of` says which section it is.
   What stands before the first header is the *opening*, and so is a whole report without one.
3. Blank findings and blank impressions are dropped.
4. If neither is left, the last section (or the opening, if there is none) is cut at its first empty
   line, which is `"\n \n"`. What follows the cut is the `last_paragraph`.
5. If a section occurs more than once, the last one counts, even a blank one.

Two things differ from the official files. The typo `ndication` means indication, not impression
(see `headers`). And 54 studies are parsed here like all others. The official code treats them
specially by their ids: for 23 it takes another section, for 31 a range of characters. These ids are
real and have no place here; `mimic_cxr_sectioned.csv` has no row for them.

The opening and the section `date` have no column. The one is mostly the report's title, the other
is blanked by de-identification; both remain in the whole report. An addendum or a wet read that
comes first runs to the first header of the report itself, as in the official code. So its text may
end with the line of underscores and the title that stand between the two.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cxr_datasets.columns import SECTIONS
from mimic_cxr_jpg.reports.headers import section_of

REPORT_SECTIONS: tuple[str, ...] = (
    *SECTIONS,
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
"""The sections that are columns, in order: the core ones, then MIMIC-CXR's own."""

_FINDINGS = REPORT_SECTIONS.index("findings")
_IMPRESSION = REPORT_SECTIONS.index("impression")
_LAST_PARAGRAPH = REPORT_SECTIONS.index("last_paragraph")
_OPENING = len(REPORT_SECTIONS)
_OTHER = _OPENING + 1
_KINDS = _OTHER + 1

_HEADER = re.compile(r"\n ([A-Z ()/,-]+):\s")
_EMPTY_LINE = "\n \n"
_BATCH_ROWS = 4096
"""Reports parsed at once: enough to hide the cost of a batch, few enough for little memory."""


def parse_sections(
    reports: pa.Array | pa.ChunkedArray, rows: pa.Array | None = None
) -> dict[str, pa.Array]:
    """Parse whole reports into their sections.

    Args:
        reports: n reports, as `string` or `large_string`; null for a study without one. Lines may
            end in LF, CR LF or CR. Any text is accepted, however little it looks like a report.
        rows: For each row of the result the number of its report, int32 without nulls, because
            several images share a report. None: a row per report.

    Returns:
        For each of `REPORT_SECTIONS`, in that order, a string per row: the section's text as it
        stands in the report, but without the white space around it, and with LF at the end of its
        lines. Null where there is no report, or no such section in it, or the section is blank.

    Raises:
        TypeError: `reports` does not hold strings.
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
    """Give the reports in lists of at most `_BATCH_ROWS`; a null one as an empty text."""
    for start in range(0, len(reports), _BATCH_ROWS):
        batch = reports.slice(start, _BATCH_ROWS)
        yield [report or "" for report in batch.to_pylist()]


def _parse_batch(reports: list[str]) -> tuple[pa.Array, npt.NDArray[np.int64]]:
    """Parse one batch.

    A *passage* is a stretch of text from one header to the next. The passages of the whole batch
    are numbered, and worked on a column at a time.

    Returns:
        Texts; and for each kind of section (rows) and report (columns) the number of its text, or
        -1 where there is none.
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

    # The last passage of each kind in each report. `number_of[codes, rows] = numbers` would not do:
    # where an index repeats, NumPy does not say which value stays.
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
    """Give the column of each of `REPORT_SECTIONS`."""
    return {
        section: texts.take(pa.array(number_of[code], mask=number_of[code] < 0))
        for code, section in enumerate(REPORT_SECTIONS)
    }


def _split(reports: list[str]) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Cut the reports at their headers: give the passages, and a code for what opens each."""
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
    """Give the place of a header's section; `_OPENING` for no header, `_OTHER` if it is unknown."""
    if header is None:
        return _OPENING
    section = section_of(header)
    return REPORT_SECTIONS.index(section) if section in REPORT_SECTIONS else _OTHER
