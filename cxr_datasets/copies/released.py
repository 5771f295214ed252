"""A copy of a release, or of a part of one: its tables, its images, its reports."""

from __future__ import annotations

import hashlib
from contextlib import closing, suppress

import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.builder.forms import ImageForms
from cxr_datasets.builder.published import Copy, Counts, Published, Texts
from cxr_datasets.columns import SPLITS
from cxr_datasets.copies.checksums import Checksums, read_checksums
from cxr_datasets.copies.compared import Compared, compare_files
from cxr_datasets.copies.contents import Checks
from cxr_datasets.copies.findings import Findings
from cxr_datasets.copies.folder import asked_images
from cxr_datasets.copies.images import Images, find_images
from cxr_datasets.copies.recognise import Place
from cxr_datasets.copies.state import State
from cxr_datasets.copies.summary import ImageCounts, SplitCounts, TextCounts, Verified
from cxr_datasets.copies.tables import (
    Tables,
    check_tables,
    published_table_sums,
    rows_of_images,
)
from cxr_datasets.errors import ReportsError, TableError
from cxr_datasets.export.progress import bar_of
from cxr_datasets.packages import builder_class
from cxr_datasets.storage.tree import tree
from cxr_datasets.tables.keys import combined, find_keys


def verify_release(
    place: Place,
    checks: Checks,
    state: State,
    findings: Findings,
    part: bool,
    reports: str | None,
    progress: bool,
) -> Verified:
    """Find out whether a copy of a release is whole; see `verify`.

    Args:
        place: The copy.
        checks: What to find out of each file.
        state: What is known of the files; takes what is found.
        findings: Takes what is wrong.
        part: Whether images that are absent are no problem.
        reports: Where the reports are; None: they are looked for.
        progress: Whether to show progress bars.
    """
    builder = builder_class(place.dataset)
    published: Published = builder.PUBLISHED
    tables = check_tables(place, published, findings)
    with closing(bar_of("list", None, "files", progress)) as bar:
        listing = tree(place.source, bar.update)
    rows = rows_of_images(published, tables.read)
    images = None
    if rows is not None:
        forms = builder.IMAGE_FORMS or ImageForms.of_suffix(builder.IMAGE_SUFFIX)
        images = find_images(
            rows, listing, forms, findings, is_part=part or place.kind == "part",
            unlisted=published.unlisted, asked=None if part else _asked(place),
        )  # fmt: skip
    splits = _splits(place, published, rows)
    if tables.as_published:
        _add_other_splits(place, published, splits, findings)
    texts = _texts(place, published, tables, listing, reports, findings)
    done: list[Compared] = []
    if checks:
        sums = _sums(place, published, tables, listing, findings) if checks.checksums else None
        done = compare_files(place.source, images, listing, sums, checks, state, findings, progress)
    return Verified(
        place,
        findings,
        part=part or place.kind == "part",
        tables=tables.counts,
        splits=splits,
        as_published=tables.as_published,
        images=_counts(images),
        texts=texts,
        checks=tuple(done),
        manifests=_manifests(place, published) if checks.checksums else {},
    )


def _asked(place: Place) -> pa.Array | None:
    return asked_images(place.source) if place.kind == "part" else None


def _manifests(place: Place, published: Published) -> dict[str, str]:
    """The sha256 of the list of checksums, as far as there is one."""
    name = published.checksums
    with suppress(FileNotFoundError):
        if name is not None:
            return {name: hashlib.sha256(place.source.read(name)).hexdigest()}
    return {}


def _counts(images: Images | None) -> ImageCounts | None:
    if images is None:
        return None
    return ImageCounts(
        images.rows.num_rows, images.present, images.absent, images.unfinished, images.extra,
        images.form.told,
    )  # fmt: skip


def _splits(place: Place, published: Published, rows: pa.Table | None) -> tuple[SplitCounts, ...]:
    if rows is None:
        return ()
    known = published.counts.get(place.version or published.versions[0], {})
    found = [("all", rows)]
    if rows["split"].null_count < rows.num_rows:
        of = {split: rows.filter(pc.equal(rows["split"], split)) for split in SPLITS}
        found = [*of.items(), *found]
    return tuple(
        SplitCounts(split, _counted(some), known.get(split))
        for split, some in found if some.num_rows or split in known
    )  # fmt: skip


def _add_other_splits(
    place: Place, published: Published, splits: tuple[SplitCounts, ...], findings: Findings
) -> None:
    spine = place.tables[published.tables[0].name]
    for one in splits:
        if one.published is not None and one.found != one.published:
            findings.add(
                "other_split", path=spine, expected=f"{one.split}: {_told(one.published)}",
                found=_told(one.found),
            )  # fmt: skip


def _told(counts: Counts) -> str:
    return f"{counts.images} images, {counts.studies} studies, {counts.patients} patients"


def _counted(rows: pa.Table) -> Counts:
    studies, patients = (
        pc.count_distinct(rows[name]).as_py() for name in ("study_id", "subject_id")
    )
    return Counts(rows.num_rows, studies, patients)


# --- reports --------------------------------------------------------------------------------------


def _texts(
    place: Place,
    published: Published,
    tables: Tables,
    listing: pa.Table,
    reports: str | None,
    findings: Findings,
) -> TextCounts | None:
    """Look which studies have a report. Of a release whose counts are published, each has one."""
    if published.texts is None or published.tables[0].name not in tables.read:
        return None
    try:
        texts = published.texts(Copy(place.source, tables.read, listing, reports))
    except (ReportsError, TableError) as error:
        findings.add("reports_unreadable", found=error.args[0])
        return None
    if texts is None:
        return None
    without = texts.study_ids.filter(pc.invert(texts.there))
    findings.add("no_text", study_id=without, path=texts.address, expected="a report",
                 found="none", note=not _should_have_texts(tables, texts))  # fmt: skip
    studies = len(texts.study_ids)
    return TextCounts(texts.address, studies, studies - len(without))


def _should_have_texts(tables: Tables, texts: Texts) -> bool:
    return tables.as_published and texts.of_every_study


# --- checksums ------------------------------------------------------------------------------------


def _sums(
    place: Place, published: Published, tables: Tables, listing: pa.Table, findings: Findings
) -> Checksums:
    """Give the checksums of the release's list, and those that are published of its tables."""
    paths, digests = pa.array([], pa.string()), pa.array([], pa.string())
    if published.checksums is not None:
        try:
            listed = read_checksums(place.source, published.checksums)
            paths, digests = listed.paths, listed.digests
            _add_absent_files(paths, published, tables, listing, findings)
        except FileNotFoundError:
            findings.add("no_checksums", path=published.checksums,
                         expected="the release's list of checksums", found="none")  # fmt: skip
        except TableError as error:
            findings.add("checksums_unreadable", path=published.checksums, found=error.args[0])
    more = published_table_sums(place, published, tables.counts)
    return Checksums(
        pa.concat_arrays([pa.array(list(more), pa.string()), combined(paths)]),
        pa.concat_arrays([pa.array(list(more.values()), pa.string()), combined(digests)]),
    )


def _add_absent_files(
    paths: pa.Array, published: Published, tables: Tables, listing: pa.Table, findings: Findings
) -> None:
    """Find what the list of checksums names beside the images, and is not there."""
    rows = rows_of_images(published, tables.read)
    if rows is None:
        return
    others = paths.filter(find_keys(paths, combined(rows["path"])).is_null())
    absent = others.filter(find_keys(others, combined(listing["path"])).is_null())
    known = set(published.table_files)
    is_image = pc.match_substring(absent, "/")
    findings.add("listed_and_absent", path=absent.filter(pc.invert(is_image)), expected="a file",
                 found="none", note=not known & set(absent.to_pylist()))  # fmt: skip
    findings.add("not_in_tables", path=absent.filter(is_image),
                 expected="an image of the tables")  # fmt: skip
