"""`export`: a dataset as Parquet files that load without this project."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Literal, overload

from cxr_datasets.audit import Entry, logged
from cxr_datasets.builder.builder import CxrBuilder
from cxr_datasets.builder.tally import Tally
from cxr_datasets.errors import CxrError
from cxr_datasets.export import agreement, card, croissant, workers
from cxr_datasets.export.estimate import ExportEstimate, estimate, free_bytes
from cxr_datasets.export.folder import Folder
from cxr_datasets.export.forms.documents import write_documents
from cxr_datasets.export.identity import identity_key
from cxr_datasets.export.line import Line
from cxr_datasets.export.local import Crew
from cxr_datasets.export.lock import locked
from cxr_datasets.export.manifest import (
    Manifest,
    manifest_hash,
    open_manifest,
    read_manifests,
)
from cxr_datasets.export.options import ExportOptions
from cxr_datasets.export.plan import PlannedFile, usual_bytes
from cxr_datasets.export.prepare import Prepared, prepare
from cxr_datasets.export.problems import Unwritten, refuse_unwritten, save_problems
from cxr_datasets.export.progress import Bar
from cxr_datasets.export.proof import drop_wrong, tell_foreign
from cxr_datasets.export.summary import ExportSummary, summary_of
from cxr_datasets.export.tasks import Outcome, Task
from cxr_datasets.flags import check_flags
from cxr_datasets.wording import get_logger

_logger = get_logger(__name__)


@overload
def export(
    dataset: str,
    data_dir: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    config: str = ...,
    split: str | Sequence[str] | None = ...,
    log: str | os.PathLike[str] | None = ...,
    dry_run: Literal[True],
    **options: Any,
) -> ExportEstimate: ...


@overload
def export(
    dataset: str,
    data_dir: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    config: str = ...,
    split: str | Sequence[str] | None = ...,
    log: str | os.PathLike[str] | None = ...,
    dry_run: Literal[False] = ...,
    **options: Any,
) -> ExportSummary: ...


def export(
    dataset: str,
    data_dir: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    config: str = "images",
    split: str | Sequence[str] | None = None,
    log: str | os.PathLike[str] | None = None,
    dry_run: bool = False,
    **options: Any,
) -> ExportSummary | ExportEstimate:
    """Write a dataset to Parquet files that hold its images, with a card and a description.

    `load_dataset(out)` of any `datasets` loads the files, and so does whatever reads Parquet. If an
    export is stopped, in whatever way, the same call goes on with it and ends with the same bytes.
    A call with `num_proc` must stand under `if __name__ == "__main__":`.

    Args:
        dataset: Name of the dataset, as `cxr export --help` lists it.
        data_dir: Your copy of its release.
        out: A folder, or the address of one that fsspec can write to. It must be empty, or hold
            exports of the same release. It is made if it is not there; its bucket, or the folder
            above it, is not.
        config: `images`, `studies` or `reports`. Several can be exported into one folder, one
            after another.
        split: One split or several; None: all. The others can follow later.
        log: A file to which a line of JSON is added that says who exported what, when, to where,
            with which options and with what outcome, for audits: see `cxr_datasets.audit`.
        dry_run: Whether to say what would be written, and how long it would take, by a sample
            that is read and re-encoded now. Nothing is written but the index, into the cache.
        **options: Options of the export, which are the fields of `ExportOptions`, such as
            `num_proc` and `rows_per_file`; and options of the dataset, such as `image_size`,
            `views` and `missing`.

    Returns:
        What the export holds now; for a dry run, what it would still write.

    Raises:
        OptionError: An option or a value does not exist.
        ExportError: The bucket of `out`, or the folder above it, is not there; `out` holds
            something else, or an export of another release or with other options; another export
            writes to it; there is no room; workers were lost. Or images are absent or damaged,
            which options `missing` and `damaged` say is an error: `.cxr/problems.csv` in `out`
            then lists all of them, every file without such an image is finished, and the same
            call later does only what is left.
        PackageError: The dataset's package is broken, or its card lacks what an export needs.
        CxrError: The release is broken. Finished files are kept.
        KeyboardInterrupt: It was stopped, and the message says how to go on. Finished files are
            kept.
    """
    workers.refuse_in_a_starting_process()
    places = {"data_dir": data_dir, "out": out}
    told = {"dataset": dataset, "config": config, "split": split, "dry_run": dry_run, **options}
    with logged(log, "export", places=places, options=told) as entry, Crew() as crew:
        check_flags(dry_run=dry_run)
        if dry_run:
            return estimate(prepare(dataset, data_dir, out, config, split, options))
        prepared = prepare(dataset, data_dir, out, config, split, options, crew)
        return _export(prepared, entry, crew)


def _export(prepared: Prepared, entry: Entry, crew: Crew) -> ExportSummary:
    folder, chosen, own = prepared.folder, prepared.chosen, prepared.options
    builder = prepared.reader.builder
    with locked(folder):
        manifest = open_manifest(folder, prepared.header, prepared.planned, adopt=not own.verify)
        folder.close_to_others()
        if own.verify:
            drop_wrong(folder, manifest, [file.name for file in chosen], own.progress)
        left = [file for file in chosen if file.name not in manifest.lines]
        _warn_if_there_is_no_room(folder, usual_bytes(left, builder, prepared.form))
        try:
            unwritten = _write(_tasks(prepared, left), folder, manifest, chosen, own, crew)
            manifest.save(folder)  # in order, whatever the order in which files were finished
            _count_images(folder, manifest, chosen, builder)
            refuse_unwritten(folder, unwritten, chosen, manifest)
            _describe(folder, prepared.config)
            tell_foreign(folder, manifest)
        finally:
            with suppress(Exception):  # an error that ended the export matters more
                _note(entry, folder, manifest, chosen, left)
    return summary_of(folder, manifest, chosen, len(left))


def _tasks(prepared: Prepared, left: Sequence[PlannedFile]) -> list[Task]:
    reader, key = prepared.reader, identity_key(prepared.header["identity"])
    here = agreement.software(reader.package)
    return [Task(reader, prepared.folder, file, key, here, prepared.form) for file in left]


def _note(
    entry: Entry,
    folder: Folder,
    manifest: Manifest,
    chosen: Sequence[PlannedFile],
    left: Sequence[PlannedFile],
) -> None:
    """Note for a log what is finished of an export, also of one that was stopped."""
    lines = [manifest.lines[file.name] for file in chosen if file.name in manifest.lines]
    entry.counts |= {
        "files": len(lines),
        "rows": sum(line.rows for line in lines),
        "bytes": sum(line.bytes for line in lines),
        "written": sum(file.name in manifest.lines for file in left),
        "absent": sum(line.absent for line in lines),
        "damaged": sum(line.damaged for line in lines),
    }
    entry.manifests[manifest.config] = manifest_hash(folder, manifest.config)


def _warn_if_there_is_no_room(folder: Folder, needed: int) -> None:
    free = free_bytes(folder)
    if free is not None and free < needed:
        _logger.warning(
            "%s has room for %.0f GB; the files still to be written take about %.0f GB. If the "
            "room runs out, the export stops; it goes on when there is more.",
            folder, free / 1e9, needed / 1e9,
        )  # fmt: skip


def _write(
    tasks: Sequence[Task],
    folder: Folder,
    manifest: Manifest,
    chosen: Sequence[PlannedFile],
    options: ExportOptions,
    crew: Crew,
) -> list[Unwritten]:
    """Write the files that are left, and note each in the manifest as it is finished.

    Returns:
        The files that are not written, because images of them are absent or damaged.
    """
    images = {file.name: file.images for file in chosen}
    finished = sum(images[name] for name in images if name in manifest.lines)
    unit = "studies" if manifest.config == "reports" else "images"
    bar = Bar(unit, sum(images.values()), finished, options.progress)

    def note(line: Line) -> None:
        manifest.add(folder, line)
        bar(line.name, images[line.name])

    noted: list[Future[None]] = []
    unwritten: list[Unwritten] = []

    def take(outcome: Outcome) -> None:
        if isinstance(outcome, Unwritten):
            unwritten.append(outcome)
        else:
            noted.append(notes.submit(note, outcome))

    try:
        # A thread waits for the disk while the next files are written.
        with ThreadPoolExecutor(1, thread_name_prefix="cxr-manifest") as notes:
            workers.write_all(tasks, take, bar, options, crew)
        for finished_note in noted:
            finished_note.result()
    except BaseException as error:
        with suppress(Exception):  # the error that ended the export matters more
            if unwritten:
                save_problems(folder, unwritten, chosen)
        if not isinstance(error, KeyboardInterrupt):
            raise
        files = sum(name in manifest.lines for name in images)
        raise KeyboardInterrupt(
            f"stopped: {files} of {len(images)} files are finished in {folder}. Run the same "
            "command again: it goes on with the others."
        ) from None
    finally:
        bar.close()
        with suppress(Exception):
            folder.remove_unfinished()  # of lost workers
    save_problems(folder, unwritten, chosen)
    return unwritten


def _count_images(
    folder: Folder, manifest: Manifest, chosen: Sequence[PlannedFile], builder: CxrBuilder
) -> None:
    """Say how many images of the export are absent or damaged.

    Raises:
        CxrError: All are. The files, which hold none, are removed.
    """
    files = [file for file in chosen if file.name in manifest.lines]
    lines = [manifest.lines[file.name] for file in files]
    tally = Tally(
        read=sum(file.images for file in files),
        absent=sum(line.absent for line in lines),
        damaged=sum(line.damaged for line in lines),
        earlier=sum(line.earlier for line in lines),
        earlier_null=sum(line.earlier_null for line in lines),
    )
    tally.tell(builder.config)
    try:
        builder.check_any(tally)
    except CxrError:
        for file in files:
            del manifest.lines[file.name]
            folder.remove(file.name)
        manifest.save(folder)
        raise


def _describe(folder: Folder, config: str) -> None:
    """Write what stands beside the files: documents, card, Croissant, list of images left out."""
    manifests = card.finished(read_manifests(folder))
    (manifest,) = (manifest for manifest in manifests if manifest.config == config)
    skipped = card.skipped_images(manifest)
    if skipped is not None:
        folder.write(card.skipped_name(config), "".join(f"{id}\n" for id in skipped).encode())
    write_documents(folder, manifest)
    folder.write(croissant.CROISSANT, croissant.write_croissant(manifests).encode())
    folder.write(card.CARD, card.write_card(manifests).encode())
