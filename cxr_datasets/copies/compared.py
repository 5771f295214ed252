"""What was read of the files of a copy against what they should be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.copies.checksums import Checksums
from cxr_datasets.copies.contents import GONE, UNREADABLE, Checks, Wanted, read_files
from cxr_datasets.copies.findings import Findings
from cxr_datasets.copies.images import Images
from cxr_datasets.copies.state import Facts, State
from cxr_datasets.storage import Source
from cxr_datasets.storage.source import EMPTY
from cxr_datasets.tables.keys import combined


@dataclass(frozen=True)
class Compared:
    """How many files were looked into, and in how many of them nothing was wrong.

    Attributes:
        check: `sizes`, `checksums` or `decode`.
        files: How many could be compared.
        right: How many are as they should be.
    """

    check: str
    files: int
    right: int


def compare_files(
    source: Source,
    images: Images | None,
    listing: pa.Table,
    sums: Checksums | None,
    checks: Checks,
    state: State,
    findings: Findings,
    progress: bool,
) -> list[Compared]:
    """Read the files, and find those that are not what they should be.

    Args:
        source: The copy.
        images: Its images; None if no table lists them.
        listing: All its files, as `storage.tree` lists them.
        sums: The sha256 of its files; None if there are none.
        checks: What to compare.
        state: What is known of the files; takes what is found.
        findings: Takes what is wrong.
        progress: Whether to show a progress bar.

    Raises:
        StoreError: A store refuses a file, or failed again and again.
    """
    rows = _rows(images, listing, sums)
    asked = rows
    if not checks.sizes and not checks.decode:
        asked = rows.filter(rows["sha256"].is_valid())
    wanted = [
        Wanted(*values)
        for values in zip(*(asked[name].to_pylist() for name in (
            "file", "size", "version", "is_image"
        )), strict=True)
    ]  # fmt: skip
    facts = read_files(source, wanted, checks, state, progress)
    rows = _with_facts(rows, facts)
    _add_faults(rows, findings)
    done = []
    if checks.sizes:
        done.append(_compare_sizes(rows, findings))
    if checks.checksums:
        done.append(_compare_sums(rows, sums, findings))
    if checks.decode:
        decoded = rows.filter(pc.and_(rows["is_image"], rows["fault"].is_valid()))
        right = pc.sum(pc.equal(decoded["fault"], "")).as_py() or 0
        done.append(Compared("decode", decoded.num_rows, right))
    return done


def _rows(images: Images | None, listing: pa.Table, sums: Checksums | None) -> pa.Table:
    """The files that are there: the images of the tables, and others that have a checksum."""
    parts = []
    own, files = pa.array([], pa.string()), pa.array([], pa.string())
    if images is not None:
        own, files = combined(images.rows["path"]), combined(images.rows["file"])
        there = images.rows.filter(pc.fill_null(pc.not_equal(images.rows["size"], EMPTY), False))
        names = ("image_id", "study_id", "path", "file", "size", "version", "height", "width")
        there = there.select(names)
        there = there.set_column(1, "study_id", pc.cast(there["study_id"], pa.string()))
        parts.append(there.append_column("is_image", pa.array([True] * there.num_rows)))
    others = listing.filter(pc.invert(pc.is_in(listing["path"], value_set=files)))
    if sums is not None:
        is_listed = pc.is_in(others["path"], value_set=sums.paths)
        is_own = pc.is_in(others["path"], value_set=own)
        others = others.filter(pc.and_(is_listed, pc.invert(is_own)))
        nothing = pa.nulls(others.num_rows, pa.string())
        none = pa.nulls(others.num_rows, pa.int32())
        parts.append(pa.table({
            "image_id": nothing, "study_id": nothing, "path": others["path"],
            "file": others["path"], "size": others["size"], "version": others["version"],
            "height": none, "width": none, "is_image": pa.array([False] * others.num_rows),
        }))  # fmt: skip
    schema = _EMPTY.schema
    rows = pa.concat_tables([part.cast(schema) for part in parts]) if parts else _EMPTY
    digests = pa.nulls(rows.num_rows, pa.string()) if sums is None else sums.of(
        combined(rows["path"])
    )  # fmt: skip
    return rows.append_column("sha256", digests)


_EMPTY = pa.schema([
    *((name, pa.string()) for name in ("image_id", "study_id", "path", "file")),
    ("size", pa.int64()), ("version", pa.string()), ("height", pa.int32()),
    ("width", pa.int32()), ("is_image", pa.bool_()),
]).empty_table()  # fmt: skip


def _with_facts(rows: pa.Table, facts: Mapping[str, Facts]) -> pa.Table:
    found = [facts.get(path) for path in rows["file"].to_pylist()]
    kinds = {"sha256": pa.string(), "width": pa.int32(), "height": pa.int32(), "fault": pa.string()}
    for name, kind in kinds.items():
        values = pa.array([None if one is None else getattr(one, name) for one in found], kind)
        rows = rows.append_column(name if name == "fault" else f"found_{name}", values)
    return rows


def _add_faults(rows: pa.Table, findings: Findings) -> None:
    wrong = rows.filter(pc.fill_null(pc.not_equal(rows["fault"], ""), False))
    is_unread = pc.is_in(wrong["fault"], value_set=pa.array([GONE]))
    is_unread = pc.or_(is_unread, pc.starts_with(wrong["fault"], UNREADABLE))
    unread, damaged = wrong.filter(is_unread), wrong.filter(pc.invert(is_unread))
    findings.add("unreadable", **_ids(unread), expected="a file", found=unread["fault"])
    findings.add("damaged", **_ids(damaged), expected="a whole image", found=damaged["fault"])


def _compare_sizes(rows: pa.Table, findings: Findings) -> Compared:
    known = pc.and_(rows["height"].is_valid(), rows["found_height"].is_valid())
    rows = rows.filter(pc.and_(known, rows["width"].is_valid()))
    same = pc.and_(
        pc.equal(rows["width"], rows["found_width"]), pc.equal(rows["height"], rows["found_height"])
    )
    wrong = rows.filter(pc.invert(same))
    findings.add("wrong_size", **_ids(wrong), expected=_size(wrong, ""),
                 found=_size(wrong, "found_"))  # fmt: skip
    return Compared("sizes", rows.num_rows, rows.num_rows - wrong.num_rows)


def _size(rows: pa.Table, before: str) -> pa.Array:
    width, height = (
        pc.cast(combined(rows[before + name]), pa.string()) for name in ("width", "height")
    )
    return pc.binary_join_element_wise("width ", width, ", height ", height, "")


def _compare_sums(rows: pa.Table, sums: Checksums | None, findings: Findings) -> Compared:
    has_sum = rows["sha256"].is_valid()
    unlisted = rows.filter(pc.and_(pc.invert(has_sum), rows["is_image"]))
    if pc.any(pc.and_(has_sum, rows["is_image"])).as_py():  # else the release gives none
        findings.add("no_checksum", **_ids(unlisted), expected="a line in the list of checksums",
                     found="none")  # fmt: skip
    rows = rows.filter(pc.and_(rows["sha256"].is_valid(), rows["found_sha256"].is_valid()))
    wrong = rows.filter(pc.not_equal(rows["sha256"], rows["found_sha256"]))
    findings.add("wrong_checksum", **_ids(wrong), expected=wrong["sha256"],
                 found=_told_sums(combined(wrong["found_sha256"]), sums))  # fmt: skip
    return Compared("checksums", rows.num_rows, rows.num_rows - wrong.num_rows)


def _told_sums(found: pa.Array, sums: Checksums | None) -> pa.Array:
    """Say of a file that has the bytes of another which that is."""
    if sums is None or not len(found):
        return found
    other = sums.paths.take(pc.index_in(found, value_set=sums.digests))
    told = pc.binary_join_element_wise(found, ", as ", other, "")
    return pc.coalesce(told, found)


def _ids(rows: pa.Table) -> dict[str, pa.ChunkedArray]:
    return {"image_id": rows["image_id"], "study_id": rows["study_id"], "path": rows["file"]}
