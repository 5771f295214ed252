"""A good release with a marker in every text, and the check that a broken copy of it is refused."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import pytest

from cxr_datasets.errors import CxrError
from cxr_datasets.testing import copy_release, datasets_under, edit_table
from tests.mimic_cxr_jpg.reports.forms import ZIP, texts_of, write_zip

MARKER = "MARKERofsomebodysreport"
SPLIT = "mimic-cxr-2.0.0-split.csv.gz"
METADATA = "mimic-cxr-2.0.0-metadata.csv.gz"
CHEXPERT = "mimic-cxr-2.0.0-chexpert.csv.gz"
NEGBIO = "mimic-cxr-2.0.0-negbio.csv.gz"
RADIOLOGIST = "mimic-cxr-2.1.0-test-set-labeled.csv"
TABLES = (SPLIT, METADATA, CHEXPERT, NEGBIO, RADIOLOGIST)
NEXT_STEP = re.compile(r"(?i)\b(fetch|pass|check|correct|remove|choose|use|see|put|load)\b")


@pytest.fixture(scope="module")
def marked(small_release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good release with a marker in every report and in a text cell of every row."""
    root = copy_release(small_release, tmp_path_factory.mktemp("marked") / "release")
    edit_table(
        root / METADATA, lambda table: table.assign(PerformedProcedureStepDescription=MARKER)
    )
    marked = {name: f" {MARKER}\n".encode() + text for name, text in texts_of(root).items()}
    write_zip(root / ZIP, marked)
    return root


@pytest.fixture
def root(marked: Path, tmp_path: Path) -> Path:
    return copy_release(marked, tmp_path / "release")


@pytest.fixture(autouse=True)
def _no_text_of_a_report_is_logged_or_printed(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> Iterator[None]:
    yield
    printed = capfd.readouterr()
    assert MARKER not in caplog.text + printed.out + printed.err


def load_everything(data_dir: Any, cache: str, streaming: bool = False, **options: Any) -> int:
    """Load all rows, but no pixels."""
    splits = datasets.load_dataset(
        "mimic_cxr_jpg", data_dir=data_dir, cache_dir=cache, streaming=streaming, **options
    )
    batches = (batch for split in splits.values() for batch in split.with_format("arrow").iter(100))
    return sum(batch.num_rows for batch in batches)


def refused(data_dir: Any, cache: str, error: type[CxrError], *parts: str, **options: Any) -> str:
    """Check that building and streaming both fail as they must, with the same message.

    The message must name a next step and quote no report, and the cache must hold no dataset.

    Args:
        data_dir: What is loaded.
        cache: Folder of the cache.
        error: The exact class of the error.
        *parts: What the message must name.
        **options: Options of `load_dataset`.

    Returns:
        The message.
    """
    messages = []
    for streaming in (False, True):
        data_dir = None if data_dir is None else str(data_dir)
        with pytest.raises(CxrError) as caught:
            load_everything(data_dir, cache, streaming, **options)
        assert caught.type is error, caught.value
        message = str(caught.value)
        for part in parts:
            assert part in message
        assert NEXT_STEP.search(message), message
        assert len(message) < 1000
        assert MARKER not in "".join(traceback.format_exception(caught.value))
        assert datasets_under(cache) == []
        messages.append(message)
    assert messages[0] == messages[1]
    return messages[0]
