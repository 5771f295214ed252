"""Sections of MIMIC-CXR's free-text reports; `rules` says by which rules.

The opening of a report, its section `date` and what follows a header that no rule knows have no
column. The first is mostly the report's title, the second is blanked by de-identification; all
three remain in the whole report.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cxr_datasets.columns import SECTIONS
from cxr_datasets.errors import OptionError
from mimic_cxr_jpg.reports.decoding import decoded_text
from mimic_cxr_jpg.reports.headers import section_of
from mimic_cxr_jpg.reports.rules import CORRECTED, JOINT, Rules, rules_of

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
_OPENING, _OTHER, _UNKNOWN, _KINDS = range(len(REPORT_SECTIONS), len(REPORT_SECTIONS) + 4)
"""Codes beyond the places of the sections: the opening, a known section without a column, what
follows a header that no rule knows; and how many codes there are."""

_BATCH_ROWS = 4096
"""Reports parsed at once: enough to hide the cost of a batch, few enough for little memory."""

Codes = npt.NDArray[np.int64]


def sections(text: str | bytes | None, rules: str = CORRECTED) -> dict[str, str | None]:
    """Parse one report into its sections.

    Args:
        text: The whole report, of any length and with any characters. Bytes are read as those of a
            release are: as UTF-8, or as Latin-1 if they are not that.
        rules: `corrected`, or `official`: what MIT-LCP's parser gives. The module
            `mimic_cxr_jpg.reports.rules` has both, with the source, and lists the differences.

    Returns:
        For each of `REPORT_SECTIONS`, in that order, the section's text, without the white space
        around it and with LF at the end of its lines; None if the report has no such section, or a
        blank one.

    Raises:
        OptionError: There are no such rules, or `text` is no text.
    """
    chosen = rules_of(rules)
    if isinstance(text, bytes):
        text = decoded_text(text)
    if not isinstance(text, (str, type(None))):
        raise OptionError(
            f"text is of type {type(text).__name__}; expected one report as str or bytes. For a "
            "whole column, use parse_sections."
        )
    texts, number_of = _parse_batch([text or ""], chosen)
    numbers = number_of[:, 0].tolist()
    return {
        section: texts[number] if number >= 0 else None
        for section, number in zip(REPORT_SECTIONS, numbers, strict=False)
    }


def parse_sections(
    reports: pa.Array | pa.ChunkedArray, rows: pa.Array | None = None, rules: str = CORRECTED
) -> dict[str, pa.Array]:
    """Parse whole reports into their sections.

    Args:
        reports: n reports, as `string` or `large_string`; null for a study without one. Lines may
            end in LF, CR LF or CR. Any text is accepted, however little it looks like a report.
        rows: For each row of the result the number of its report, int32 without nulls, because
            several images share a report. None: a row per report.
        rules: As for `sections`.

    Returns:
        For each of `REPORT_SECTIONS`, in that order, a string per row: the section's text as it
        stands in the report, but without the white space around it, and with LF at the end of its
        lines. Null where there is no report, or no such section in it, or the section is blank.

    Raises:
        OptionError: There are no such rules, or `reports` is no array of strings.
    """
    _check_type(reports)
    chosen = rules_of(rules)
    batches = [_parse_batch(batch, chosen) for batch in _batches(reports)]
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


def _check_type(reports: object) -> None:
    if not isinstance(reports, (pa.Array, pa.ChunkedArray)):
        raise OptionError(
            f"reports is of type {type(reports).__name__}; expected an Arrow array of strings, as "
            "pyarrow.array makes it of a list. For one report, use sections."
        )
    found, types = reports.type, pa.types
    if not (types.is_string(found) or types.is_large_string(found) or types.is_null(found)):
        raise OptionError(f"reports must be an array of strings, not of {found}; cast it to string")


def _batches(reports: pa.Array | pa.ChunkedArray) -> Iterator[list[str]]:
    """Give the reports in lists of at most `_BATCH_ROWS`; a null one as an empty text."""
    for start in range(0, len(reports), _BATCH_ROWS):
        batch = reports.slice(start, _BATCH_ROWS)
        yield [report or "" for report in batch.to_pylist()]


def _columns(texts: list[str | None], number_of: Codes) -> dict[str, pa.Array]:
    """Give the column of each of `REPORT_SECTIONS`."""
    array = pa.array(texts, pa.string())
    return {
        section: array.take(pa.array(number_of[code], mask=number_of[code] < 0))
        for code, section in enumerate(REPORT_SECTIONS)
    }


def _parse_batch(reports: list[str], rules: Rules) -> tuple[list[str | None], Codes]:
    """Parse one batch.

    A *passage* is a stretch of text from one header to the next. The passages of the whole batch
    are numbered, and worked on a column at a time.

    Returns:
        Texts; and for each kind of section (rows) and report (columns) the number of its text, or
        -1 where there is none.
    """
    passages, codes = _split(reports, rules)
    rows = np.cumsum(codes == _OPENING) - 1
    texts = [rules.text(passage) for passage in passages]

    numbers = np.flatnonzero(_counted(texts, codes, rules))
    codes, rows = codes[numbers], rows[numbers]
    # The last passage of each kind in each report. `number_of[codes, rows] = numbers` would not do:
    # where an index repeats, NumPy does not say which value stays.
    number_of = np.full((_KINDS, len(reports)), -1)
    np.maximum.at(number_of, (codes, rows), numbers)

    is_earlier = number_of[codes, rows] != numbers
    _cut_last_paragraphs(passages, texts, number_of, rules)
    if rules.is_corrected:
        _join(texts, number_of, numbers[is_earlier], codes[is_earlier], rows[is_earlier])
    return texts, number_of


def _counted(texts: list[str | None], codes: Codes, rules: Rules) -> npt.NDArray[np.bool_]:
    """Mark the passages that count: those that are not blank, and those that may be."""
    is_filled = np.fromiter((text is not None for text in texts), np.bool_, len(texts))
    if rules.is_corrected:
        return is_filled | (codes == _OPENING)
    return is_filled | ((codes != _FINDINGS) & (codes != _IMPRESSION))


def _cut_last_paragraphs(
    passages: list[str], texts: list[str | None], number_of: Codes, rules: Rules
) -> None:
    """Cut the last passage of each report that has neither findings nor impression."""
    last = number_of.max(axis=0)
    lacking = (number_of[_FINDINGS] < 0) & (number_of[_IMPRESSION] < 0)
    for row in np.flatnonzero(lacking).tolist():
        number = last[row]
        parts = rules.empty_line.split(passages[number], maxsplit=1)
        if len(parts) == 2:
            texts[number] = rules.text(parts[0])
            number_of[_LAST_PARAGRAPH, row] = len(texts)
            texts.append(rules.text(parts[1]))


def _join(
    texts: list[str | None], number_of: Codes, earlier: Codes, codes: Codes, rows: Codes
) -> None:
    """Join the sections of one name in one report, given all of them but the last."""
    before: dict[tuple[int, int], list[str | None]] = {}
    for number, code, row in zip(earlier.tolist(), codes.tolist(), rows.tolist(), strict=True):
        before.setdefault((code, row), []).append(texts[number])
    for place, parts in before.items():
        parts.append(texts[number_of[place]])
        number_of[place] = len(texts)
        texts.append(JOINT.join(filter(None, parts)))


def _split(reports: list[str], rules: Rules) -> tuple[list[str], Codes]:
    """Cut the reports at their headers: give the passages, and a code for what opens each."""
    parts: list[str | None] = []
    for report in reports:
        if "\r" in report:
            report = report.replace("\r\n", "\n").replace("\r", "\n")
        parts.append(None)
        parts += rules.cut(report)
    headers = parts[0::2]
    passages = cast(list[str], parts[1::2])
    code_of = {header: _code_of(header, rules) for header in set(headers)}
    codes = np.fromiter(map(code_of.__getitem__, headers), np.int64, len(headers))
    return _with_sub_headings(headers, passages, codes) if rules.is_corrected else (passages, codes)


def _code_of(header: str | None, rules: Rules) -> int:
    """Give the place of a header's section, or what opens no column."""
    if header is None:
        return _OPENING
    section = section_of(header, rules.spellings)
    if section in REPORT_SECTIONS:
        return REPORT_SECTIONS.index(section)
    return _OTHER if section in rules.spellings.values() else _UNKNOWN


def _with_sub_headings(
    headers: list[str | None], passages: list[str], codes: Codes
) -> tuple[list[str], Codes]:
    """Leave in the findings what follows a header in them that no rule knows."""
    parts_of: dict[int, list[str]] = {}
    findings = after = -1
    for number in np.flatnonzero(codes == _UNKNOWN).tolist():
        if number != after:  # the first one of a row of them
            findings = number - 1
        after = number + 1
        if codes[findings] == _FINDINGS:
            parts = parts_of.setdefault(findings, [passages[findings]])
            parts.append(f"\n {headers[number]}:{passages[number]}")
    for number, parts in parts_of.items():
        passages[number] = "".join(parts)
        codes[number + 1 : number + len(parts)] = -1
    kept = np.flatnonzero(codes >= 0)
    return [passages[number] for number in kept.tolist()], codes[kept]
