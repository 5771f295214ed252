"""The image files of a copy against its tables: present, absent, unfinished, or listed nowhere."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.builder.forms import SUFFIXES, Form, ImageForms
from cxr_datasets.builder.places import spread
from cxr_datasets.copies.findings import Findings
from cxr_datasets.storage.source import EMPTY
from cxr_datasets.tables.keys import combined, find_keys

_UNFINISHED = r"(?i)([._]+gstmp|\.(part|partial|incomplete|unfinished|crdownload|aria2|tmp))$"
"""What the names of files end in that a program is still fetching, or left so."""

_SAMPLE = 256


@dataclass(frozen=True)
class Images:
    """The image files of a copy.

    Attributes:
        rows: A row for each image of the tables, with `file`, its path in the copy, and `size` and
            `version` as `storage.tree` gives them; null where it is not there.
        form: The form that they have.
        present: How many are there, with a byte at least.
        absent: How many are not there.
        unfinished: How many are there without a byte, or only under the name of a file that is
            being fetched.
        extra: How many image files no table lists.
    """

    rows: pa.Table
    form: Form
    present: int
    absent: int
    unfinished: int
    extra: int


def find_images(
    rows: pa.Table,
    listing: pa.Table,
    forms: ImageForms,
    findings: Findings,
    *,
    is_part: bool,
    unlisted: int,
    asked: pa.Array | None = None,
) -> Images:
    """Compare the tables with the list of files.

    Args:
        rows: A row for each image; see `Published.images`.
        listing: All files, as `storage.tree` lists them.
        forms: The forms that the images may have.
        findings: Takes what is wrong.
        is_part: Whether an image that is absent is no problem.
        unlisted: How many image files the release has that no table lists.
        asked: Paths of the images that a download was to fetch: of these one that is absent is a
            problem in a part, too.
    """
    paths = combined(listing["path"])
    form = _form(combined(rows["path"]), paths, forms)
    files = combined(form.files(combined(rows["path"])))
    at = find_keys(files, paths)
    sizes = combined(listing["size"]).take(at)
    rows = rows.append_column("file", files).append_column("size", sizes)
    rows = rows.append_column("version", combined(listing["version"]).take(at))
    empty = pc.fill_null(pc.equal(sizes, EMPTY), False)
    begun = _begun(files, paths)
    unfinished = pc.or_(empty, pc.and_(at.is_null(), begun))
    absent = pc.and_(at.is_null(), pc.invert(begun))
    if asked is not None:
        wanted = pc.is_in(combined(rows["path"]), value_set=asked)
        _add(findings, "absent", rows, pc.and_(absent, wanted), "a file, as it was asked for")
    elif not is_part:
        _add(findings, "absent", rows, absent, "a file")
    _add(findings, "unfinished", rows, unfinished, "a file that was fetched to its end")
    extra = _extra(files, paths, rows)
    findings.add("extra", path=extra, expected="an image of the tables",
                 note=len(extra) <= unlisted)  # fmt: skip
    missing = pc.sum(pc.or_(absent, unfinished)).as_py() or 0
    return Images(
        rows=rows,
        form=form,
        present=rows.num_rows - missing,
        absent=pc.sum(absent).as_py() or 0,
        unfinished=pc.sum(unfinished).as_py() or 0,
        extra=len(extra),
    )


def _add(findings: Findings, word: str, rows: pa.Table, mask: pa.Array, expected: str) -> None:
    some = rows.filter(mask)
    sizes = pc.cast(combined(some["size"]), pa.string())
    found = pc.fill_null(pc.binary_join_element_wise(sizes, " bytes", ""), "none")
    findings.add(
        word, image_id=some["image_id"], study_id=some["study_id"], path=some["file"],
        expected=expected, found=found,
    )  # fmt: skip


def _form(own: pa.Array, paths: pa.Array, forms: ImageForms) -> Form:
    """The form in which most of a sample of the images are there; the release's own if none is."""
    sample = spread(own, _SAMPLE)
    files = [(form, combined(form.files(sample))) for form in forms]
    looked_for = pa.concat_arrays([some for _, some in files])
    there = paths.filter(pc.is_in(paths, value_set=looked_for))  # all paths are looked at once
    counts = [pc.sum(pc.is_in(some, value_set=there)).as_py() or 0 for _, some in files]
    return files[counts.index(max(counts))][0]


def _begun(files: pa.Array, paths: pa.Array) -> pa.Array:
    """Mark the files of which the beginning is there, under the name that a program gives it."""
    unfinished = paths.filter(pc.match_substring_regex(paths, _UNFINISHED))
    names = pc.replace_substring_regex(unfinished, pattern=_UNFINISHED, replacement="")
    return pc.is_in(files, value_set=names)


def _extra(files: pa.Array, paths: pa.Array, rows: pa.Table) -> pa.Array:
    """Image files, in the folders of the images, that no table lists."""
    if not len(files):
        return pa.array([], pa.string())
    ends = "|".join(suffix.replace(".", r"\.") for suffix in SUFFIXES)
    images = paths.filter(pc.match_substring_regex(paths, rf"(?i)({ends})$"))
    tops = pc.unique(pc.list_element(pc.split_pattern(files, "/"), 0))
    top = pc.list_element(pc.split_pattern(images, "/"), 0)
    is_flat = pc.any(pc.invert(pc.match_substring(files, "/"))).as_py()
    inside = images if is_flat else images.filter(pc.is_in(top, value_set=tops))
    return inside.filter(find_keys(inside, files).is_null())
