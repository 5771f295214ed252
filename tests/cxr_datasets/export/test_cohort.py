"""Exports of some rows of a release: their key, their card, their figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from cxr_datasets.cli import main
from cxr_datasets.errors import ExportError
from cxr_datasets.export import export
from cxr_datasets.export.manifest import manifest_name
from cxr_datasets.preview import stats


def rows_in(out: Path, config: str = "reports") -> list[dict[str, Any]]:
    return [row for file in sorted((out / config).glob("*.parquet"))
            for row in pq.read_table(file).to_pylist()]  # fmt: skip


@pytest.fixture
def studies(indiana_release: Path) -> Path:
    lines = (indiana_release / "indiana_projections.csv").read_text().splitlines()[1:]
    return Path(indiana_release), sorted({int(line.partition(",")[0]) for line in lines})


def split_list(file: Path, studies: list[int]) -> str:
    names = ("train", "val", "test")
    lines = [f"{id},{names[place % 3]}" for place, id in enumerate(studies)]
    file.write_text("uid,split\n" + "\n".join(lines))
    return str(file)


def test_the_card_and_the_manifest_tell_each_rule_and_the_digest_of_a_list(
    studies: tuple[Path, list[int]], tmp_path: Path, export_cache: str
) -> None:
    release, ids = studies
    out = tmp_path / "out"
    words = [
        "export", "indiana-cxr", "--data-dir", str(release), "--out", str(out),
        "--config", "reports",
        "--split-file", split_list(tmp_path / "mine.csv", ids[:30]),
        "--require", "findings", "impression", "--cache-dir", export_cache, "--no-progress",
    ]  # fmt: skip
    assert main(words) == 0
    rows = rows_in(out)
    assert rows
    assert all(row["findings"] is not None and row["study_id"] in ids[:30] for row in rows)

    header = json.loads((out / manifest_name("reports")).read_text().splitlines()[0])
    steps = header["cohort"]
    assert [step["rule"].partition(" ")[0] for step in steps] == [
        "all", "split_file=30", "require=findings", "require=impression",
    ]  # fmt: skip
    assert steps[-1]["studies"] == len(rows)
    told = header["identity"]["options"]["split_file"]
    assert told == steps[1]["rule"].removeprefix("split_file=")
    assert told.startswith("30 studies, digest ")
    assert "mine.csv" not in json.dumps(header)

    card = (out / "README.md").read_text()
    assert "## Which rows" in card
    for step in steps:
        counted = [f"{step[name]:,}" for name in ("left_out", "images", "studies", "patients")]
        assert f"`{step['rule']}` | {' | '.join(counted)} |" in card
    assert f"split_file='{told}'" in card

    counted = stats(str(out)).as_json()["cohort"]
    assert counted == steps
    of_release = stats(
        str(release), cache_dir=export_cache,
        options={"split_file": str(tmp_path / "mine.csv"), "require": ["findings", "impression"]},
    )  # fmt: skip
    assert of_release.as_json()["cohort"] == steps


def test_another_list_is_another_export_and_the_same_one_goes_on(
    studies: tuple[Path, list[int]], tmp_path: Path, export_cache: str
) -> None:
    release, ids = studies
    out = tmp_path / "out"

    def write(some: Any) -> Any:
        return export(
            "indiana_cxr", release, out, config="reports", ids=some, cache_dir=export_cache,
            progress=False,
        )  # fmt: skip

    write(ids[:5])
    file = tmp_path / "ids.txt"
    file.write_text("\n".join(f"CXR{id}" for id in reversed(ids[:5])))
    assert write(str(file)).written == 0
    with pytest.raises(ExportError, match=r"ids: 5 studies, digest \w+ there, 6 studies, digest"):
        write(ids[:6])
    assert {row["study_id"] for row in rows_in(out)} == set(ids[:5])


def test_an_export_of_all_rows_has_no_table_of_rules(
    studies: tuple[Path, list[int]], tmp_path: Path, export_cache: str
) -> None:
    release, _ = studies
    out = tmp_path / "out"
    export(
        "indiana_cxr", release, out, config="reports", cache_dir=export_cache, progress=False
    )  # fmt: skip
    assert "## Which rows" not in (out / "README.md").read_text()
    assert stats(str(out)).as_json()["cohort"] == []


def test_stats_prints_the_table(
    studies: tuple[Path, list[int]], capsys: pytest.CaptureFixture[str]
) -> None:
    release, _ = studies
    words = [
        "stats",
        str(release),
        "--option",
        "split_by=r2gen",
        "--option",
        'require=["findings"]',
    ]
    assert main([*words, "--json"]) == 0
    steps = json.loads(capsys.readouterr().out)["cohort"]
    assert [step["rule"] for step in steps] == [
        "all of the release", "split_by=r2gen", "require=findings",
    ]  # fmt: skip
    assert main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    start = lines.index(next(line for line in lines if "From the release to these rows" in line))
    assert lines[start + 2].split() == ["rule", "left_out", "images", "studies", "patients"]
    names = ("left_out", "images", "studies", "patients")
    assert [line.split()[-4:] for line in lines[start + 4 : start + 7]] == [
        [str(step[name]) for name in names] for step in steps
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "mention"),
    [
        (["--fraction", "2"], "fraction=2.0 is not a share"),
        (["--split-by", "patient", "--folds", "3"], "folds and fold belong together"),
        (["--require", "nothing"], "require='nothing' is not known"),
        (["--ids", "nowhere.csv"], "nowhere.csv does not exist"),
        (["--fractions", "0.5", "0.5"], "fractions needs split_by='patient'"),
    ],
)
def test_wrong_words_end_with_2_and_write_nothing(
    studies: tuple[Path, list[int]], tmp_path: Path, words: list[str], mention: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    out = tmp_path / "out"
    given = ["export", "indiana-cxr", "--data-dir", str(studies[0]), "--out", str(out), *words]
    assert main(given) == 2
    assert mention in capsys.readouterr().err
    assert not out.exists()
