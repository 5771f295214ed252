"""Tables of the pages and cards say what the code does."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from cxr_datasets import errors
from cxr_datasets.builder import places
from cxr_datasets.columns import CONFIGS, CORE, LABELS, VIEWS
from cxr_datasets.storage.local import LocalFolder
from cxr_datasets.storage.remote import Remote
from tests.docs.pages import CARDS, CHECKOUT, prose, quoted, read, table, tables

RELEASES = {
    "mimic_cxr_jpg": "physionet.org/files/mimic-cxr-jpg/2.1.0",
    "indiana_cxr": "chest-xrays-indiana-university",
}


def numbers(cell: str) -> list[int]:
    return [int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*", cell)]


def test_every_config_is_described() -> None:
    for page in ("docs/columns.md", *CARDS.values()):
        assert tuple(quoted(row[0])[0] for row in table(page, "config")) == CONFIGS


def test_the_common_columns_are_described_in_order() -> None:
    rows = table("docs/columns.md", "column", "type")
    assert tuple(name for row in rows for name in quoted(row[0])) == CORE


def _asking_for_all(package: str, desk: Path) -> dict[str, Any]:
    """Options with which rows have every column of a dataset."""
    if package != "mimic_cxr_jpg":
        return {}
    return {"mimic_iv": str(desk / "physionet.org/files/mimiciv/3.1"), "priors": 1}


@pytest.mark.parametrize("package", CARDS)
def test_every_column_is_described_in_order_with_its_type(
    package: str, desk: Path, cache: str
) -> None:
    import datasets

    __import__(package)
    features = {
        config: datasets.load_dataset_builder(
            package,
            config,
            data_dir=str(desk / RELEASES[package]),
            cache_dir=cache,
            labels_text=True,
            **_asking_for_all(package, desk),
        ).info.features
        for config in ("images", "studies", "reports")
    }

    def described(feature: object) -> str:
        if isinstance(feature, dict):
            assert tuple(feature) == LABELS
            return "struct of 14 int8"
        for kind in (datasets.Image, datasets.ClassLabel):
            if isinstance(feature, kind):
                return str(kind.__name__)
        if isinstance(feature, datasets.Value):
            return str(feature.dtype)
        inner = feature[0] if isinstance(feature, list) else feature.feature  # type: ignore[attr-defined]
        return f"list of {described(inner)}"

    rows = table(CARDS[package], "column", "of")
    said = {quoted(row[0])[0]: row[1] for row in rows}
    assert said == {name: described(feature) for name, feature in features["images"].items()}
    assert list(said) == list(features["images"])
    of_image = [quoted(row[0])[0] for row in rows if row[2] == "image"]
    images_of_others = {"prior_images", "prior_views"}  # of a study, and images all the same
    assert set(features["reports"]) == set(said) - set(of_image) - images_of_others
    assert set(features["studies"]) == {f"{name}s" if name in of_image else name for name in said}

    (generated,) = (
        rows
        for header, rows in tables("docs/columns.md")
        if "in `studies`" in header and {quoted(row[0])[0] for row in rows} == set(said)
    )
    about = {quoted(row[0])[0]: row[3] for row in rows}
    for name, images, studies, reports, told in generated:
        assert told == about[quoted(name)[0]] != ""
        column = quoted(name)[0]
        assert images == said[column]
        plural, _, kind = studies.rpartition(": ")
        assert described(features["studies"][quoted(plural)[0] if plural else column]) == kind
        assert (reports == "-") == (column not in features["reports"])


def test_every_option_described_is_there_with_its_default() -> None:
    from datasets import BuilderConfig

    from indiana_cxr import IndianaCxrConfig
    from mimic_cxr_jpg import MimicCxrJpgConfig

    plain = {field.name for field in fields(BuilderConfig)}
    options: dict[str, set[str]] = {}
    for config in (MimicCxrJpgConfig, IndianaCxrConfig):
        for field in fields(config):
            if field.name not in plain:
                options.setdefault(field.name, set()).add(str(field.default))
    rows = [row for header, rows in tables("docs/options.md") for row in rows]
    assert {quoted(row[0])[0] for row in rows} == set(options)
    stated: dict[str, set[str]] = {}
    for row in rows:
        stated.setdefault(quoted(row[0])[0], set()).add(quoted(row[-1])[0].strip('"'))
        assert row[-2], f"{row[0]}: not described"
    assert stated == options  # a dataset may have a default of its own


def test_every_error_is_described() -> None:
    known = {name for name, kind in vars(errors).items() if isinstance(kind, type)} - {"CxrError"}
    rows = {quoted(row[0])[0] for row in table("docs/errors.md", "error")}
    assert rows == {name for name in known if issubclass(getattr(errors, name), errors.CxrError)}


def test_every_view_stands_where_it_belongs() -> None:
    from mimic_cxr_jpg.views import VIEW_POSITIONS

    positions = re.compile(r"\b(?:(?:AP|PA) (?:AXIAL|LLD|RLD)|XTABLE LATERAL|[A-Z]{2,})\b")
    views = (table("docs/splits.md", "view"), table(CARDS["mimic_cxr_jpg"], "`view`"))
    for rows in views:
        assert tuple(quoted(row[0])[0] for row in rows) == VIEWS
        said = {raw: quoted(row[0])[0] for row in rows for raw in positions.findall(row[1])}
        assert said == VIEW_POSITIONS


def test_the_numbers_of_views_and_splits_add_up() -> None:
    views = table(CARDS["mimic_cxr_jpg"], "`view`")
    assert sum(number for row in views for number in numbers(row[1])) == 377_110
    splits = table("docs/splits.md", "split")
    assert [sum(column) for column in zip(*(numbers(row[1]) for row in splits), strict=True)] == [
        377_110,
        227_835,
        65_379,
    ]
    for row in table(CARDS["mimic_cxr_jpg"], "config"):
        assert sum(numbers(" ".join(row[2:]))) == (377_110 if "images" in row[0] else 227_835)
    for row in table(CARDS["indiana_cxr"], "`split_by`"):
        assert sum(numbers(" ".join(row[1:]))) == 3_851


def test_the_splits_of_indiana_have_the_sizes_given() -> None:
    import pyarrow as pa
    import pyarrow.csv

    from indiana_cxr import splits

    listed = pa.csv.read_csv(CHECKOUT / "indiana_cxr" / "r2gen_split.csv")["split"].to_pylist()
    assert set(splits.SPLITTERS) == {"r2gen", "r2gen_pairs", "hash"}
    rows = {quoted(row[0])[0].strip('"'): row for row in table(CARDS["indiana_cxr"], "`split_by`")
            if row[0].startswith("`")}  # fmt: skip
    assert set(rows) == set(splits.SPLITTERS)
    for name, *said in zip(("train", "validation", "test"), rows["r2gen"][1:],
                           rows["r2gen_pairs"][1:], strict=False):  # fmt: skip
        assert [int(cell.replace(",", "")) for cell in said] == [listed.count(name)] * 2
    page = {quoted(row[0])[0]: row for row in table("docs/splits.md", "split")}
    for place, name in enumerate(("r2gen", "hash"), start=3):
        for column, split in enumerate(("train", "validation", "test"), start=1):
            assert numbers(page[split][place])[0] == numbers(rows[name][column])[0]


def test_the_card_gives_every_rule_of_the_indiana_labels() -> None:
    from indiana_cxr import mesh_rules

    rows = {row[0]: row[1] for row in table(CARDS["indiana_cxr"], "label")}
    assert tuple(rows) == LABELS
    for label, rule in mesh_rules.CORRECTED.items():
        words = set()
        for terms in rule.terms:
            words |= {*terms.headings, *terms.containing, *terms.but_not, *terms.qualifiers}
        assert set(quoted(rows[label])) == words
        assert any(terms.outside for terms in rule.terms) == ("in the lung" in rows[label])
        assert {other for other in LABELS if other in rows[label]} == set(rule.labels)


def test_the_card_gives_every_place_of_the_indiana_labels() -> None:
    from indiana_cxr import mesh_rules

    inside, outside, chest, no_place = table(CARDS["indiana_cxr"], "place")
    assert quoted(inside[1]) == list(mesh_rules.IN_LUNG)
    assert quoted(outside[1]) == list(mesh_rules.OUTSIDE_LUNG)
    assert quoted(chest[1]) == [mesh_rules.CHEST]
    placed = [terms for rule in mesh_rules.CORRECTED.values() for terms in rule.terms
              if terms.outside]  # fmt: skip
    assert set(quoted(chest[0])) == {heading for terms in placed for heading in terms.headings}
    assert set(quoted(chest[0])[:2]) == {heading for terms in placed for heading in terms.headings
                                         if mesh_rules.CHEST in terms.outside}  # fmt: skip
    assert set(quoted(no_place[1])) <= set(mesh_rules.NO_PLACE)
    page = " ".join(read(CARDS["indiana_cxr"]).split())
    (vessels,) = re.findall(r"The vessels are ([^.]*)\.", page)
    assert quoted(vessels) == list(mesh_rules.VESSELS)


def test_the_values_of_missing_are_described() -> None:
    from cxr_datasets.builder import CxrConfig

    rows = table("docs/data.md", "`missing`")
    described = ", ".join(quoted(row[0])[0].replace('"', "'") for row in rows)
    with pytest.raises(errors.OptionError, match=f"Choose from: {described}\\."):
        CxrConfig(missing="other").check(())


def test_the_quality_of_smaller_images_is_what_the_code_states() -> None:
    from cxr_datasets.images import resize

    rows = table("docs/resizing.md", "margin")
    assert len(rows) == 2
    for row in rows:
        assert f"| {' | '.join(row)} |" in (resize.__doc__ or "")
    margins = {"2": resize.DRAFT_MARGIN, "1": resize.TRAINING_MARGIN}
    assert all(int(row[0]) == margins[row[0]] for row in rows)


def test_figures_of_the_benchmarks_page_are_measured_ones() -> None:
    measured = {row[0]: row for row in table("benchmarks/README.md", "question")}
    for row in table("docs/benchmarks.md", "question"):
        assert row == measured[row[0]]


def test_the_hooks_described_are_those_of_an_import() -> None:
    from cxr_datasets.hooks import HOOKS

    rows = table("docs/compatibility.md", "changed")
    assert [quoted(row[0])[0] for row in rows] == [hook.target for hook in HOOKS]


def test_the_changelog_speaks_of_this_version() -> None:
    import cxr_datasets

    said = rf"^## \[{re.escape(cxr_datasets.__version__)}\]"
    assert re.search(said, read("CHANGELOG.md"), re.MULTILINE)


def test_the_sizes_of_the_first_samples_are_those_of_the_code() -> None:
    """How many files are looked for before a build, here and in a store, on both pages."""
    data, remote = (" ".join(prose(f"docs/{page}.md").split()) for page in ("data", "remote"))
    here, there = LocalFolder.PROBES, Remote.PROBES
    assert f"first: {here} of a local copy, {there} of a remote one" in data
    assert f"a sample of {there} files is looked for" in remote
    assert f"instead of the {here} of a local copy" in remote
    first, first_remote = places._FIRST_PROBES, places._FIRST_REMOTE_PROBES
    assert f"own form, {first} on a disk and {first_remote} in a store" in data
    assert f"with {here} files, in a store with {there}" in data
    assert f"At each start {first_remote} files" in remote
