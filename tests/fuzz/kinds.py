"""The kinds of files there are: how each comes about, and who reads it."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
from datasets import Image, load_dataset

import indiana_cxr.synthetic
import mimic_cxr_jpg.synthetic
from cxr_datasets.cli import main
from cxr_datasets.export import export
from cxr_datasets.images import decode_batch
from cxr_datasets.push.contents import read_contents
from tests.fuzz import damage

Damage = Callable[[Path, random.Random], str]

SMALL = 1 / 64
PIXELS = {"image_size": 16}


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes:
        make: Makes an undamaged place that has such files.
        files: Which files of it they are.
        use: Reads them, as a user does; what it returns tells whether anything changed.
        damages: What may happen to them.
        is_mended: Whether a damaged one is made anew, so that `use` returns what it always did.
        is_told: Whether `use` returns what it always did, or says that a file is damaged.
    """

    make: Callable[[Path], object]
    files: str
    use: Callable[[Path, random.Random], Any]
    damages: Sequence[Damage] = (damage.changed, damage.changed, damage.changed, damage.locked)
    is_mended: bool = False
    is_told: bool = False


# Places.


def mimic(place: Path, **options: Any) -> None:
    mimic_cxr_jpg.synthetic.write_release(place / "copy", patients=3, scale=SMALL, **options)


def mimic_with_a_tree(place: Path) -> None:
    mimic(place, reports="tree", tables="csv")


def mimic_with_a_tar(place: Path) -> None:
    mimic(place, reports="tar.gz", release="2.0.0")


def mimic_in_an_archive(place: Path) -> None:
    mimic_with_a_tree(place)
    shutil.make_archive(str(place / "copy-mimic"), "zip", place / "copy")
    shutil.rmtree(place / "copy")


def indiana(place: Path, layout: str = "images") -> None:
    indiana_cxr.synthetic.write_release(place / "copy", studies=4, scale=SMALL, layout=layout)


def indiana_archive(place: Path) -> None:
    indiana(place, "zip")
    (place / "copy" / "archive.zip").rename(place / "copy.zip")


def with_a_cache(make: Callable[[Path], None], **options: Any) -> Callable[[Path], None]:
    """The place after its copy was built."""

    def made(place: Path) -> None:
        make(place)
        _loaded(place, "images", **options)

    return made


def indiana_export(place: Path) -> None:
    indiana(place)
    _export(place)


# Doors.


def _package_and_copy(place: Path) -> tuple[str, str]:
    copy = next(path for path in place.iterdir() if path.name.startswith("copy"))
    is_indiana = copy.name == "copy.zip" or (copy / "images").exists()
    return "indiana_cxr" if is_indiana else "mimic_cxr_jpg", str(copy)


def _loaded(place: Path, config: str, **options: Any) -> Any:
    package, copy = _package_and_copy(place)
    cache = str(place / "cache")
    return load_dataset(package, config, data_dir=copy, cache_dir=cache, **options)


def use_built(place: Path, rng: random.Random) -> Any:
    """Load a config, and look at every row as it is stored."""
    rows = _loaded(place, "images")
    return {name: split.with_format("arrow")[:].to_pylist() for name, split in rows.items()}


def use_built_pixels(place: Path, rng: random.Random) -> Any:
    """Load a config that holds pixels, and decode every row."""
    return [row for split in _loaded(place, "images", **PIXELS).values() for row in split]


def use_streamed(place: Path, rng: random.Random) -> Any:
    """Stream a config, and look at every row as it is stored."""
    rows = _loaded(place, "images", streaming=True)
    return {
        name: [row for some in split.with_format("arrow").iter(64) for row in some.to_pylist()]
        for name, split in rows.items()
    }


def use_copy(place: Path, rng: random.Random) -> Any:
    """Go through one of the doors that lead to rows and pixels."""
    return rng.choice((_decoded, _decoded_stream, _decoded_batches, _resized, _texts, _exported))(
        place
    )


def _decoded(place: Path) -> Any:
    return [row for split in _loaded(place, "studies").values() for row in split]


def _decoded_stream(place: Path) -> Any:
    return [row for split in _loaded(place, "images", streaming=True).values() for row in split]


def _decoded_batches(place: Path) -> Any:
    for split in _loaded(place, "images").values():
        decode_batch(split.cast_column("image", Image(decode=False))[:], size=16)


def _resized(place: Path) -> Any:
    return _loaded(place, "images", image_size=16)


def _texts(place: Path) -> Any:
    return [row for split in _loaded(place, "reports").values() for row in split]


def _exported(place: Path) -> Any:
    package, copy = _package_and_copy(place)
    out, cache = str(place / "out"), str(place / "cache")
    words = ["--data-dir", copy, "--out", out, "--cache-dir", cache, "--no-progress"]
    assert main(["export", package.replace("_", "-"), *words]) in (0, 1)


def use_export(place: Path, rng: random.Random) -> Any:
    """Write the export again, or read it as `push` does before it asks the Hub."""
    if rng.random() < 0.5:
        return _export(place)
    return read_contents(place / "out").rows


def use_export_again(place: Path, rng: random.Random) -> Any:
    """Write the export again, which must end with the same bytes."""
    _export(place)
    files = (file for file in sorted((place / "out").rglob("*.*")) if file.is_file())
    return {file.name: file.read_bytes() for file in files}


def _export(place: Path) -> Any:
    package, copy = _package_and_copy(place)
    return export(package, copy, place / "out", cache_dir=str(place / "cache"), progress=False)


KINDS = {
    "table, gzipped": Kind(mimic, "copy/mimic-cxr-2.0.0-*.csv.gz", use_copy),
    "table": Kind(mimic_with_a_tree, "copy/mimic-cxr-*.csv", use_copy),
    "table of Indiana": Kind(indiana, "copy/*.csv", use_copy),
    "JPEG": Kind(mimic, "copy/files/**/*.jpg", use_copy),
    "PNG": Kind(indiana, "copy/images/*.png", use_copy),
    "archive of Indiana": Kind(indiana_archive, "copy.zip", use_copy),
    "archive of MIMIC": Kind(mimic_in_an_archive, "copy-mimic.zip", use_copy),
    "zip of reports": Kind(mimic, "copy/mimic-cxr-reports.zip", use_copy),
    "tar of reports": Kind(mimic_with_a_tar, "copy/mimic-cxr-reports.tar.gz", use_copy),
    "report": Kind(mimic_with_a_tree, "copy/files/**/*.txt", use_copy),
    "index": Kind(
        with_a_cache(indiana), "cache/cxr_index/*.arrow", use_streamed, (damage.changed,),
        is_mended=True,
    ),
    "texts of a tar": Kind(
        with_a_cache(mimic_with_a_tar),
        "cache/mimic_cxr_jpg/cxr_index/mimic-cxr-reports-*.arrow", use_streamed, (damage.changed,),
        is_mended=True,
    ),
    "locked index": Kind(
        with_a_cache(indiana), "cache/cxr_index/*.arrow", use_streamed, (damage.locked,)
    ),
    "built dataset": Kind(
        with_a_cache(indiana), "cache/indiana_cxr/**/*.*", use_built, is_told=True
    ),
    "built dataset with images": Kind(
        with_a_cache(indiana, **PIXELS), "cache/indiana_cxr/**/*.*", use_built_pixels
    ),
    "manifest": Kind(
        indiana_export, "out/.cxr/*.jsonl", use_export_again, (damage.changed,), is_mended=True
    ),
    "manifest or lock": Kind(indiana_export, "out/.cxr/*", use_export),
    "card": Kind(indiana_export, "out/*.*", use_export),
    "Parquet file": Kind(indiana_export, "out/images/*.parquet", use_export),
}  # fmt: skip


def copied(place: Path, to: Path) -> Path:
    """Copy a place, so that the files of the copy may be damaged."""
    datasets.disable_caching()
    return Path(shutil.copytree(place, to, symlinks=True))
