"""Every cell of mutated releases is as an independent, slow reader has it, by whatever door.

`make test` compares a few dozen releases, `make test-all` thousands: CXR_DIFFERENTIAL says how
many of each dataset. One that fails is repeated by its number alone.
"""

from __future__ import annotations

import ast
import copy
import os
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cxr_datasets.errors import MissingImagesError
from cxr_datasets.labels import label_text
from tests.differential import (
    cohorts,
    indiana_mutations,
    indiana_reader,
    layers,
    mimic_iv_reader,
    mimic_iv_records,
    mimic_mutations,
    mimic_reader,
)
from tests.differential import material as writing
from tests.differential.doors import Splits, built, exported, streamed
from tests.differential.material import Material, mutated
from tests.differential.reading import SPLITS, Row, content_of, rows_of_config

RELEASES = int(os.environ.get("CXR_DIFFERENTIAL") or 16)

MAKEFILE = Path(__file__).parents[2] / "Makefile"
CONFIGS = ("images", "studies", "reports")
LABELLED = {
    "indiana_cxr": ("findings", "impression"),
    "mimic_cxr_jpg": ("impression", "findings", "last_paragraph", "comparison"),
}
"""The sections of which the first that a report has is what `labels_text` is read from."""

EXPORTED = 5
"""Of so many releases one config of one is exported."""

RECORDS = 3
"""Of so many releases of MIMIC-CXR-JPG one is linked to MIMIC-IV."""


@pytest.fixture(scope="module")
def mimic(small_release: Path) -> Material:
    return mimic_mutations.read_material(small_release)


@pytest.fixture(scope="module")
def indiana(tmp_path_factory: pytest.TempPathFactory) -> Material:
    from indiana_cxr.synthetic import write_release

    return indiana_mutations.read_material(
        write_release(tmp_path_factory.mktemp("indiana") / "release", studies=40, scale=1 / 64)
    )


@pytest.mark.parametrize("number", range(RELEASES))
def test_every_cell_of_a_mutated_mimic_release_is_that_of_the_slow_reader(
    mimic: Material, tmp_path: Path, number: int
) -> None:
    rng = random.Random(f"mimic {number}")
    material = mutated(copy.deepcopy(mimic), mimic_mutations.MUTATIONS, number, rng)
    root = tmp_path / "data" / "2.1.0"
    root.mkdir(parents=True)
    writing.write_tables(material, root, rng, packed=True)
    writing.write_beside(material, root)
    reports = write_reports(material, root, rng)
    rules = material.options.get("section_rules", "corrected")
    images = mimic_reader.read_images(root, reports, rules)
    if number % RECORDS == 0:
        records = tmp_path / "records"
        mimic_iv_records.write_records(images, records, rng)
        images = mimic_iv_reader.with_records(images, records)
        material.options["mimic_iv"] = str(records)
    material.options["priors"] = rng.choice((0, 1, 1, 3))
    if material.options["priors"]:
        mimic_reader.add_priors(images, material.options["priors"])
    configs = CONFIGS if reports else CONFIGS[:2]
    compare("mimic_cxr_jpg", root, material, images, configs, mimic_reader.OF_IMAGE, number, rng)


@pytest.mark.parametrize("number", range(RELEASES))
def test_every_cell_of_a_mutated_indiana_release_is_that_of_the_slow_reader(
    indiana: Material, tmp_path: Path, number: int
) -> None:
    rng = random.Random(f"indiana {number}")
    material = mutated(copy.deepcopy(indiana), indiana_mutations.MUTATIONS, number, rng)
    folder = rng.choice((indiana_mutations.FOLDER, indiana_mutations.FOLDER, "images/", ""))
    for places in (material.images, material.beside):
        moved = {name.replace(indiana_mutations.FOLDER, folder): places[name] for name in places}
        places.clear()
        places.update(moved)  # type: ignore[arg-type]
    root = tmp_path / "release"
    root.mkdir()
    writing.write_tables(material, root, rng, packed=False)
    writing.write_beside(material, root)
    if folder == indiana_mutations.FOLDER and rng.random() < 0.4:
        root = pack(root, rng)
    options = {name: material.options[name] for name in ("split_by", "mesh_rules")
               if name in material.options}  # fmt: skip
    images = indiana_reader.read_images(root, folder, **options)
    compare("indiana_cxr", root, material, images, CONFIGS, indiana_reader.OF_IMAGE, number, rng)


def test_make_test_all_compares_thousands_of_releases() -> None:
    (number,) = re.findall(r"CXR_DIFFERENTIAL=(\d+) .*\$\(MAKE\) test\n", MAKEFILE.read_text())
    assert 2 * int(number) >= 2_000


def test_the_slow_readers_import_nothing_of_the_project() -> None:
    here = Path(__file__).parent
    official = here.parent / "mimic_cxr_jpg" / "reports" / "official.py"
    for file in (here / "reading.py", *here.glob("*_reader.py"), official):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in getattr(node, "names", ())]
            module = getattr(node, "module", None)
            for name in [module] if module else names if isinstance(node, ast.Import) else []:
                assert name.split(".")[0] not in ("cxr_datasets", "mimic_cxr_jpg", "indiana_cxr")
                assert not name.startswith("tests.") or name.endswith(("reading", "official"))


# Writing.


def write_reports(material: Material, root: Path, rng: random.Random) -> Path | None:
    """Write the texts in one of their forms, in one of their places; give the place, or None."""
    rows = material.tables[mimic_mutations.SPLIT].rows
    places = {mimic_mutations.text_place(row) for row in rows}
    form = rng.choice(("zip", "zip", "tar.gz", "tgz", "tree", "tree beside", "none"))
    if form == "none" or not any(material.texts.get(place) for place in places):
        return None
    material.done.append(f"reports as {form}")
    if form.startswith("tree"):
        at = root if form == "tree" else root / "mimic-cxr-reports"
        writing.write_beside(Material({}, beside=material.texts), at)
        return at
    at = rng.choice((root, root, root.parent, root.parent / "mimic-cxr" / "2.1.0", root / "own"))
    at.mkdir(parents=True, exist_ok=True)
    archive = at / f"mimic-cxr-reports.{form}"
    if at.name == "own":
        material.options["reports"] = str(archive)
    above = rng.choice(("", "mimic-cxr-reports/", "a/b/"))
    members = [(above + place, text) for place, text in material.texts.items()]
    if rng.random() < 0.2:  # of members of one name the last counts
        older = rng.sample(members, len(members) // 3)
        members = [*((name, b"An older text.\n") for name, _ in older), *members]
        material.done.append("members twice")
    if form == "zip":
        writing.write_zip(archive, members, rng)
    else:
        writing.write_tar(archive, members)
    return archive


def pack(root: Path, rng: random.Random) -> Path:
    """Put a folder into an archive beside it."""
    archive = root.with_name("archive.zip")
    files = (file for file in sorted(root.rglob("*")) if file.is_file())
    members = [(file.relative_to(root).as_posix(), file.read_bytes()) for file in files]
    writing.write_zip(archive, members, rng)
    return archive


# Comparing.


def compare(
    package: str,
    root: Path,
    material: Material,
    images: list[Row],
    configs: tuple[str, ...],
    of_image: tuple[str, ...],
    number: int,
    rng: random.Random,
) -> None:
    """Load every config by one of the doors, and compare each of its cells."""
    options = {"data_dir": str(root), **material.options}
    if rng.random() < 0.3:
        options["embed"] = True
    layer = layers.drawn(package, images, root.parent, rng) if rng.random() < 0.5 else None
    if layer is not None:
        options["layers"] = layer.option
    if rng.random() < 0.5:
        images, more = cohorts.drawn(package, images, material.options, root.parent, rng)
        options |= more
    options["labels_text"] = rng.random() < 0.5
    if options["labels_text"]:
        images = [{**image, "labels_text": labels_in(image, package)} for image in images]
    if number % EXPORTED == 0:
        doors: list[Callable[..., Splits]] = [exported, built, streamed]
    else:
        doors = [built, streamed, built]
    rng.shuffle(doors)
    for config, door in zip(configs, doors, strict=False):
        expected = rows_of_config(
            images, config, of_image=of_image, is_there=lambda path: path in material.images,
            views=options.get("views"), missing=options.get("missing", "error"),
        )  # fmt: skip
        if layer is not None:
            for some in expected.values():
                layer.add_to(some, config)
        rows = [row for split in expected.values() for row in split]
        if not any(map(has_image, rows)) and config != "reports":
            with pytest.raises(MissingImagesError):
                door(package, config, root.with_name(f"scratch-{config}"), **options)
            continue
        about = f"{package} {number}, {config} {door.__name__}: {material.done} {options}"
        found = door(package, config, root.with_name(f"scratch-{config}"), **options)
        assert list(found) == [name for name in SPLITS if name in found], about
        assert set(found) == set(expected), about
        for split, rows in expected.items():
            compare_rows(found[split], rows, root, material, f"{about} {split}")


def labels_in(image: Row, package: str) -> Row | None:
    """What our rules read from the text that the slow reader found. The rules have own tests."""
    texts = [image[section] for section in LABELLED[package] if image[section] is not None]
    return label_text(texts[0]) if texts else None


def has_image(row: Row) -> bool:
    return any(image is not None for image in row.get("images", [row.get("image")]))


def compare_rows(
    found: list[Row], expected: list[Row], root: Path, material: Material, about: str
) -> None:
    assert len(found) == len(expected), about
    for row, right in zip(found, expected, strict=True):
        row = {name: plain(name, cell, root, material) for name, cell in row.items()}
        assert set(row) == set(right), about
        for name, cell in right.items():
            assert row[name] == cell, f"{about}: {name} of {row.get('image_id', row['study_id'])}"


def plain(name: str, cell: Any, root: Path, material: Material) -> Any:
    """Give a cell as the slow reader has it: of an image, where it is in the release."""
    if name in ("images", "prior_images"):
        return [plain("image", image, root, material) for image in cell]
    if name != "image" or cell is None:
        return cell
    if cell["bytes"] is None:
        return (
            cell["path"].removeprefix(f"{root}/").removesuffix(f"::{root}").removeprefix("zip://")
        )
    (file,) = (place for place in material.images if Path(place).name == cell["path"])
    assert content_of(material.images[file]) == cell["bytes"], file
    return file
