"""The card of an export: front matter for `datasets` and the Hub, and where the data are from.

It is made from the manifests alone. So several configs in one folder share one card, and the same
export has the same card everywhere. It names no place on the machine that wrote it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets
import yaml
from huggingface_hub import DatasetCard

from cxr_datasets import wording
from cxr_datasets.builder.builder import CxrBuilder
from cxr_datasets.builder.features import about_columns
from cxr_datasets.builder.layered import describe_layers
from cxr_datasets.columns import CONFIGS, plural
from cxr_datasets.errors import PackageError
from cxr_datasets.export.cohort import cohort_section
from cxr_datasets.export.forms import PARQUET, Form, form_of_manifest
from cxr_datasets.export.forms.task import IMAGE_FOLDER, Task
from cxr_datasets.export.identity import PRESENT, package_name
from cxr_datasets.export.layers import layers_section
from cxr_datasets.export.manifest import Manifest
from cxr_datasets.export.seal import sealed
from cxr_datasets.packages import package_folder

CARD = "README.md"

_KEPT = ("pretty_name", "license", "license_name", "license_link", "language", "task_categories",
         "tags")  # fmt: skip
"""Keys of the dataset's own card that the card of the export takes over."""

_NEEDED = ("pretty_name", "license")
"""Keys that the dataset's own card must have."""

_SIZES = (1_000, 10_000, 100_000, 1_000_000)
_SIZE_NAMES = ("n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M")

_SMALLER = (
    "Images with the option `image_size` were made smaller and are 8-bit grey. Columns that give "
    "the size of an image, if the dataset has any, are those of the release's own file."
)

_TERMS = re.compile(
    r"^## [^\n]*(?:Terms|Licen[cs]e)[^\n]*\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL
)
"""Sections of a dataset's card that give the terms of its use."""


def description(builder: CxrBuilder, versions: Mapping[str, str]) -> dict[str, Any]:
    """Collect what the card says of a config beyond its identity, for the manifest.

    Args:
        builder: The config's builder.
        versions: Versions of the software.
    """
    info = datasets.DatasetInfo(features=builder.info.features)
    root = builder.release.source.root.rstrip("/").rpartition("/")[2]
    release = re.search(r"(?<![\d.])\d+\.\d+\.\d+(?![\d.])", root)
    return {
        "package": package_name(type(builder)),
        "homepage": builder.info.homepage,
        "citation": builder.info.citation,
        "features": info._to_yaml_dict()["features"],
        "columns": about_columns(builder.own_columns, builder.SOURCES),
        "layers": describe_layers(builder),
        "release": release.group() if release else None,
        "versions": dict(versions),
    }


def write_card(manifests: Sequence[Manifest]) -> str:
    """Write the card of an export.

    Args:
        manifests: Manifests of its configs, as `finished` gives them.

    Returns:
        Markdown with YAML front matter.
    """
    own = own_card(exported_package(manifests))
    head = yaml.safe_dump(_head(manifests, own.data.to_dict()), sort_keys=False, allow_unicode=True)
    text = "\n".join(
        [*_provenance(manifests, own.data.to_dict()["pretty_name"]), *_terms(own.text)]
    )
    return sealed(f"---\n{head}---\n\n{text.rstrip()}\n")


def own_card(package: str) -> DatasetCard:
    """Read the card of a dataset's package.

    Args:
        package: Import name of the package.

    Raises:
        PackageError: The card is not there, cannot be read, or lacks a key that an export needs.
    """
    file = package_folder(package) / "README.md"
    try:
        card = DatasetCard(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise _unfit(file, "is not there") from error
    except (OSError, ValueError, TypeError, yaml.YAMLError) as error:
        raise _unfit(file, f"cannot be read ({type(error).__name__})") from error
    head = card.data.to_dict()
    if not head:
        raise _unfit(file, "has no front matter")
    needed = (*_NEEDED, *(["license_link"] if head.get("license") == "other" else []))
    missing = [name for name in needed if not head.get(name)]
    if missing:
        raise _unfit(file, f"lacks {', '.join(missing)}")
    return card


def _unfit(file: Path, why: str) -> PackageError:
    return PackageError(
        f"{file} {why}. An export copies parts of this card of the dataset into its own. Expected "
        f"at its top: YAML between two lines of ---, with {' and '.join(_NEEDED)}; with license: "
        "other also license_link. Add what is missing."
    )


def exported_package(manifests: Sequence[Manifest]) -> str:
    """Return the import name of the package of the dataset that was exported."""
    return manifests[0].header["description"]["package"]


def finished(manifests: Sequence[Manifest]) -> list[Manifest]:
    """Keep the manifests that have a finished split, in the order of the configs."""
    some = (manifest for manifest in manifests if finished_splits(manifest))
    return sorted(some, key=lambda manifest: CONFIGS.index(manifest.config))


def finished_splits(manifest: Manifest) -> list[str]:
    """List the splits whose files are all finished."""
    return [split for split in manifest.header["files"] if manifest.is_complete(split)]


def _head(manifests: Sequence[Manifest], own: Mapping[str, Any]) -> dict[str, Any]:
    head = {name: own[name] for name in _KEPT if own.get(name)}
    rows = sum(line.rows for split in finished_splits(manifests[0])
               for line in manifests[0].lines_of(split))  # fmt: skip
    head["size_categories"] = [_SIZE_NAMES[sum(rows >= size for size in _SIZES)]]
    tables = _tables(manifests)
    if tables:
        head["configs"] = [_config(manifest, manifest is tables[0]) for manifest in tables]
        head["dataset_info"] = [_info(manifest) for manifest in tables]
    return head


def _tables(manifests: Sequence[Manifest]) -> list[Manifest]:
    """Those whose files the viewer of the Hub and `load_dataset` read as this card says."""
    return [manifest for manifest in manifests if _form(manifest).name == PARQUET]


def _form(manifest: Manifest) -> type[Form]:
    return form_of_manifest(manifest.header)


def _config(manifest: Manifest, default: bool) -> dict[str, Any]:
    config: dict[str, Any] = {"config_name": manifest.config}
    if default:
        config["default"] = True
    config["data_files"] = [
        {"split": split, "path": f"{manifest.config}/{split}-*.parquet"}
        for split in finished_splits(manifest)
    ]
    return config


def _info(manifest: Manifest) -> dict[str, Any]:
    splits = [
        {
            "name": split,
            "num_bytes": sum(line.memory for line in manifest.lines_of(split)),
            "num_examples": sum(line.rows for line in manifest.lines_of(split)),
        }
        for split in finished_splits(manifest)
    ]
    return {
        "config_name": manifest.config,
        "features": manifest.header["description"]["features"],
        "splits": splits,
        "download_size": sum(
            line.bytes for split in finished_splits(manifest) for line in manifest.lines_of(split)
        ),
        "dataset_size": sum(split["num_bytes"] for split in splits),
    }


def _provenance(manifests: Sequence[Manifest], name: str) -> list[str]:
    first = manifests[0].header
    said = first["description"]
    dataset = first["identity"]["dataset"]
    forms = dict.fromkeys(_form(manifest).told for manifest in manifests)
    text = [
        f"# {name}, as {' and '.join(forms)}",
        "",
        f"A copy of {name} ([{said['homepage']}]({said['homepage']})), written by `cxr export "
        f"{dataset}` of [cxr-datasets](https://pypi.org/project/cxr-datasets/). "
        f"{_loading(manifests)}",
        "",
        "The terms of the original apply to this copy: see below.",
        "",
        "## What is in it",
        "",
        "| config | split | rows | files | bytes |",
        "|---|---|---|---|---|",
    ]
    for manifest in manifests:
        for split in finished_splits(manifest):
            lines = manifest.lines_of(split)
            text.append(
                f"| `{manifest.config}` | `{split}` | {sum(line.rows for line in lines):,} | "
                f"{len(lines):,} | {sum(line.bytes for line in lines):,} |"
            )
    text += [*cohort_section(manifests), *_columns(manifests), *layers_section(manifests)]
    text += ["", "## Where it comes from", ""]
    if said["release"]:
        text += [f"Release {said['release']}, by the name of its folder.", ""]
    text += ["| file of the release | state |", "|---|---|"]
    stamps: dict[str, str] = {}
    for manifest in manifests:
        stamps |= manifest.header["identity"]["release"]
    text += [
        f"| {wording.code(file)} | {wording.without_markup(str(state))} |"
        for file, state in stamps.items() if file != PRESENT
    ]  # fmt: skip
    text += ["", "| config | options | versions |", "|---|---|---|"]
    for manifest in manifests:
        text.append(f"| `{manifest.config}` | {_options(manifest)} | {_versions(manifest)} |")
    if any(manifest.header["identity"]["options"].get("image_size") for manifest in manifests):
        text += ["", _SMALLER]
    for manifest in manifests:
        skipped = skipped_images(manifest)
        if skipped is not None:
            text += [
                "",
                f"{len(skipped):,} images are left out of `{manifest.config}`: their files are "
                "absent or damaged. They are listed in "
                f"`{skipped_name(manifest.config)}`.",
            ]
    return [*text, ""]


def _loading(manifests: Sequence[Manifest]) -> str:
    """Say how the files are loaded, or whose they are."""
    calls = [
        f'{manifest.config} = load_dataset("path/to/this/folder", "{manifest.config}")'
        for manifest in _tables(manifests)
    ]
    told = [
        "\n".join([
            "The files hold the images; nothing else is needed to load them:", "",
            "```python", "from datasets import load_dataset", "", *calls, "```",
        ])
    ] if calls else []  # fmt: skip
    told += [_told(manifest) for manifest in manifests if _form(manifest).name != PARQUET]
    return "\n\n".join(told)


def _told(manifest: Manifest) -> str:
    """Say what the files of a config are that are not Parquet."""
    form, config = _form(manifest), manifest.config
    if not issubclass(form, Task):
        return (
            f"In `{config}/` are tar shards as the package {form.name} reads them: the images of "
            "a row, `json` with its other columns, and `txt` with its text."
        )
    text = f"`{config}/` holds {form.about}, as {form.told} has it. "
    if config == "reports":
        return text + "No images are named."
    if manifest.header["identity"]["options"]["write_images"]:
        return text + f"Paths of images begin in `{config}/{IMAGE_FOLDER}/`."
    return text + "Paths of images are those in the release. The images are not here."


def _columns(manifests: Sequence[Manifest]) -> list[str]:
    """Say what every column holds, under each name that it has."""
    named: dict[str, list[str]] = {}  # column of config `images` -> where it is
    told: dict[str, str] = {}
    for manifest in manifests:
        if issubclass(_form(manifest), Task):
            continue
        said = manifest.header["description"]
        told |= said.get("columns", {})  # older exports did not note them
        here = {feature["name"] for feature in said["features"]}
        for column in said.get("columns", {}):
            for name in here & {column, plural(column)}:
                named.setdefault(column, []).append(f"{wording.code(name)} in `{manifest.config}`")
    rows = [f"| {', '.join(named[column])} | {text} |" for column, text in told.items()
            if column in named]  # fmt: skip
    if not rows:
        return []
    return [
        "", "## Columns", "",
        "A missing value is null. In `studies`, a column of an image is a list, best view first, "
        "and its name is plural.",
        "", "| column | what it holds |", "|---|---|", *rows,
    ]  # fmt: skip


def _options(manifest: Manifest) -> str:
    options = manifest.header["identity"]["options"]
    given = {name: value for name, value in options.items() if value is not None}
    return ", ".join(wording.code(f"{name}={value!r}") for name, value in given.items())


def _versions(manifest: Manifest) -> str:
    versions = manifest.header["description"]["versions"]
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _terms(card: str) -> list[str]:
    return [section.rstrip() + "\n" for section in _TERMS.findall(card)]


def skipped_name(config: str) -> str:
    """Return the name of the file that lists the images left out of a config."""
    return f"skipped-{config}.txt"


def skipped_images(manifest: Manifest) -> list[str] | None:
    """List the ids of the images left out of the finished splits.

    Returns:
        The ids, sorted; None if the options leave no image out.
    """
    before = manifest.header.get("skipped")
    if before is None:
        return None
    files = manifest.header["files"]
    # A split has no files if all its images were left out.
    found = [id for split, ids in before.items() for id in ids
             if split not in files or manifest.is_complete(split)]  # fmt: skip
    for split in finished_splits(manifest):
        found += [id for line in manifest.lines_of(split) for id in line.skipped]
    return sorted(found)
