"""The page on a new dataset quotes every file of its example, and its tables are true."""

from __future__ import annotations

import re
from dataclasses import fields

from cxr_datasets.builder import CxrBuilder
from cxr_datasets.builder.features import config_features
from tests.docs.pages import CHECKOUT, anchors, blocks, prose, quoted, read, table

PAGE = "docs/new_dataset.md"
EXAMPLE = "examples/chexpert_small"


def test_it_quotes_every_file_that_an_author_writes() -> None:
    quotes = {block.source for block in blocks(PAGE) if block.source}
    package = {
        str(file.relative_to(CHECKOUT))
        for file in (CHECKOUT / EXAMPLE / "chexpert_small").iterdir()
        if file.is_file()
    }
    assert quotes == {
        *package, f"{EXAMPLE}/pyproject.toml", f"{EXAMPLE}/tests/test_builder.py",
    }  # fmt: skip


def test_quotes_are_in_the_files_they_name() -> None:
    for block in blocks(PAGE):
        if block.source:
            assert block.text in (CHECKOUT / block.source).read_text("utf-8"), block.place


def test_the_folder_shown_is_that_of_the_example() -> None:
    (shown,) = [block.text for block in blocks(PAGE) if block.text.startswith(EXAMPLE)]
    names = {line.strip() for line in shown.splitlines()[1:]}
    folder = CHECKOUT / EXAMPLE
    package = {path.name for path in (folder / "chexpert_small").iterdir() if path.is_file()}
    assert names == {"pyproject.toml", "chexpert_small/", "tests/", *package}


def test_the_checklist_has_a_line_for_each_step() -> None:
    steps = re.findall(r"^\d\. .*\[step (\d)\]\(#(\S+)\)", prose(PAGE), re.MULTILINE)
    assert [number for number, _ in steps] == list("1234567")
    assert {anchor for _, anchor in steps} <= anchors(PAGE)


def test_the_table_of_the_index_has_its_columns_and_types() -> None:
    features = config_features("images", ())
    types = {field.name: str(field.type) for field in features.arrow_schema}
    del types["image"]
    shown = {quoted(row[0])[0]: row[1] for row in table(PAGE, "column")}
    assert list(shown) == [*types, "split", "rank"]
    assert shown.pop("rank") == "integer"
    assert shown.pop("split") == "string"
    assert shown == {name: type_.partition("<")[0] for name, type_ in types.items()}


def test_the_attributes_it_explains_are_those_of_a_builder() -> None:
    explained = {name for row in table(PAGE, "attribute") for name in quoted(row[0])}
    annotated = [
        name for kind in CxrBuilder.__mro__ for name in vars(kind).get("__annotations__", ())
    ]
    declared = {name for name in annotated if name.isupper()}
    assert explained == declared


def test_what_it_names_of_the_shipped_code_is_there() -> None:
    import cxr_datasets.builder
    import cxr_datasets.synthetic
    import cxr_datasets.tables.keys
    import cxr_datasets.testing

    text = read(PAGE)
    for name in ("BuilderCase", "PackageCase", "copy_release", "edit_table", "load_rows"):
        assert name in text
        assert hasattr(cxr_datasets.testing, name)
    for name in re.findall(r"`synthetic\.(?!py`)(\w+)`", text):
        assert name in cxr_datasets.synthetic.__all__
    assert {field.name for field in fields(cxr_datasets.builder.Column)} == {
        "name", "feature", "per", "about", "is_section", "labelled", "option", "needs_images",
    }  # fmt: skip
