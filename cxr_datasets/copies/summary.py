"""What came of looking at a copy, for people and for machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from cxr_datasets.builder.published import Counts
from cxr_datasets.copies.compared import Compared
from cxr_datasets.copies.findings import Findings
from cxr_datasets.copies.recognise import Place
from cxr_datasets.copies.tables import TableCount


@dataclass(frozen=True)
class ImageCounts:
    """How many image files the tables list, and how many are there.

    Attributes:
        listed: By the tables.
        present: There, with a byte at least.
        absent: Not there.
        unfinished: Without a byte, or still under the name of a file that is being fetched.
        extra: There, and listed by no table.
        form: Where they are and how they are called, such as `files/.../<image>.jpg`.
    """

    listed: int
    present: int
    absent: int
    unfinished: int
    extra: int
    form: str


@dataclass(frozen=True)
class TextCounts:
    """How many studies have a report.

    Attributes:
        address: Where the reports are.
        studies: How many there are.
        with_text: How many of them have a text.
    """

    address: str
    studies: int
    with_text: int


@dataclass(frozen=True)
class SplitCounts:
    """How many images, studies and patients a split has; published: those of the release."""

    split: str
    found: Counts
    published: Counts | None


@dataclass(frozen=True)
class FileCounts:
    """Files of an export.

    Attributes:
        files: How many are finished.
        bytes: Their bytes, all of which were read.
        rows: Their rows, as their footers say.
        unwritten: How many were not written, or not asked for.
        proven: How many have the sha256 that was noted of them.
    """

    files: int
    bytes: int
    rows: int
    unwritten: int
    proven: int


@dataclass(frozen=True)
class Verified:
    """What a place holds, and whether it is whole.

    Attributes:
        place: What it is.
        part: Whether images that are absent were no problem.
        tables: Of a release: the rows of each table.
        splits: Of a release: what each split has.
        as_published: Of a release: whether it is one whose counts were published.
        images: Of a release: its image files; None where no table lists them.
        texts: Of a release: its reports; None where none were found.
        checks: What was compared, file by file.
        files: Of an export: its files.
        findings: All that is wrong, or told, row by row.
        report: The file that the rows were written to; None: no file.
        manifests: Sha256 of the lists that the files were compared with: of an export by config,
            of a release by the name of the list.
    """

    place: Place
    findings: Findings
    part: bool = False
    tables: tuple[TableCount, ...] = ()
    splits: tuple[SplitCounts, ...] = ()
    as_published: bool = False
    images: ImageCounts | None = None
    texts: TextCounts | None = None
    checks: tuple[Compared, ...] = ()
    files: FileCounts | None = None
    report: str | None = None
    manifests: Mapping[str, str] = field(default_factory=dict)

    @property
    def problems(self) -> int:
        """How many problems there are; 0: it is whole."""
        return sum(self.findings.problems.values())

    @property
    def counts(self) -> dict[str, int]:
        """How many files and rows there are, for a log."""
        images, files = self.images, self.files
        if files is not None:
            return {"files": files.files, "bytes": files.bytes, "rows": files.rows}
        found = {} if images is None else {
            "listed": images.listed, "present": images.present, "absent": images.absent,
            "unfinished": images.unfinished, "extra": images.extra,
        }  # fmt: skip
        return {**found, **{one.check: one.files for one in self.checks}}

    def as_json(self) -> dict[str, Any]:
        """Give all of it, but for the rows of the findings, as JSON holds it."""
        return {
            "place": self.place.source.shown(),
            "kind": self.place.kind,
            "dataset": self.place.dataset,
            "version": self.place.version,
            "part": self.part,
            "configs": list(self.place.configs),
            "tables": [asdict(one) for one in self.tables],
            "as_published": self.as_published,
            "splits": [asdict(one) for one in self.splits],
            "images": _fields(self.images),
            "texts": _fields(self.texts),
            "checks": [asdict(one) for one in self.checks],
            "files": _fields(self.files),
            "problems": dict(self.findings.problems),
            "notes": dict(self.findings.notes),
            "report": self.report,
        }

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """Write it for people, line by line."""
        parts = [
            [str(self.place)], _told_tables(self.tables, self.as_published),
            _told_splits(self.splits), _told_images(self), _told_files(self.files),
            _told_findings(self.findings), [self._verdict()],
        ]  # fmt: skip
        return [line for lines in parts if lines for line in (*lines, "")][:-1]

    def _verdict(self) -> str:
        if not self.problems:
            if self.images is not None and (self.images.absent and self.part):
                return "No problem was found; it is a part of the release."
            return "No problem was found."
        more = f" The report lists each: {self.report}." if self.report else (
            " Give --report FILE.csv to have each listed."
        )  # fmt: skip
        found = "problem was" if self.problems == 1 else "problems were"
        return f"{self.problems:,} {found} found.{more}"


def _fields(value: Any) -> dict[str, Any] | None:
    return None if value is None else asdict(value)


def lines_of(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Write rows under each other, the first column to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if number == 0 else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _told_tables(tables: tuple[TableCount, ...], as_published: bool) -> list[str]:
    if not tables:
        return []
    rows = [("table", "rows", "published")]
    rows += [(one.table, _number(one.rows), _number(one.published)) for one in tables]
    note = "" if as_published else (
        "No table has the published number of rows: it is not the whole release, or is an "
        "invented one. Its tables are compared with each other only."
    )  # fmt: skip
    return [*lines_of(rows), *([note] if note else [])]


def _told_splits(splits: tuple[SplitCounts, ...]) -> list[str]:
    if not splits:
        return []
    rows: list[tuple[str, ...]] = [("split", "images", "studies", "patients")]
    for one in splits:
        found = one.found
        rows.append((one.split, *map(_number, (found.images, found.studies, found.patients))))
    return lines_of(rows)


def _told_images(verified: Verified) -> list[str]:
    lines: list[tuple[str, ...]] = []
    images, texts = verified.images, verified.texts
    if images is not None:
        counts = {"listed": images.listed, "present": images.present, "absent": images.absent,
                  "unfinished": images.unfinished, "extra": images.extra}  # fmt: skip
        lines += [(f"images {name}", f"{count:,}") for name, count in counts.items()]
    if texts is not None:
        lines.append(("studies with a text", f"{texts.with_text:,} of {texts.studies:,}"))
    elif verified.tables:
        lines.append(("studies with a text", "no reports were found"))
    lines += [(f"{one.check} right", f"{one.right:,} of {one.files:,}") for one in verified.checks]
    return lines_of(lines) if lines else []


def _told_files(files: FileCounts | None) -> list[str]:
    if files is None:
        return []
    lines: list[tuple[str, ...]] = [
        ("files", f"{files.files:,}"), ("bytes", f"{files.bytes:,}"), ("rows", f"{files.rows:,}"),
        ("sha256 as noted", f"{files.proven:,} of {files.files:,}"),
        ("not written", f"{files.unwritten:,}"),
    ]  # fmt: skip
    return lines_of(lines)


def _told_findings(findings: Findings) -> list[str]:
    rows: list[tuple[str, ...]] = []
    for kind, counts in (("problem", findings.problems), ("note", findings.notes)):
        rows += [(f"{kind} {word}", f"{count:,}", _first(findings, word))
                 for word, count in counts.items()]  # fmt: skip
    if not rows:
        return []
    width, right = max(len(row[0]) for row in rows), max(len(row[1]) for row in rows)
    return [f"{name.ljust(width)}  {count.rjust(right)}  {first}" for name, count, first in rows]


def _first(findings: Findings, word: str) -> str:
    row = findings.first(word)
    where = row["path"] or ""
    if row["study_id"] and row["image_id"] is None:
        where = f"study {row['study_id']} in {where}"
    wants = f", expected {row['expected']}" if row["expected"] else ""
    found = f", found {row['found']}" if row["found"] else ""
    return f"such as {where}{wants}{found}"
