"""The card and the Croissant description that stand beside the files."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import datasets
import mlcroissant
import pyarrow.parquet as pq
import pytest
import yaml

from cxr_datasets import __version__
from cxr_datasets.errors import PackageError
from cxr_datasets.export import export
from tests.cxr_datasets.export.conftest import CONFIGS, ROWS, Exported, contents


def head(out: Path) -> dict:  # type: ignore[type-arg]
    return yaml.safe_load((out / "README.md").read_text().split("---\n")[1])


def body(out: Path) -> str:
    return (out / "README.md").read_text().split("---\n", 2)[2]


def files(out: Path, config: str, split: str) -> list[Path]:
    return sorted((out / config).glob(f"{split}-*.parquet"))


def test_the_head_names_every_config_with_its_files(exported: Exported) -> None:
    configs = head(exported.out)["configs"]
    assert [config["config_name"] for config in configs] == list(CONFIGS)
    assert [config.get("default", False) for config in configs] == [True, False, False]
    for config in configs:
        for part in config["data_files"]:
            found = sorted(exported.out.glob(part["path"]))
            assert found == files(exported.out, config["config_name"], part["split"])
            assert found


def test_the_numbers_are_those_of_the_files(exported: Exported) -> None:
    for info in head(exported.out)["dataset_info"]:
        config = info["config_name"]
        assert info["download_size"] == sum(
            file.stat().st_size for file in (exported.out / config).iterdir()
        )
        assert info["dataset_size"] == sum(split["num_bytes"] for split in info["splits"])
        for split in info["splits"]:
            some = files(exported.out, config, split["name"])
            rows = sum(pq.read_metadata(file).num_rows for file in some)
            assert split["num_examples"] == rows > 0
            size = sum(file.stat().st_size for file in some)
            row = f"| `{config}` | `{split['name']}` | {rows:,} | {len(some)} | {size:,} |"
            assert row in body(exported.out)


def test_datasets_takes_the_features_from_the_head(exported: Exported, cache: str) -> None:
    for config in CONFIGS:
        from_card = datasets.load_dataset_builder(
            str(exported.out), config, cache_dir=cache
        ).info.features
        (file, *_) = files(exported.out, config, "train")
        assert from_card == datasets.Features.from_arrow_schema(pq.read_schema(file))


def test_the_licence_and_the_terms_are_those_of_the_dataset(exported: Exported) -> None:
    card, text = head(exported.out), body(exported.out)
    if exported.dataset == "mimic-cxr-jpg":
        assert card["license"] == "other"
        assert card["license_name"] == "physionet-credentialed-health-data-license-1.5.0"
        assert card["license_link"].startswith("https://physionet.org/")
        assert "https://physionet.org/content/mimic-cxr-jpg/view-dua/2.1.0/" in text
        assert "not to share access" in text
    else:
        assert card["license"] == "cc-by-nc-nd-4.0"
        assert "not for commercial use" in text
    assert "chest-x-ray" in card["tags"]
    assert card["size_categories"] == ["n<1K"]


def test_it_says_where_the_data_are_from(exported: Exported) -> None:
    import pyarrow

    text = body(exported.out)
    for name in ("cxr-datasets " + __version__, "datasets " + datasets.__version__,
                 "pyarrow " + pyarrow.__version__, f"rows_per_file={ROWS}"):  # fmt: skip
        assert name in text
    tables = [file for file in exported.release.iterdir() if ".csv" in file.name]
    for table in tables:
        assert f"| `{table.name}` | {table.stat().st_size:,} bytes, changed 20" in text


def test_it_names_no_place_of_this_machine(
    exported: Exported, tmp_path: Path, mimic_release: Path, export_cache: str
) -> None:
    export("mimic-cxr-jpg", mimic_release, tmp_path / "out", config="reports", progress=False,
           reports=mimic_release / "mimic-cxr-reports.zip", cache_dir=export_cache)  # fmt: skip
    for out in (exported.out, tmp_path / "out"):
        manifests = sorted((out / ".cxr").glob("*.jsonl"))
        assert manifests
        for file in (out / "README.md", out / "croissant.json", *manifests):
            text = file.read_text()
            for place in (exported.release, out, export_cache, mimic_release, Path.home()):
                assert str(place) not in text
            assert "/tmp/" not in text
    assert "reports='mimic-cxr-reports.zip'" in body(tmp_path / "out")


def test_a_name_with_markup_is_none_in_the_card(
    mimic_release: Path, export_cache: str, tmp_path: Path
) -> None:
    name = "a|<b>`x`[y](z).zip"
    (tmp_path / name).symlink_to(mimic_release / "mimic-cxr-reports.zip")
    export("mimic-cxr-jpg", mimic_release, tmp_path / "out", config="reports", progress=False,
           reports=tmp_path / name, cache_dir=export_cache)  # fmt: skip
    text = body(tmp_path / "out")
    assert "<b>" not in text
    assert "[y](z)" not in text
    assert text.count("a&#124;&#60;b&#62;&#96;x&#96;&#91;y&#93;(z).zip") == 2


def test_a_release_in_a_folder_named_by_its_version_says_so(
    mimic_release: Path, export_cache: str, tmp_path: Path
) -> None:
    (tmp_path / "mimic-cxr-jpg").mkdir()
    release = tmp_path / "mimic-cxr-jpg" / "2.1.0"
    release.symlink_to(mimic_release)
    export("mimic-cxr-jpg", release, tmp_path / "out", config="reports", progress=False,
           cache_dir=export_cache)  # fmt: skip
    assert "Release 2.1.0" in body(tmp_path / "out")


def test_splits_may_follow_one_another_into_one_folder(
    mimic_release: Path, export_cache: str, tmp_path: Path
) -> None:
    def write(out: Path, split: list[str] | str | None) -> list[str]:
        summary = export("mimic-cxr-jpg", mimic_release, out, split=split, progress=False,
                         rows_per_file=ROWS, cache_dir=export_cache)  # fmt: skip
        assert summary.written == summary.files
        return [part["split"] for part in head(out)["configs"][0]["data_files"]]

    assert write(tmp_path / "out", "test") == ["test"]
    splits = write(tmp_path / "out", ["train", "validation"])
    assert splits == write(tmp_path / "whole", None) == ["train", "validation", "test"]
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_the_croissant_validates_and_gives_the_rows(exported: Exported) -> None:
    description = mlcroissant.Dataset(exported.out / "croissant.json")
    assert description.metadata.ctx.issues.errors == set()
    assert description.metadata.ctx.issues.warnings == set()
    sets = {records.id: records for records in description.metadata.record_sets}
    assert set(sets) >= {f"{config}-train" for config in CONFIGS}
    rows = list(description.records("images-train"))
    ids = [id for file in files(exported.out, "images", "train")
           for id in pq.read_table(file)["image_id"].to_pylist()]  # fmt: skip
    assert sorted(row["images-train/image_id"].decode() for row in rows) == sorted(ids)
    assert rows[0]["images-train/image"].mode == "L"
    labels = {label for row in rows for label in (row["images-train/labels"] or {}).values()}
    assert labels <= {1, 0, -1, None}
    assert len(labels) > 1


def test_the_croissant_is_plain_json_with_the_licence(exported: Exported) -> None:
    described = json.loads((exported.out / "croissant.json").read_text())
    assert re.match("https://(physionet|spdx).org/", described["license"])
    assert described["citeAs"]


HEAD = "---\npretty_name: Some\nlicense: mit\n---\n\n# Some\n"


@pytest.mark.parametrize(
    ("card", "said"),
    [
        (None, "is not there"),
        ("# Some dataset\n", "has no front matter"),
        ("---\n- a\n- b\n---\n", "cannot be read"),
        ("---\npretty_name: [\n---\n", "cannot be read"),
        (HEAD.replace("pretty_name: Some\n", ""), "lacks pretty_name"),
        (HEAD.replace("pretty_name: Some", "pretty_name: ''"), "lacks pretty_name"),
        (HEAD.replace("license: mit\n", ""), "lacks license"),
        (HEAD.replace("license: mit\n", "").replace("Some", "''"), "lacks pretty_name, license"),
        (HEAD.replace("mit", "other"), "lacks license_link"),
        (b"---\npretty_name: \xff\n---\n", "cannot be read"),
    ],
)
def test_a_dataset_whose_own_card_lacks_something_is_refused_before_anything_is_written(
    card: str | bytes | None, said: str, small_release: Path, export_cache: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    own = tmp_path / "package" / "README.md"
    own.parent.mkdir()
    if card is not None:
        own.write_bytes(card if isinstance(card, bytes) else card.encode())
    monkeypatch.setattr("cxr_datasets.export.card.package_folder", lambda package: own.parent)
    with pytest.raises(PackageError) as caught:
        export("mimic-cxr-jpg", small_release, tmp_path / "out", config="reports", progress=False,
               cache_dir=export_cache)  # fmt: skip
    for words in (str(own), said, "pretty_name", "license", "---"):
        assert words in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("license", ["mit", ["mit", "bsd"]], ids=["one", "two"])
def test_a_card_with_these_keys_alone_is_enough(
    license: Any, small_release: Path, export_cache: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    own = tmp_path / "package" / "README.md"
    own.parent.mkdir()
    own.write_text(HEAD.replace("mit", json.dumps(license)))
    monkeypatch.setattr("cxr_datasets.export.card.package_folder", lambda package: own.parent)
    export("mimic-cxr-jpg", small_release, tmp_path / "out", config="reports", progress=False,
           cache_dir=export_cache)  # fmt: skip
    assert head(tmp_path / "out")["license"] == license
    described = json.loads((tmp_path / "out" / "croissant.json").read_text())
    assert "https://spdx.org/licenses/MIT.html" in described["license"]
    assert "# Some, as Parquet" in body(tmp_path / "out")


def test_the_card_says_that_columns_of_size_are_those_of_the_releases_file(
    small_release: Path, exported: Exported, export_cache: str, tmp_path: Path
) -> None:
    export("mimic-cxr-jpg", small_release, tmp_path / "out", split="test", image_size=32,
           progress=False, cache_dir=export_cache)  # fmt: skip
    said = "size of an image, if the dataset has any, are those of the release's own file."
    assert said in body(tmp_path / "out")
    assert said not in body(exported.out)


def test_it_explains_every_column_under_each_of_its_names(exported: Exported) -> None:
    (part,) = re.findall(r"^## Columns\n(.*?)^## ", body(exported.out), re.MULTILINE | re.DOTALL)
    told = dict(re.findall(r"^\| (`.+`) \| (.+) \|$", part, re.MULTILINE))
    named = [re.findall(r"`(\w+)` in `(\w+)`", names) for names in told]
    for config in CONFIGS:
        (file, *_) = files(exported.out, config, "train")
        assert [name for row in named for name, where in row if where == config] == [
            field.name for field in pq.read_schema(file)
        ]
    assert all(told.values())


def test_it_says_what_the_numbers_of_views_and_labels_mean(exported: Exported) -> None:
    text = body(exported.out)
    assert "0 frontal, 1 lateral, 2 oblique, 3 unknown" in text
    assert "1 positive, 0 negative, -1 uncertain, null not mentioned" in text


def test_a_config_that_an_older_version_exported_needs_no_explanation_of_columns(
    exported: Exported,
) -> None:
    from cxr_datasets.export import card
    from cxr_datasets.export.folder import Folder
    from cxr_datasets.export.manifest import read_manifests

    manifests = card.finished(read_manifests(Folder(exported.out)))
    for manifest in manifests:
        del manifest.header["description"]["columns"]
    assert "## Columns" not in card.write_card(manifests)
    assert "## What is in it" in card.write_card(manifests)
