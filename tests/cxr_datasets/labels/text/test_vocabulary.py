"""The tables of words: what they hold, and what an error in one of them says."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest

from cxr_datasets.errors import TableError
from cxr_datasets.labels.text.vocabulary import KINDS, load, vocabulary

PACKAGE = resources.files("cxr_datasets.labels.text")


def entries(node):
    for word, below in node.items():
        if word:
            yield from entries(below)
        else:
            yield below


def test_the_tables_of_the_package_are_sound_and_use_every_kind():
    words, fillers, states, _ = load(PACKAGE)
    assert {entry.kind for entry in entries(words)} | {"filler"} == set(KINDS)
    assert len(fillers) > 10
    assert ("heart", "normal") in states


def test_the_vocabulary_is_loaded_once():
    assert vocabulary() is vocabulary()


@pytest.mark.parametrize(
    ("table", "line", "message"),
    [
        ("words.csv", "findings,Edema,oedemata,own", "kind is 'findings'"),
        ("words.csv", "finding,Oedema,oedemata,own", "of is 'Oedema'"),
        ("words.csv", "finding,,oedemata,own", "of is ''"),
        ("words.csv", "structure,hart,hart,own", "of is 'hart'"),
        ("words.csv", "reset,Edema,thereupon,own", "of is 'Edema'; a row of kind 'reset' has none"),
        ("words.csv", "finding,Edema,oedemata,", "source is empty"),
        ("words.csv", "finding,Edema,oedemata", "expected 4 cells"),
        ("words.csv", "finding,Edema,oedemata,own,more", "expected 4 cells"),
        (
            "words.csv",
            "finding,Edema,edema,own",
            "'edema' stands there already, as finding of Edema",
        ),
        ("words.csv", "other,,edema,own", "'edema' stands there already, as finding of Edema"),
        ("words.csv", "finding,Edema,[oedemata],own", "may be no word at all"),
        ("words.csv", "finding,Edema,...,own", "may be no word at all"),
        ("structures.csv", "heart,sick,Edema,own", "state is 'sick'"),
        ("structures.csv", "heart,normal,Edemas,own", "labels is 'Edemas'"),
        ("structures.csv", "heart,normal,Cardiomegaly,own", "heart, normal stands there already"),
    ],
)
def test_a_broken_row_is_an_error_that_names_table_and_line(tmp_path: Path, table, line, message):
    for name in ("words.csv", "structures.csv"):
        (tmp_path / name).write_text(PACKAGE.joinpath(name).read_text())
    with (tmp_path / table).open("a") as file:
        file.write(f"{line}\n")
    number = len((tmp_path / table).read_text().splitlines())
    with pytest.raises(TableError) as caught:
        load(tmp_path)
    assert str(caught.value).startswith(f"{table}, line {number}: ")
    assert message in str(caught.value)


def test_a_table_with_other_columns_is_an_error(tmp_path: Path):
    (tmp_path / "words.csv").write_text("kind,phrase\n")
    (tmp_path / "structures.csv").write_text("structure,state,labels\n")
    with pytest.raises(TableError, match=r"structures\.csv, line 1: expected columns"):
        load(tmp_path)
