"""What an export is going to do, worked out from its options before anything is written."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from cxr_datasets.columns import CONFIGS
from cxr_datasets.errors import OptionError
from cxr_datasets.export import card, workers
from cxr_datasets.export.folder import Folder
from cxr_datasets.export.forms import Form, form_of
from cxr_datasets.export.identity import identity, package_name, versions
from cxr_datasets.export.local import Crew
from cxr_datasets.export.options import ExportOptions, sort_options
from cxr_datasets.export.plan import PlannedFile, plan_files
from cxr_datasets.export.tasks import Reader
from cxr_datasets.packages import builder_class
from cxr_datasets.storage.credentials import StorageOptions


@dataclass(frozen=True)
class Prepared:
    """An export that can begin.

    Attributes:
        config: The config.
        folder: Where it writes.
        reader: Reads its rows.
        planned: All its files.
        chosen: Those of the splits that were asked for.
        header: Header of its manifest.
        options: How it is written.
        form: The form of its files.
    """

    config: str
    folder: Folder
    reader: Reader
    planned: list[PlannedFile]
    chosen: list[PlannedFile]
    header: dict[str, Any]
    options: ExportOptions
    form: Form


def prepare(
    dataset: str,
    data_dir: str | os.PathLike[str],
    out: str | os.PathLike[str],
    config: str,
    split: str | Sequence[str] | None,
    options: Mapping[str, Any],
    crew: Crew | None = None,
) -> Prepared:
    """Check what was given, open the release, and decide which rows go into which file.

    Nothing is written but the index, into the cache. The arguments are those of `export`, and
    `crew`, which takes processes that start meanwhile.

    Raises:
        CxrError: As `export`.
    """
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
    if crew is not None:
        workers.start_early(crew, own, folder)
    arguments = {
        "cache_dir": own.cache_dir, "config_name": config, "data_dir": os.fspath(data_dir),
        "embed": True, **given,
    }  # fmt: skip
    builder = kind(**arguments, storage_options=own.storage_options)
    builder.goes_on = True
    form = form_of(own, builder)
    index, splits = builder.write_index()
    wanted = _wanted_splits(split, splits)
    planned = plan_files(index, splits, builder, form, own.rows_per_file)
    reader = Reader(builder, index, arguments, form.columns(builder))
    return Prepared(
        config=config,
        folder=folder,
        reader=reader,
        planned=planned,
        chosen=[file for file in planned if file.split in wanted],
        header=_header(dataset, reader, planned, own.rows_per_file, form),
        options=own,
        form=form,
    )


def _wanted_splits(split: str | Sequence[str] | None, splits: Iterable[str]) -> list[str]:
    names = list(splits) if split is None else [split] if isinstance(split, str) else list(split)
    for name in names:
        if name not in splits:
            raise OptionError.unknown("split", name, splits)
    return names


def _header(
    dataset: str,
    reader: Reader,
    planned: Sequence[PlannedFile],
    rows_per_file: int | None,
    form: Form,
) -> dict[str, Any]:
    builder = reader.builder
    name = dataset.replace("_", "-")
    software = {
        "python": platform.python_version(), "datasets": version("datasets"), **versions(),
    }  # fmt: skip
    files: dict[str, list[str]] = {}
    for file in planned:
        files.setdefault(file.split, []).append(file.name)
    header: dict[str, Any] = {
        "identity": identity(name, builder, rows_per_file, form.identity()),
        "description": card.description(builder, software),
        "files": files,
    }
    steps = builder.steps()
    if steps:
        header["cohort"] = [step.as_dict() for step in steps]
    if builder.config.skips:
        header["skipped"] = builder.left_out  # before any row was read; others are in the lines
    return header
