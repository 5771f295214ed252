"""The option `section_rules` decides the sections of every row, and nothing else."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cxr_datasets.cli import main
from cxr_datasets.errors import OptionError
from cxr_datasets.testing import load_rows
from mimic_cxr_jpg.reports import REPORT_SECTIONS, RULES, sections
from tests.mimic_cxr_jpg.reports.forms import texts_of
from tests.mimic_cxr_jpg.reports.official import corrected_parts, reference_sections

CHECKOUT = Path(__file__).parents[2]

Row = dict[str, Any]


@pytest.fixture(scope="module")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One cache for both rules: neither may be answered with what the other left there."""
    return str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def rows(small_release: Path, shared_cache: str) -> dict[str, list[Row]]:
    return {
        rules: load_rows(
            "mimic_cxr_jpg", small_release, shared_cache, "reports", section_rules=rules
        )
        for rules in RULES
    }


def test_each_row_has_the_sections_of_its_report_by_the_rules_that_were_asked_for(
    rows: dict[str, list[Row]],
) -> None:
    for rules in RULES:
        for row in rows[rules]:
            expected = reference_sections(row["report"] or "", rules)
            assert {name: row[name] for name in REPORT_SECTIONS if row[name]} == expected


def test_corrected_is_the_default_and_differs_from_official_in_sections_alone(
    rows: dict[str, list[Row]], small_release: Path, shared_cache: str
) -> None:
    corrected, official = (rows[rules] for rules in RULES)
    assert load_rows("mimic_cxr_jpg", small_release, shared_cache, "reports") == corrected
    assert sum(one != other for one, other in zip(corrected, official, strict=True)) >= 3
    for one, other in zip(corrected, official, strict=True):
        assert all(one[name] == other[name] for name in one if name not in REPORT_SECTIONS)


def test_no_index_file_is_shared_by_two_rules(
    rows: dict[str, list[Row]], shared_cache: str
) -> None:
    files = list(Path(shared_cache).rglob("mimic_cxr_jpg-reports-*.arrow"))
    assert len(files) == len(RULES)


@pytest.mark.parametrize("rules", RULES)
def test_a_stream_has_the_same_rows(
    rules: str, rows: dict[str, list[Row]], small_release: Path, shared_cache: str
) -> None:
    splits = datasets.load_dataset(
        "mimic_cxr_jpg", "reports", data_dir=str(small_release), cache_dir=shared_cache,
        section_rules=rules, streaming=True,
    )  # fmt: skip
    found = [{"split": name, **row} for name, split in splits.items() for row in split]
    assert found == rows[rules]


def test_an_export_has_the_sections_of_the_rules_it_was_asked_for(
    rows: dict[str, list[Row]], small_release: Path, tmp_path: Path
) -> None:
    words = ["--data-dir", str(small_release), "--out", str(tmp_path), "--config", "reports"]
    assert main(["export", "mimic-cxr-jpg", *words, "--section-rules", "official"]) == 0
    found = pa.concat_tables(map(pq.read_table, sorted(tmp_path.rglob("test-*.parquet"))))
    expected = [row for row in rows["official"] if row["split"] == "test"]
    assert found["impression"].to_pylist() == [row["impression"] for row in expected]
    assert len(expected)


@pytest.mark.parametrize("rules", ["Official", "", 1])
def test_rules_that_do_not_exist_are_refused_with_those_that_do(
    rules: Any, small_release: Path, cache: str
) -> None:
    expected = r"section_rules=.* is not known\. Choose from: 'corrected', 'official'"
    with pytest.raises(OptionError, match=expected):
        load_rows("mimic_cxr_jpg", small_release, cache, "reports", section_rules=rules)


def test_the_card_and_the_page_say_how_many_invented_reports_they_concern(
    mimic_release: Path,
) -> None:
    texts = [text.decode() for text in texts_of(mimic_release).values()]
    parts = [
        Counter(what for what, text in corrected_parts(text) if text.strip()) for text in texts
    ]
    twice = sum(any(counts[name] > 1 for name in REPORT_SECTIONS) for counts in parts)
    differ = sum(sections(text, "official") != sections(text, "corrected") for text in texts)
    for page in ("mimic_cxr_jpg/README.md", "docs/text.md"):
        said = " ".join((CHECKOUT / page).read_text(encoding="utf-8").split())
        found = re.search(r"(\d+) of (\d+) reports have a section twice, and .*?(\d+)", said)
        assert found
        assert [*map(int, found.groups())] == [twice, len(texts), differ]
