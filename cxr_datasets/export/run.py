"""`export`: a dataset as Parquet files that load without this project."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from cxr_datasets.builder.builder import CxrBuilder
from cxr_datasets.builder.tally import Tally
from cxr_datasets.columns import CONFIGS
from cxr_datasets.errors import CxrError, OptionError
from cxr_datasets.export import agreement, card, croissant, workers
from cxr_datasets.export.folder import Folder
from cxr_datasets.export.identity import identity, identity_key, package_name, versions
from cxr_datasets.export.lock import locked
from cxr_datasets.export.manifest import Line, Manifest, open_manifest, read_manifests
from cxr_datasets.export.options import ExportOptions, sort_options
from cxr_datasets.export.plan import PlannedFile, plan_files, usual_bytes
from cxr_datasets.export.problems import Unwritten, refuse_unwritten, save_problems
from cxr_datasets.export.progress import Bar
from cxr_datasets.export.proof import drop_wrong, tell_foreign
from cxr_datasets.export.tasks import Outcome, Reader, Task
from cxr_datasets.packages import builder_class
from cxr_datasets.storage.credentials import StorageOptions
from cxr_datasets.wording import get_logger

_logger = get_logger(__name__)


@dataclass(frozen=True)
class ExportSummary:
    """What an export holds, with what earlier runs of it wrote.

    Attributes:
        out: Its folder or address.
        config: The config.
        rows: Rows of the splits that were asked for.
        bytes: Bytes of their files.
        files: Number of their files.
        written: Number of files that this run wrote.
        skipped: Number of images left out, with `missing="skip"` or `damaged="skip"`.
    """

    out: str
    config: str
    rows: int
    bytes: int
    files: int
    written: int
    skipped: int

    def __str__(self) -> str:
        return (
            f"{self.out}: {self.config}, {self.rows:,} rows, {self.bytes:,} bytes in "
            f"{self.files:,} files ({self.written:,} written now), {self.skipped:,} images skipped"
        )


def export(
    dataset: str,
    data_dir: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    config: str = "images",
    split: str | Sequence[str] | None = None,
    **options: Any,
) -> ExportSummary:
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
        **options: Options of the export, which are the fields of `ExportOptions`, such as
            `num_proc` and `rows_per_file`; and options of the dataset, such as `image_size`,
            `views` and `missing`.

    Returns:
        What the export holds now.

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
    if config not in CONFIGS:
        raise OptionError.unknown("config", config, CONFIGS)
    kind = builder_class(dataset)
    own, given = sort_options(options, kind.BUILDER_CONFIG_CLASS)
    workers.check(own)
    card.own_card(package_name(kind))  # a broken one is an error now, not after all files
    folder = Folder(
        out, StorageOptions(own.out_options, os.fspath(out)), closed=kind.is_credentialed()
    )
    folder.check_above()
    arguments = {
        "cache_dir": own.cache_dir, "config_name": config, "data_dir": os.fspath(data_dir),
        "embed": True, **given,
    }  # fmt: skip
    builder = kind(**arguments, storage_options=own.storage_options)
    builder.goes_on = True
    index, splits = builder.write_index()
    wanted = _wanted_splits(split, splits)
    planned = plan_files(index, splits, builder, own.rows_per_file)
    reader = Reader(builder, index, arguments)
    header = _header(dataset, reader, planned, own.rows_per_file)
    with locked(folder):
        manifest = open_manifest(folder, header, planned, adopt=not own.verify)
        folder.close_to_others()
        chosen = [file for file in planned if file.split in wanted]
        if own.verify:
            drop_wrong(folder, manifest, [file.name for file in chosen], own.progress)
        left = [file for file in chosen if file.name not in manifest.lines]
        _warn_if_there_is_no_room(folder, usual_bytes(left, builder))
        key = identity_key(header["identity"])
        here = agreement.software(reader.package)
        tasks = [Task(reader, folder, file, key, here) for file in left]
        unwritten = _write(tasks, folder, manifest, chosen, own)
        manifest.save(folder)  # in order, whatever the order in which files were finished
        _count_images(folder, manifest, chosen, builder)
        refuse_unwritten(folder, unwritten, chosen, manifest)
        _describe(folder, config)
        tell_foreign(folder, manifest)
    return _summary(folder, manifest, chosen, len(left))


def _wanted_splits(split: str | Sequence[str] | None, splits: Iterable[str]) -> list[str]:
    names = list(splits) if split is None else [split] if isinstance(split, str) else list(split)
    for name in names:
        if name not in splits:
            raise OptionError.unknown("split", name, splits)
    return names


def _header(
    dataset: str, reader: Reader, planned: Sequence[PlannedFile], rows_per_file: int | None
) -> dict[str, Any]:
    builder = reader.builder
    name = dataset.replace("_", "-")
    software = {
        "python": platform.python_version(), "datasets": version("datasets"), **versions(),
    }  # fmt: skip
    files: dict[str, list[str]] = {}
    for file in planned:
        files.setdefault(file.split, []).append(file.name)
    header = {
        "identity": identity(name, builder, rows_per_file),
        "description": card.description(builder, software),
        "files": files,
    }
    if builder.config.skips:
        header["skipped"] = builder.left_out  # before any row was read; others are in the lines
    return header


def _warn_if_there_is_no_room(folder: Folder, needed: int) -> None:
    if not folder.is_local:
        return
    free = shutil.disk_usage(folder.place()).free
    if free < needed:
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
            workers.write_all(tasks, take, bar, options)
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
    """Write what stands beside the files: the card, the Croissant, the list of images left out."""
    manifests = card.finished(read_manifests(folder))
    (manifest,) = (manifest for manifest in manifests if manifest.config == config)
    skipped = card.skipped_images(manifest)
    if skipped is not None:
        folder.write(card.skipped_name(config), "".join(f"{id}\n" for id in skipped).encode())
    folder.write(croissant.CROISSANT, croissant.write_croissant(manifests).encode())
    folder.write(card.CARD, card.write_card(manifests).encode())


def _summary(
    folder: Folder, manifest: Manifest, chosen: Sequence[PlannedFile], written: int
) -> ExportSummary:
    lines = [manifest.lines[file.name] for file in chosen]
    before = manifest.header.get("skipped", {})
    splits = {file.split for file in chosen}
    return ExportSummary(
        out=str(folder),
        config=manifest.config,
        rows=sum(line.rows for line in lines),
        bytes=sum(line.bytes for line in lines),
        files=len(lines),
        written=written,
        skipped=sum(len(line.skipped) for line in lines)
        + sum(len(before.get(split, ())) for split in splits),
    )
