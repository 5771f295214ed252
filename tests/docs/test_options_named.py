"""Whoever reads the front door or a card learns of every option by its name."""

from __future__ import annotations

import re

import pytest

from cxr_datasets.builder.config import option_help
from cxr_datasets.packages import builder_class, known_datasets
from tests.docs.pages import CARDS, README, prose, quoted, table

OPTIONS = {
    dataset.replace("-", "_"): list(option_help(builder_class(dataset).BUILDER_CONFIG_CLASS))
    for dataset in known_datasets()
    if dataset.replace("-", "_") in CARDS
}


def named(cells: list[str]) -> list[str]:
    """The options that cells name, with a value or without."""
    return [re.split("=", option)[0] for cell in cells for option in quoted(cell)]


def test_readmes_table_names_every_option_of_every_dataset_once() -> None:
    assert set(OPTIONS) == set(CARDS)
    found = named([row[1] for row in table(README, "for")])
    assert sorted(found) == sorted({option for some in OPTIONS.values() for option in some})


@pytest.mark.parametrize("package", CARDS)
def test_the_table_of_a_card_names_every_option_of_its_dataset_once(package: str) -> None:
    found = named([row[1] for row in table(CARDS[package], "for")])
    assert sorted(found) == sorted(OPTIONS[package])


def test_the_page_of_columns_names_every_option_that_chooses_rows_or_adds_columns() -> None:
    config = builder_class("mimic-cxr-jpg").BUILDER_CONFIG_CLASS
    found = named([row[1] for row in table("docs/columns.md", "you want")])
    chosen = [*config().cohort_names(), "views", "missing", "damaged", "priors", "mimic_iv",
              "layers", "labels_text", "image_size"]  # fmt: skip
    assert sorted(found) == sorted(chosen)


def test_each_row_of_these_tables_links_the_page_of_its_options() -> None:
    for page in (README, *CARDS.values()):
        assert all("](" in row[0] for row in table(page, "for")), page
    assert "layers" in prose(CARDS["indiana_cxr"])
