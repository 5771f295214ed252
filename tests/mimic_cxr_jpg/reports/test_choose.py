"""Of several places with reports the one with most of them is taken; what is lacking is said."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import pytest

from cxr_datasets.errors import ReportsError
from cxr_datasets.storage.local import LocalFolder
from cxr_datasets.storage.source import open_place
from cxr_datasets.testing import copy_release, files_under, rewrite
from mimic_cxr_jpg import tables
from mimic_cxr_jpg.reports.store import SAMPLE
from mimic_cxr_jpg.sample import Sample
from tests.mimic_cxr_jpg.reports.conftest import load
from tests.mimic_cxr_jpg.reports.forms import (
    FORMS,
    ZIP,
    Texts,
    texts_of,
    write_as,
    write_tree,
    write_zip,
)

Reports = dict[int, str | None]


def reports(data_dir: Path, cache: str, **options: Any) -> Reports:
    rows = load(data_dir, cache, "reports", **options)
    return {row["study_id"]: row["report"] for row in rows}


def study(name: str) -> int:
    return int(Path(name).stem[1:])


def lines(caplog: pytest.LogCaptureFixture, about: str) -> list[str]:
    return [record.getMessage() for record in caplog.records if about in record.getMessage()]


@pytest.fixture
def whole(rows: list[dict[str, Any]]) -> Reports:
    """What every study has with all reports."""
    return {row["study_id"]: row["report"] for row in rows}


# --- which place ----------------------------------------------------------------------------------


@pytest.mark.parametrize("place", [".", "..", "../../mimic-cxr/2.1.0"])
@pytest.mark.parametrize("form", ["zip", "tar.gz"])
def test_one_text_unpacked_beside_the_images_hides_no_archive(
    form: str, place: str, jpg: Path, cache: str, texts: Texts, whole: Reports,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    write_as(form, Path(os.path.normpath(jpg / place)), texts)
    write_tree(jpg, {sorted(texts)[0]: b"unpacked"})
    assert reports(jpg, cache) == whole
    assert not lines(caplog, "Reports are taken from")


@pytest.mark.parametrize("form", ["zip", "tar.gz"])
def test_an_archive_of_one_text_hides_no_tree(
    form: str, jpg: Path, cache: str, texts: Texts, whole: Reports
) -> None:
    write_as(form, jpg, {sorted(texts)[0]: b"in the archive"})
    write_tree(jpg, texts)
    assert reports(jpg, cache) == whole


@pytest.mark.parametrize("near", FORMS)
@pytest.mark.parametrize("far", FORMS)
def test_a_place_further_away_is_taken_if_it_has_more(
    near: str, far: str, jpg: Path, cache: str, texts: Texts, whole: Reports
) -> None:
    write_as(near, jpg, dict.fromkeys(sorted(texts)[:3], b"near"))
    write_as(far, jpg.parent.parent / "mimic-cxr", texts)
    assert reports(jpg, cache) == whole


@pytest.mark.parametrize("streaming", [False, True])
def test_if_another_place_has_texts_that_the_chosen_one_lacks_one_line_says_so(
    streaming: bool, jpg: Path, cache: str, texts: Texts, caplog: pytest.LogCaptureFixture
) -> None:
    names = sorted(texts)
    write_zip(jpg.parent / ZIP, {name: texts[name] for name in names[2:]})
    write_tree(jpg, dict.fromkeys(names[:4], b"only here"))
    found = reports(jpg, cache) if not streaming else streamed(jpg, cache)
    assert [found[study(name)] for name in names[:2]] == [None, None]
    assert [found[study(name)] for name in names[2:]] == [texts[n].decode() for n in names[2:]]
    (record,) = [r for r in caplog.records if "Reports are taken from" in r.getMessage()]
    assert record.levelno == logging.WARNING
    looked_for = len(found)
    assert looked_for <= SAMPLE
    assert record.getMessage().startswith(
        f"Reports are taken from {jpg.parent / ZIP}, which has those of {len(names) - 2} of "
        f"{looked_for} studies looked for. Others are in {jpg / 'files'}: 2 of these studies"
    )


def streamed(jpg: Path, cache: str) -> Reports:
    from datasets import load_dataset

    splits = load_dataset(
        "mimic_cxr_jpg", "reports", data_dir=str(jpg), cache_dir=cache, streaming=True
    )
    return {row["study_id"]: row["report"] for split in splits.values() for row in split}


def test_in_a_folder_that_is_given_the_place_with_most_is_taken_too(
    jpg: Path, tmp_path: Path, cache: str, texts: Texts, whole: Reports
) -> None:
    write_zip(tmp_path / "else" / ZIP, {sorted(texts)[0]: b"in the archive"})
    write_tree(tmp_path / "else/mimic-cxr-reports", texts)
    assert reports(jpg, cache, reports=str(tmp_path / "else")) == whole


def test_a_damaged_archive_is_an_error_though_a_part_of_the_texts_is_unpacked(
    jpg: Path, cache: str, texts: Texts
) -> None:
    write_zip(jpg / ZIP, texts)
    rewrite(jpg / ZIP, (jpg / ZIP).read_bytes()[:-100])
    write_tree(jpg, dict(list(texts.items())[:5]))
    with pytest.raises(ReportsError, match=ZIP):
        reports(jpg, cache)


# --- trees ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def large(mimic_release: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Texts]:
    """A release of more studies than a sample has, without its reports; and these."""
    root = copy_release(mimic_release, tmp_path_factory.mktemp("large") / "copies" / "2.1.0")
    texts = texts_of(root)
    (root / ZIP).unlink()
    assert len(texts) > 2 * SAMPLE
    return root, texts


@pytest.fixture
def many(large: tuple[Path, Texts], tmp_path: Path) -> tuple[Path, Texts]:
    return copy_release(large[0], tmp_path / "copies" / "2.1.0"), large[1]


def sampled(root: Path, cache: str) -> set[int]:
    source = open_place(root)
    return set(Sample(source, tables.find_tables(source), cache)().study_ids.to_pylist())


def test_the_sample_is_spread_over_the_whole_split_table(
    large: tuple[Path, Texts], cache: str
) -> None:
    root, _ = large
    sample = sampled(root, cache)
    assert len(sample) == SAMPLE
    in_order = tables.read_split(open_place(root), "mimic-cxr-2.0.0-split.csv.gz")["study_id"]
    places = [in_order.index(study).as_py() / len(in_order) for study in sample]
    assert all(any(part <= 8 * place < part + 1 for place in places) for part in range(8))


def test_a_tree_is_not_judged_by_its_first_patients(many: tuple[Path, Texts], cache: str) -> None:
    root, texts = many
    in_order = sorted(texts, key=lambda name: name.split("/")[2])
    later = {name: texts[name] for name in in_order[len(texts) // 2 :]}
    write_tree(root, later)
    found = reports(root, cache)
    assert {study for study, report in found.items() if report} == set(map(study, later))


def test_texts_of_so_few_patients_that_none_of_the_sample_is_there_are_found(
    many: tuple[Path, Texts], cache: str, caplog: pytest.LogCaptureFixture
) -> None:
    root, texts = many
    sample = sampled(root, cache)
    name = next(name for name in sorted(texts) if study(name) not in sample)
    for patient in (root / "files").glob("p1?/p*"):  # a copy of one patient
        if patient.name != name.split("/")[2]:
            patient.rename(root / patient.name)
    write_tree(root, {name: texts[name]})
    found = reports(root, cache)
    assert found[study(name)] == texts[name].decode()
    (line,) = lines(caplog, "have no report")
    assert line.startswith(f"{len(found) - 1} of {len(found)} studies have no report in {root}")


def test_with_an_archive_no_folder_of_patients_is_listed(
    jpg: Path, cache: str, texts: Texts, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_zip(jpg / ZIP, texts)
    listed: list[str] = []
    names = LocalFolder.names
    monkeypatch.setattr(
        LocalFolder,
        "names",
        lambda source, path="": listed.append(source.address(path)) or names(source, path),
    )
    reports(jpg, cache)
    assert f"{jpg}/files" in listed
    assert not [folder for folder in listed if f"{jpg}/files/" in folder]


# --- the sample is kept ---------------------------------------------------------------------------


def kept(cache: str) -> list[Path]:
    return sorted(Path(cache, "mimic_cxr_jpg", "cxr_index").glob("sample-*.arrow"))


def test_a_second_load_reads_no_table_to_compare_the_places(
    jpg: Path, cache: str, texts: Texts, whole: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_zip(jpg / ZIP, texts)
    assert reports(jpg, cache) == whole
    assert len(kept(cache)) == 1

    def fail(*_: Any) -> None:
        raise AssertionError("a table was read")

    monkeypatch.setattr(tables, "read_split", fail)
    assert reports(jpg, cache) == whole


@pytest.mark.parametrize("content", [b"", b"ARROW1\0\0", b"x" * 500])
def test_a_broken_sample_in_the_cache_is_made_anew(
    content: bytes, jpg: Path, cache: str, texts: Texts, whole: Reports
) -> None:
    write_zip(jpg / ZIP, texts)
    reports(jpg, cache)
    (file,) = kept(cache)
    good = file.read_bytes()
    file.write_bytes(content)
    assert reports(jpg, cache, views="frontal")
    assert reports(jpg, cache) == whole
    assert file.read_bytes() == good


def test_a_load_that_ends_in_an_error_leaves_no_sample(jpg: Path, cache: str) -> None:
    with pytest.raises(ReportsError):
        reports(jpg, cache)
    assert files_under(cache) == []


# --- how many have none ---------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("config", ["images", "studies", "reports"])
def test_one_line_says_how_many_studies_of_how_many_have_no_report_and_where(
    config: str, form: str, jpg: Path, cache: str, texts: Texts, whole: Reports,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    absent, empty, *others = sorted(texts)
    write_as(form, jpg, {empty: b"", **{name: texts[name] for name in others}})
    rows = load(jpg, cache, config)
    lacking = {row["study_id"] for row in rows if row["report"] is None}
    assert {study(absent), study(empty)} <= lacking
    (line,) = lines(caplog, "have no report")
    assert line.startswith(f"{len(lacking)} of {len(whole)} studies have no report in {jpg}")


@pytest.mark.parametrize("form", FORMS)
def test_no_line_is_said_if_every_study_has_a_report(
    form: str, jpg: Path, cache: str, texts: Texts, whole: Reports,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    patients = {row["study_id"]: row["subject_id"] for row in load(jpg, f"{cache}-1")}
    caplog.clear()
    for number in set(whole) - set(map(study, texts)):
        patient = f"p{patients[number]}"
        texts = {**texts, f"files/{patient[:3]}/{patient}/s{number}.txt": b"More."}
    write_as(form, jpg, texts)
    assert None not in reports(jpg, cache).values()
    assert not lines(caplog, "report")


# --- a text that changes --------------------------------------------------------------------------


@pytest.mark.parametrize("streaming", [False, True])
def test_a_text_of_a_tree_changed_in_place_is_what_a_new_build_and_every_stream_read(
    streaming: bool, jpg: Path, cache: str, texts: Texts
) -> None:
    write_tree(jpg, texts)
    name = sorted(texts)[0]
    assert reports(jpg, cache)[study(name)] == texts[name].decode()
    assert streamed(jpg, cache)[study(name)] == texts[name].decode()
    with (jpg / name).open("r+b") as file:
        file.write(b"!")
    changed = "!" + texts[name].decode()[1:]
    if streaming:
        assert streamed(jpg, cache)[study(name)] == changed
    else:
        again = reports(jpg, cache, download_mode="force_redownload")
        assert again[study(name)] == changed


@pytest.mark.parametrize("form", FORMS)
def test_a_text_replaced_by_another_file_is_noticed_by_what_is_built_and_by_streams(
    form: str, jpg: Path, cache: str, texts: Texts
) -> None:
    write_as(form, jpg, texts)
    name = sorted(texts)[0]
    for read in (reports, streamed):
        assert read(jpg, cache)[study(name)] == texts[name].decode()
    write_as(form, jpg, {name: b"Another."} if form == "tree" else {**texts, name: b"Another."})
    for read in (reports, streamed):
        assert read(jpg, cache)[study(name)] == "Another."
