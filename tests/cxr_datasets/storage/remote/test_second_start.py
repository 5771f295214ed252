"""A second start reads no table from the network, unless one changed."""

from __future__ import annotations

import os

import pandas as pd
import pytest

from cxr_datasets.testing import edit_table
from tests.remote import Remote, rows, rows_of

pytestmark = pytest.mark.usefixtures("login")

CONFIGS = ["images", "studies", "reports"]


def label_table(remote: Remote) -> str:
    if remote.package == "indiana_cxr":
        return "indiana_reports.csv"
    return "mimic-cxr-2.0.0-chexpert.csv.gz"


def change(remote: Remote) -> None:
    """Change labels and nothing else."""

    def edit(table: pd.DataFrame) -> None:
        if remote.package == "indiana_cxr":
            table["MeSH"] = "Cardiomegaly"
        else:
            table["Edema"] = "1.0"

    edit_table(remote.release / label_table(remote), edit)


@pytest.mark.parametrize("config", CONFIGS)
def test_a_second_start_reads_no_table_and_no_archive(remote: Remote, config: str) -> None:
    first = rows_of(remote.load(config, streaming=True))
    assert len(remote.asked(label_table(remote))) == 1
    remote.server.reset()
    stream = remote.load(config, streaming=True)
    assert {request.method for request in remote.server.requests} <= {"HEAD"}
    assert rows_of(stream) == first
    assert len(remote.server.requests) < 40 + 2 * sum(map(len, first.values())) * 3
    assert not remote.asked(".csv.gz")
    assert not remote.asked(".csv")
    assert not remote.asked(".zip")


@pytest.mark.parametrize("config", CONFIGS)
def test_what_is_built_is_not_built_again(remote: Remote, config: str) -> None:
    first = rows_of(remote.load(config))
    remote.server.reset()
    assert rows_of(remote.load(config)) == first
    assert {request.method for request in remote.server.requests} <= {"HEAD"}


def test_building_after_streaming_reads_no_table_either(remote: Remote) -> None:
    remote.load(streaming=True)
    remote.server.reset()
    remote.load()
    assert not remote.asked(label_table(remote))


@pytest.mark.parametrize("etags", [True, False])
@pytest.mark.parametrize("streaming", [True, False])
def test_a_changed_table_is_noticed(remote: Remote, etags: bool, streaming: bool) -> None:
    remote.server.etags = etags
    before = rows_of(remote.load("reports", streaming=streaming))
    change(remote)
    os.utime(remote.release / label_table(remote), (10**9, 10**9))  # Last-Modified is in seconds
    after = rows_of(remote.load("reports", streaming=streaming))
    assert after == rows_of(remote.local("reports"))
    assert after != before


def test_the_number_of_connections_makes_no_new_dataset(remote: Remote) -> None:
    built = remote.load("reports", split="train")
    again = remote.load("reports", split="train", connections=2)
    assert again.cache_files == built.cache_files
    assert list(rows(again)) == list(rows(built))


def test_embedded_and_referred_images_are_different_datasets(remote: Remote) -> None:
    assert remote.load()["train"].cache_files != remote.load(embed=False)["train"].cache_files
    assert remote.load()["train"].cache_files == remote.load(embed=True)["train"].cache_files
