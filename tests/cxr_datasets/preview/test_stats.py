"""Figures of a dataset: those of a slow count over its rows, wherever it is read from."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image

import indiana_cxr  # noqa: F401  (teaches `datasets` to load it)
import mimic_cxr_jpg  # noqa: F401
from cxr_datasets import preview
from cxr_datasets.cli import main
from cxr_datasets.columns import CORE, LABELS, SECTIONS, VIEWS
from cxr_datasets.errors import CxrError, ExportError, OptionError, TableError
from cxr_datasets.export import export
from cxr_datasets.preview import Stats, stats
from mimic_cxr_jpg.release import MimicRelease
from tests.fakes.physionet import PASSWORD, USER, PhysioNet

SOURCES = ("labels", "labels_negbio", "labels_radiologist")
NAMES = {1: "positive", 0: "negative", -1: "uncertain", None: "not_mentioned"}
Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One cache for all tests of this file."""
    return str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def images(small_release: Path, cache: str) -> datasets.DatasetDict:
    return load("mimic_cxr_jpg", small_release, cache, "images")


@pytest.fixture(scope="module")
def studies(small_release: Path, cache: str) -> datasets.DatasetDict:
    return load("mimic_cxr_jpg", small_release, cache, "studies")


@pytest.fixture(scope="module")
def indiana(indiana_release: Path, cache: str) -> datasets.DatasetDict:
    return load("indiana_cxr", indiana_release, cache, "images")


@pytest.fixture(scope="module")
def of_release(small_release: Path, cache: str) -> Stats:
    return stats(small_release, cache_dir=cache)


@pytest.fixture(scope="module")
def exported(small_release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of all three configs, in files of few rows."""
    out = tmp_path_factory.mktemp("export") / "out"
    for config in ("images", "studies", "reports"):
        export("mimic-cxr-jpg", small_release, out, config=config, rows_per_file=16, progress=False)
    return out


def load(name: str, release: Path, cache: str, config: str, **options: Any) -> Any:
    return datasets.load_dataset(name, config, data_dir=str(release), cache_dir=cache, **options)


def plain(splits: datasets.DatasetDict) -> Rows:
    """All rows as Python has them, without images."""
    return {
        name: split.remove_columns([c for c in ("image", "images") if c in split.column_names])
        .with_format("arrow")[:]
        .to_pylist()
        for name, split in splits.items()
    }


def parts(rows: Rows) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    yield from rows.items()
    yield "all", [row for some in rows.values() for row in some]


def first_of_each_study(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    first: dict[int, dict[str, Any]] = {}
    for row in rows:
        first.setdefault(row["study_id"], row)
    return list(first.values())


def row_of(table: pd.DataFrame, **cells: Any) -> pd.Series:
    for name, cell in cells.items():
        table = table[table[name] == cell]
    (row,) = [row for _, row in table.iterrows()]
    return row


def same(one: Stats, other: Stats, *names: str) -> None:
    for name in names:
        pd.testing.assert_frame_equal(getattr(one, name), getattr(other, name), obj=name)


ALL_TABLES = ("splits", "views", "labels", "agreement", "lengths", "missing", "gaps")


# --- the same as the rows -------------------------------------------------------------------------


def test_splits_and_views_are_those_of_a_slow_count_over_the_rows(
    of_release: Stats, images: datasets.DatasetDict
) -> None:
    for split, rows in parts(plain(images)):
        counted = row_of(of_release.splits, split=split)
        assert counted["images"] == len(rows)
        assert counted["studies"] == len({row["study_id"] for row in rows})
        assert counted["patients"] == len({row["subject_id"] for row in rows})
        views = Counter(VIEWS[row["view"]] for row in rows)
        assert {v: row_of(of_release.views, split=split)[v] for v in VIEWS} == {
            view: views[view] for view in VIEWS
        }


def test_labels_in_four_states_are_those_of_a_slow_count_for_each_source(
    of_release: Stats, studies: datasets.DatasetDict
) -> None:
    assert set(of_release.labels["source"]) == set(SOURCES)
    for split, rows in parts(plain(studies)):
        for source in SOURCES:
            told = [row[source] for row in rows if row[source] is not None]
            for label in LABELS:
                counted = row_of(of_release.labels, split=split, source=source, label=label)
                states = Counter(NAMES[labels[label]] for labels in told)
                assert {name: counted[name] for name in NAMES.values()} == {
                    name: states[name] for name in NAMES.values()
                }
                assert counted["studies"] == len(told)
                assert counted["unlabelled"] == len(rows) - len(told)
                if told:
                    assert counted["prevalence"] == states["positive"] / len(told)
                else:
                    assert np.isnan(counted["prevalence"])


def test_agreement_and_kappa_are_those_of_the_formula_over_studies_that_both_tell(
    of_release: Stats, studies: datasets.DatasetDict
) -> None:
    rows = [row for some in plain(studies).values() for row in some]
    pairs = [(a, b) for n, a in enumerate(SOURCES) for b in SOURCES[n + 1 :]]
    assert len(of_release.agreement) == len(pairs) * len(LABELS)
    for first, second in pairs:
        for label in LABELS:
            counted = row_of(of_release.agreement, first=first, second=second, label=label)
            values = [tuple((row[s] or {}).get(label) for s in (first, second)) for row in rows]
            both = [pair for pair in values if None not in pair]
            assert counted["studies"] == len(both)
            assert counted["only_first"] == sum(a is not None and b is None for a, b in values)
            assert counted["only_second"] == sum(a is None and b is not None for a, b in values)
            for pair, count in Counter(both).items():
                assert counted["_".join(NAMES[value] for value in pair)] == count
            if not both:
                assert np.isnan(counted["agreement"])
                continue
            agreed = sum(a == b for a, b in both) / len(both)
            ones, others = Counter(a for a, _ in both), Counter(b for _, b in both)
            chance = sum(ones[v] * others[v] for v in (1, 0, -1)) / len(both) ** 2
            assert counted["agreement"] == pytest.approx(agreed)
            if chance < 1:
                assert counted["kappa"] == pytest.approx((agreed - chance) / (1 - chance))
            else:
                assert np.isnan(counted["kappa"])


def test_kappa_of_a_known_table_is_the_one_of_the_text_book() -> None:
    # 20 and 15 agreed of 50, 5 and 10 not: agreement 0.7, by chance 0.5, kappa 0.4.
    pairs = [(1, 1)] * 20 + [(1, 0)] * 5 + [(0, 1)] * 10 + [(0, 0)] * 15
    rows = [core_row(n, labels=labels_of(Edema=a)) | {"labels_other": labels_of(Edema=b)}
            for n, (a, b) in enumerate(pairs)]  # fmt: skip
    edema = row_of(stats(datasets.Dataset.from_list(rows)).agreement, label="Edema")
    assert (edema["agreement"], edema["studies"]) == (pytest.approx(0.7), 50)
    assert edema["kappa"] == pytest.approx(0.4)
    assert (edema["positive_negative"], edema["negative_positive"]) == (5, 10)


def test_lengths_are_those_of_the_texts_of_each_study(
    of_release: Stats, studies: datasets.DatasetDict
) -> None:
    rows = [row for some in plain(studies).values() for row in some]
    names = list(of_release.lengths["column"].unique())
    assert names[:5] == ["report", *SECTIONS]
    assert {"history", "last_paragraph"} <= set(names)
    for name in names:
        texts = [row[name] for row in rows if row[name] is not None]
        for unit, measure in (("words", lambda t: len(t.split())), ("characters", len)):
            counted = row_of(of_release.lengths, column=name, unit=unit)
            assert (counted["studies"], counted["texts"]) == (len(rows), len(texts))
            if texts:
                sizes = [measure(text) for text in texts]
                assert counted["mean"] == pytest.approx(np.mean(sizes))
                assert counted["median"] == np.median(sizes)
                assert counted["p95"] == pytest.approx(np.quantile(sizes, 0.95))
                assert (counted["min"], counted["max"]) == (min(sizes), max(sizes))


def test_missing_values_are_those_of_the_rows_by_image_or_by_study(
    of_release: Stats, images: datasets.DatasetDict
) -> None:
    of_a_study = {"report", *SECTIONS, *SOURCES, "study_id", "study_date", "history"}
    of_an_image = {"image_id", "view", "path", "view_position", "procedure", "orientation"}
    assert (of_a_study | of_an_image) <= set(of_release.missing["column"])
    for split, rows in parts(plain(images)):
        for names, some, of in (
            (of_an_image, rows, "images"),
            (of_a_study, first_of_each_study(rows), "studies"),
        ):
            for name in names:
                counted = row_of(of_release.missing, split=split, column=name)
                assert (counted["of"], counted["looked_at"]) == (of, len(some))
                assert counted["missing"] == sum(row[name] is None for row in some)


def test_gaps_are_the_days_between_studies_in_the_order_of_date_time_and_id(
    of_release: Stats, images: datasets.DatasetDict
) -> None:
    for split, rows in parts(plain(images)):
        times: dict[tuple[int, int], tuple[str, str]] = {}
        for row in rows:
            key = (row["subject_id"], row["study_id"])
            time = (row["study_date"], row["study_time"])
            times[key] = min(times.get(key, time), time)
        order = sorted((patient, *time, study) for (patient, study), time in times.items())
        pairs = [(a, b) for a, b in pairwise(order) if a[0] == b[0]]
        days = [(date.fromisoformat(b[1]) - date.fromisoformat(a[1])).days for a, b in pairs]
        counted = row_of(of_release.gaps, split=split)
        assert (counted["gaps"], counted["patients"]) == (len(days), len({a[0] for a, _ in pairs}))
        if days:
            assert (counted["mean"], counted["max"]) == (pytest.approx(np.mean(days)), max(days))
            assert counted["median"] == np.median(days)


def test_studies_of_the_same_date_and_time_are_counted_and_undated_ones_left_out() -> None:
    when = [("2180-05-06", "08:00:00.000"), ("2180-05-06", "08:00:00.000"),
            ("2180-05-05", "23:59:59.999"), ("2180-07-01", None), (None, None)]  # fmt: skip
    rows = [core_row(n, subject_id=7) | {"study_date": day, "study_time": time}
            for n, (day, time) in enumerate(when)]  # fmt: skip
    gaps = row_of(stats(datasets.Dataset.from_list(rows)).gaps, split="all")
    assert (gaps["patients"], gaps["gaps"], gaps["same_time"], gaps["undated"]) == (1, 3, 1, 1)
    assert (gaps["min"], gaps["median"], gaps["max"]) == (0, 1, 56)


# --- wherever it is read from ---------------------------------------------------------------------


def test_built_rows_of_each_config_give_the_figures_of_the_release(
    of_release: Stats, images: datasets.DatasetDict, studies: datasets.DatasetDict,
    small_release: Path, cache: str,
) -> None:  # fmt: skip
    same(of_release, stats(images), *ALL_TABLES)
    of_studies = stats(studies)
    same(of_release, of_studies, "splits", "views", "labels", "agreement", "lengths")
    assert sorted(map(tuple, of_studies.missing.to_numpy(object).tolist())) == sorted(
        map(tuple, of_release.missing.to_numpy(object).tolist())
    )
    of_reports = stats(load("mimic_cxr_jpg", small_release, cache, "reports"))
    same(of_release, of_reports, "labels", "agreement", "lengths")
    assert of_reports.splits["images"].isna().all()
    assert not len(of_reports.views)


def test_labels_read_from_the_reports_are_counted_as_one_more_source(
    small_release: Path, cache: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[int] = []
    add_texts = MimicRelease.add_texts

    def counting(self: MimicRelease, rows: pa.Table) -> pa.Table:
        given.append(rows.num_rows)
        return add_texts(self, rows)

    monkeypatch.setattr(MimicRelease, "add_texts", counting)
    asked = stats(small_release, cache_dir=cache, options={"labels_text": True})
    assert sum(given) == asked.splits["images"].iloc[-1]  # once, and the lengths are of all
    assert list(asked.labels["source"].unique()) == [*SOURCES, "labels_text"]
    rows = load("mimic_cxr_jpg", small_release, cache, "reports", labels_text=True)
    same(asked, stats(rows), "labels", "agreement")


def test_streamed_rows_give_the_same_and_fetch_no_image(
    of_release: Stats, small_release: Path, cache: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cxr_datasets.builder.pixels import Pixels

    stream = load("mimic_cxr_jpg", small_release, cache, "images", streaming=True)
    monkeypatch.setattr(Pixels, "add", lambda *_: pytest.fail("an image was asked for"))
    same(of_release, stats(stream), *ALL_TABLES)


@pytest.mark.parametrize("config", ["images", "studies", "reports"])
def test_an_export_gives_the_figures_of_the_release(
    config: str, exported: Path, of_release: Stats, tmp_path: Path
) -> None:
    whole = stats(exported)
    assert whole.config == "images"
    assert (whole.dataset, whole.notes) == ("mimic-cxr-jpg", ())
    same(of_release, whole, *ALL_TABLES)
    one = tmp_path / "one"
    shutil.copytree(exported, one)
    for other in {"images", "studies", "reports"} - {config}:
        (one / ".cxr" / f"{other}.jsonl").unlink()
    of_one = stats(one, pixels=4 if config != "reports" else 0)
    assert of_one.config == config
    same(of_release, of_one, "labels", "agreement", "lengths")


def test_a_pushed_copy_and_an_export_in_a_store_give_the_same(
    exported: Path, of_release: Stats, tmp_path: Path
) -> None:
    import fsspec

    pushed = tmp_path / "pushed"
    shutil.copytree(exported, pushed)
    shutil.rmtree(pushed / ".cxr")
    same(of_release, stats(pushed), *ALL_TABLES)
    store = fsspec.filesystem("memory")
    try:
        store.put(str(exported), "/stats-of-an-export", recursive=True)
        remote = stats("memory://stats-of-an-export", pixels=5)
        same(of_release, remote, *ALL_TABLES)
        same(stats(exported, pixels=5), remote, "pixels")
    finally:
        store.rm("/stats-of-an-export", recursive=True)


def test_an_export_on_a_web_server_gives_the_same_and_only_parts_of_its_files_are_fetched(
    exported: Path, of_release: Stats, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PHYSIONET_HOST", "127.0.0.1")
    monkeypatch.setenv("PHYSIONET_USERNAME", USER)
    monkeypatch.setenv("PHYSIONET_PASSWORD", PASSWORD)
    with PhysioNet(
        {"files/mine/1.0": exported}, agents=("cxr-datasets/",), encrypted=True
    ) as server:
        place = server.address("files/mine/1.0")
        same(of_release, stats(place), *ALL_TABLES)
        files = [one for one in server.requests if one.path.endswith(".parquet")]
        gets = [one for one in files if one.method == "GET"]
        assert gets
        assert all("Range" in one.headers for one in gets)
        # What each names (asked twice), its footer, and its columns beside the images.
        assert len(gets) <= 4 * len({one.path for one in gets})
        same(stats(exported, pixels=5), stats(place, pixels=5), "pixels")


def test_a_remote_release_gives_the_figures_of_the_local_one(
    small_release: Path, of_release: Stats, cache: str
) -> None:
    import fsspec

    store = fsspec.filesystem("memory")
    try:
        store.put(str(small_release), "/stats-of-a-release", recursive=True)
        remote = stats("memory://stats-of-a-release", pixels=5, cache_dir=cache)
        same(of_release, remote, *ALL_TABLES)
        same(stats(small_release, pixels=5, cache_dir=cache), remote, "pixels")
    finally:
        store.rm("/stats-of-a-release", recursive=True)


def test_core_columns_of_both_datasets_together_are_counted(
    images: datasets.DatasetDict, indiana: datasets.DatasetDict
) -> None:
    both = datasets.concatenate_datasets(
        [images["train"].select_columns(list(CORE)), indiana["train"].select_columns(list(CORE))]
    )
    together = stats(both, pixels=3)
    counts = row_of(together.splits, split="all")
    assert counts["images"] == len(images["train"]) + len(indiana["train"])
    rows = first_of_each_study(plain(datasets.DatasetDict(both=both))["both"])
    edema = row_of(together.labels, split="all", label="Edema")
    assert edema["positive"] == sum((row["labels"] or {}).get("Edema") == 1 for row in rows)
    assert set(together.lengths["column"]) == {"report", *SECTIONS}
    assert row_of(together.pixels, view="all")["images"] == 3


def test_a_dataset_without_dates_has_no_gaps_and_says_nothing_of_them(
    indiana_release: Path, indiana: datasets.DatasetDict, cache: str
) -> None:
    options = {"split_by": "hash", "labels_text": False}
    counted = stats(indiana_release, cache_dir=cache, options=options)
    assert list(counted.splits["split"]) == ["train", "validation", "test", "all"]
    assert not len(counted.gaps)
    assert not len(counted.agreement)
    assert "Days between" not in str(counted)
    rows = [row for _, some in plain(indiana).items() for row in some]
    assert row_of(counted.splits, split="all")["patients"] == len({r["subject_id"] for r in rows})
    report = row_of(counted.lengths, column="report", unit="words")
    lengths = [len(row["report"].split()) for row in first_of_each_study(rows)]
    assert report["mean"] == pytest.approx(np.mean(lengths))


def test_only_the_splits_that_are_asked_for_are_counted(
    small_release: Path, exported: Path, images: datasets.DatasetDict, cache: str
) -> None:
    one = stats(small_release, split="test", cache_dir=cache)
    assert list(one.splits["split"]) == ["test", "all"]
    for other in (stats(exported, split=["test"]), stats(images, split="test")):
        same(one, other, *ALL_TABLES)
    for place in (small_release, exported, images):
        with pytest.raises(OptionError, match=r"split='tset' is not known.*'test'"):
            stats(place, split="tset", cache_dir=cache)


def test_a_sample_of_reports_is_said_and_is_spread_over_the_studies(
    small_release: Path, of_release: Stats, cache: str
) -> None:
    few = stats(small_release, reports=5, cache_dir=cache)
    total = row_of(of_release.splits, split="all")["studies"]
    assert few.notes == (f"texts were measured in 5 of {total} studies, spread evenly",)
    assert few.notes[0] in str(few)
    report = row_of(few.missing, column="report", split="all")
    assert (report["of"], report["looked_at"]) == ("studies", 5)
    same(of_release, few, "splits", "views", "labels", "agreement", "gaps")
    same(of_release, stats(small_release, reports=None, cache_dir=cache), *ALL_TABLES)


def test_a_copy_without_images_and_without_reports_is_counted(
    small_release: Path, of_release: Stats, tmp_path: Path, cache: str
) -> None:
    for table in small_release.glob("*.csv*"):
        shutil.copy(table, tmp_path)
    counted = stats(tmp_path, cache_dir=cache)
    same(of_release, counted, "splits", "views", "labels", "agreement", "gaps")
    assert (counted.lengths["texts"] == 0).all()
    unread = row_of(stats(tmp_path, cache_dir=cache, pixels=4).pixels, view="all")
    assert (unread["images"], unread["unread"]) == (0, 4)


# --- pixels ---------------------------------------------------------------------------------------


def test_pixels_are_those_of_the_sampled_images_by_view(
    images: datasets.DatasetDict, small_release: Path, cache: str
) -> None:
    everything = stats(small_release, pixels=10_000, cache_dir=cache).pixels
    arrays: dict[str, list[np.ndarray]] = {}
    for split in images.values():
        for row in split:
            arrays.setdefault(VIEWS[row["view"]], []).append(np.asarray(row["image"], float))
    for view, some in arrays.items():
        counted = row_of(everything, view=view)
        mean = np.mean([one.mean() for one in some])
        std = np.sqrt(np.mean([(one**2).mean() for one in some]) - mean**2)
        assert (counted["images"], counted["unread"]) == (len(some), 0)
        assert counted["mean_255"] == pytest.approx(mean)
        assert counted["std_255"] == pytest.approx(std)
        assert counted["mean"] == pytest.approx(mean / 255)
        assert counted["std"] == pytest.approx(std / 255)


def test_the_same_seed_samples_the_same_images_and_another_one_others(
    images: datasets.DatasetDict, studies: datasets.DatasetDict
) -> None:
    first, again, other = (stats(images, pixels=6, seed=seed).pixels for seed in (0, 0, 1))
    pd.testing.assert_frame_equal(first, again)
    assert row_of(first, view="all")["mean"] != row_of(other, view="all")["mean"]
    for rows in (images, studies):
        assert row_of(stats(rows, pixels=6).pixels, view="all")["images"] == 6


def test_a_stream_gives_as_many_images_as_are_asked_for(small_release: Path, cache: str) -> None:
    for config in ("images", "studies"):
        stream = load("mimic_cxr_jpg", small_release, cache, config, streaming=True)
        one, again = (row_of(stats(stream, pixels=5).pixels, view="all") for _ in range(2))
        assert one["images"] == 5
        assert one["mean"] == again["mean"]


def test_absent_and_damaged_images_are_counted_and_said(
    small_release: Path, tmp_path: Path, cache: str
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(small_release, copy)
    first, second = sorted(copy.rglob("*.jpg"))[:2]
    first.unlink()
    second.write_bytes(second.read_bytes()[:200])
    whole = stats(copy, pixels=10_000, cache_dir=cache)
    total = row_of(whole.splits, split="all")["images"]
    counted = row_of(whole.pixels, view="all")
    assert (counted["images"], counted["unread"]) == (total - 2, 2)


def test_pixels_of_rows_without_images_are_an_error_that_says_which_column(
    images: datasets.DatasetDict, small_release: Path, cache: str
) -> None:
    with pytest.raises(OptionError, match="needs the column image"):
        stats(images["test"].remove_columns("image"), pixels=3)
    with pytest.raises(OptionError, match="config reports has none"):
        stats(load("mimic_cxr_jpg", small_release, cache, "reports"), pixels=3)


# --- odd rows -------------------------------------------------------------------------------------


def labels_of(**stated: int) -> dict[str, int | None]:
    return {**dict.fromkeys(LABELS), **stated}


def core_row(study: int, **cells: Any) -> dict[str, Any]:
    return {"image_id": f"i{study}", "study_id": study, "subject_id": study, "view": 0,
            "report": "One two.", "labels": labels_of(Edema=1), **cells}  # fmt: skip


def test_rows_of_nulls_are_counted_as_missing() -> None:
    features = datasets.Features(
        {
            "image": datasets.Image(), "image_id": datasets.Value("string"),
            "study_id": datasets.Value("int64"), "subject_id": datasets.Value("int64"),
            "view": datasets.ClassLabel(names=list(VIEWS)), "report": datasets.Value("string"),
            "findings": datasets.Value("string"),
            "labels": {name: datasets.Value("int8") for name in LABELS},
            "study_date": datasets.Value("string"), "study_time": datasets.Value("string"),
        }
    )  # fmt: skip
    rows = [{**dict.fromkeys(features), "study_id": n} for n in range(3)]
    counted = stats(datasets.Dataset.from_list(rows, features=features), pixels=2)
    assert row_of(counted.splits, split="all")[["images", "studies", "patients"]].tolist() == [
        3, 3, 0,
    ]  # fmt: skip
    assert (counted.labels["unlabelled"] == 3).all()
    assert counted.labels["prevalence"].isna().all()
    for name in ("view", "report", "findings", "labels", "study_date"):
        assert row_of(counted.missing, column=name, split="all")["missing"] == 3
    assert (row_of(counted.gaps, split="all")["gaps"], counted.lengths["texts"].sum()) == (0, 0)
    assert row_of(counted.pixels, view="all")["unread"] == 2
    json.dumps(counted.as_json(), allow_nan=False)
    assert str(counted)


def test_an_empty_split_is_counted_as_empty(images: datasets.DatasetDict) -> None:
    splits = datasets.DatasetDict(train=images["train"], test=images["test"].select([]))
    counted = stats(splits)
    assert row_of(counted.splits, split="test").tolist() == ["test", 0, 0, 0]
    assert row_of(counted.views, split="test")["frontal"] == 0
    edema = row_of(counted.labels, split="test", source="labels", label="Edema")
    assert (edema["studies"], edema["positive"]) == (0, 0)
    nothing = stats(images["test"].select([]), pixels=3)
    assert row_of(nothing.splits, split="all").tolist() == ["all", 0, 0, 0]
    assert str(nothing)


def test_a_study_and_a_patient_in_two_splits_count_in_each_and_once_in_all() -> None:
    rows = datasets.Dataset.from_list([core_row(1), core_row(2)])
    counted = stats(datasets.DatasetDict(train=rows, test=rows.select([0])))
    assert [row.tolist() for _, row in counted.splits.iterrows()] == [
        ["train", 2, 2, 2], ["test", 1, 1, 1], ["all", 3, 2, 2],
    ]  # fmt: skip


def test_splits_of_different_columns_are_counted_together_and_what_one_lacks_is_missing() -> None:
    labels = {"labels_other": labels_of(Edema=0)}
    one = datasets.Dataset.from_list([core_row(1, **labels, findings="Clear."), core_row(2)])
    other = datasets.Dataset.from_list([core_row(3, findings=None)]).remove_columns("report")
    counted = stats(datasets.DatasetDict(train=one, test=other))
    assert row_of(counted.labels, split="all", source="labels_other", label="Edema")[
        ["studies", "negative", "unlabelled"]
    ].tolist() == [1, 1, 2]
    missing = {name: row_of(counted.missing, split="all", column=name)["missing"]
               for name in ("report", "findings")}  # fmt: skip
    assert missing == {"report": 1, "findings": 2}
    texts = datasets.Dataset.from_list([core_row(4, image_id="4", view="frontal")])
    with pytest.raises(TableError, match=r"view \(int64 and string\)"):
        stats(datasets.DatasetDict(train=one, test=texts))


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ({"labels": labels_of(Edema=7)}, "labels: label Edema has values that are none of 1, 0"),
        ({"labels": labels_of(Edema=2)}, "labels: label Edema has values"),
        ({"study_date": "6 May", "study_time": "noon"}, "study_date and study_time"),
        ({"study_id": None}, "study_id is null in 1 of 2 rows"),
    ],
)
def test_values_that_no_dataset_has_are_an_error_that_names_the_column(
    cells: dict[str, Any], said: str
) -> None:
    dated = {"study_date": "2180-05-06", "study_time": "08:00:00"}
    other = dated if "study_date" in cells else {}
    rows = datasets.Dataset.from_list([core_row(1, **other), core_row(2, **cells)])
    with pytest.raises(TableError, match=said):
        stats(rows)


def test_what_is_no_dataset_is_an_error_that_says_what_may_be_given(
    tmp_path: Path, small_release: Path, cache: str
) -> None:
    with pytest.raises(OptionError, match=r"or a Dataset, IterableDataset.*found list"):
        stats([1, 2])
    with pytest.raises(OptionError, match="no column study_id"):
        stats(datasets.Dataset.from_list([{"image_id": "a"}]))
    with pytest.raises(CxrError, match=r"holds no|empty"):
        stats(tmp_path)
    for name in ("pixels", "reports"):
        with pytest.raises(OptionError, match=f"{name}=-1 is not a number"):
            stats(small_release, **{name: -1})
    with pytest.raises(OptionError, match="image_size says how images are stored"):
        stats(small_release, options={"image_size": 64}, cache_dir=cache)
    with pytest.raises(OptionError, match=r"dataset='indiana-cxr', but .* mimic-cxr-jpg"):
        stats(small_release, dataset="indiana-cxr", cache_dir=cache)


def test_a_damaged_and_an_absent_file_of_an_export_are_named(
    exported: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(exported, out)
    file = sorted((out / "images").glob("train-*"))[-1]
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ExportError, match=rf"{file.name} cannot be read"):
        stats(out)
    file.unlink()
    with pytest.raises(ExportError, match=rf"{file.name} is not there.*--verify"):
        stats(out)


def test_files_of_an_export_that_are_not_finished_are_left_out_and_said(
    exported: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(exported, out)
    manifest = out / ".cxr" / "images.jsonl"
    lines = manifest.read_bytes().splitlines(keepends=True)
    manifest.write_bytes(b"".join(lines[:-1]))
    counted = stats(out)
    count = len(lines) - 1
    assert counted.notes == (f"1 of {count} files of the export are not finished: left out",)


# --- what it prints -------------------------------------------------------------------------------


def test_the_command_prints_tables_that_fit_into_100_columns_and_no_id_or_text(
    small_release: Path, images: datasets.DatasetDict, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["stats", str(small_release), "--pixels", "3", "--no-progress"]) == 0
    printed = capsys.readouterr().out
    lines = [line for line in printed.splitlines() if str(small_release) not in line]
    assert max(map(len, lines)) <= 100
    for title in ("Images, studies", "Views", "Labels", "Agreement", "Lengths", "Missing",
                  "Days between", "Pixels"):  # fmt: skip
        assert f"== {title}" in printed
    words = printed.replace(",", "").split()
    for row in plain(images)["train"]:
        assert not {str(row["study_id"]), str(row["subject_id"]), row["image_id"]} & set(words)
        assert row["study_date"] not in printed
        for section in filter(None, (row["findings"], row["impression"])):
            assert section.splitlines()[0] not in printed


def test_the_command_prints_one_json_object_of_all_tables(
    small_release: Path, of_release: Stats, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["stats", str(small_release), "--json", "--split", "train", "test", "--pixels", "2"]
    assert main([*words, "--seed", "3", "--reports", "all"]) == 0
    out = json.loads(capsys.readouterr().out)
    assert [row["split"] for row in out["splits"]] == ["train", "test", "all"]
    assert (out["dataset"], out["config"]) == ("mimic-cxr-jpg", "images")
    assert out["pixels"][-1]["images"] == 2
    train = row_of(of_release.splits, split="train")
    assert out["splits"][0] == {
        "split": "train",
        **{n: train[n] for n in ("images", "studies", "patients")},
    }
    assert {row["source"] for row in out["labels"]} == set(SOURCES)


def test_the_command_takes_options_of_the_dataset(
    indiana_release: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["stats", str(indiana_release), "--json", "--option", "split-by=hash"]
    assert main([*words, "--option", "views=frontal"]) == 0
    out = json.loads(capsys.readouterr().out)
    assert len(out["splits"]) == 4
    assert [row["lateral"] for row in out["views"]] == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--split", "tset"], 2), (["--option", "views"], 2), (["--reports", "few"], 2),
        (["--option", "require=findings", "--option", "require=labels"], 2),
        (["--option", "vews=frontal"], 2), (["--pixels", "-1"], 2),
        (["--dataset", "no-such-cxr"], 2),
    ],
)  # fmt: skip
def test_the_command_ends_with_2_for_a_word_that_does_not_exist(
    small_release: Path, words: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["stats", str(small_release), *words]) == code
    captured = capsys.readouterr()
    assert not captured.out
    assert captured.err.startswith("cxr: ")


def test_the_command_ends_with_1_where_nothing_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["stats", str(tmp_path / "nowhere"), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["error"] == "ReleaseError"


def test_a_notebook_shows_every_table_escaped(images: datasets.DatasetDict) -> None:
    splits = datasets.DatasetDict({"<script>": images["test"]})
    shown = stats(splits)._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
    assert shown.count("<table") == 7


def test_a_dataset_of_another_package_is_counted_when_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert preview.stats is stats
    monkeypatch.syspath_prepend(Path(__file__).parents[3] / "examples" / "chexpert_small")
    notes = tmp_path / "site" / "chexpert_small-1.0.dist-info"
    notes.mkdir(parents=True)
    (notes / "METADATA").write_text("Metadata-Version: 2.1\nName: chexpert-small\nVersion: 1.0\n")
    (notes / "entry_points.txt").write_text(
        "[cxr_datasets]\nchexpert-small = chexpert_small.chexpert_small:ChexpertSmall\n"
    )
    monkeypatch.syspath_prepend(tmp_path / "site")
    from cxr_datasets.synthetic import synthesize

    release = synthesize("chexpert-small", tmp_path / "release")
    counted = stats(release, dataset="chexpert-small", cache_dir=str(tmp_path / "cache"), pixels=2)
    assert row_of(counted.splits, split="all")["images"] > 0
    assert row_of(counted.pixels, view="all")["images"] == 2


def test_images_of_more_than_8_bits_are_measured_as_they_are_decoded(tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 8), 200, np.uint8)).save(tmp_path / "a.png")
    rows = [core_row(1, image=str(tmp_path / "a.png"))]
    features_of = datasets.Dataset.from_list(rows).cast_column("image", datasets.Image())
    flat = row_of(stats(features_of, pixels=1).pixels, view="all")
    assert (flat["mean_255"], flat["std_255"]) == (200, 0)
