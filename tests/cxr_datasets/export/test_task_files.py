"""Task files: each is read back by a reader written from the form's description alone."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

import indiana_cxr.synthetic
import mimic_cxr_jpg.synthetic
from cxr_datasets.cli import main
from cxr_datasets.errors import CxrError, ExportError, OptionError
from cxr_datasets.export import export, verify
from cxr_datasets.export.forms import llava
from cxr_datasets.export.forms.texts import Texts
from cxr_datasets.labels import clean_text, target_text
from cxr_datasets.testing import files_under
from tests.cxr_datasets.export.conftest import contents, finished, states
from tests.cxr_datasets.export.task_readers import (
    VAL,
    Rows,
    newest_earlier_text,
    read_llava,
    read_r2gen,
    read_rexrank,
    rows_of,
    strict,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tasks")


@pytest.fixture(scope="module")
def mimic(folder: Path) -> Path:
    return mimic_cxr_jpg.synthetic.write_release(folder / "mimic", patients=9, seed=3)


@pytest.fixture(scope="module")
def indiana(folder: Path) -> Path:
    return indiana_cxr.synthetic.write_release(folder / "indiana", studies=12)


@pytest.fixture(scope="module")
def cache(folder: Path) -> str:  # type: ignore[override]
    return str(folder / "cache")


@pytest.fixture(scope="module")
def written(mimic: Path, cache: str, folder: Path) -> Callable[..., Path]:
    """Exports the release of MIMIC-CXR-JPG into a folder of its own, by the command."""

    def write(name: str, *words: str, again: bool = False) -> Path:
        out = folder / name
        if again or not out.exists():
            done = main(["export", "mimic-cxr-jpg", "--data-dir", str(mimic), "--out", str(out),
                         "--cache-dir", cache, "--no-progress", *words])  # fmt: skip
            assert done == 0
        return out

    return write


@pytest.fixture(scope="module")
def images(mimic: Path, cache: str) -> Rows:
    return rows_of("mimic_cxr_jpg", "images", mimic, cache)


@pytest.fixture(scope="module")
def studies(mimic: Path, cache: str) -> Rows:
    return rows_of("mimic_cxr_jpg", "studies", mimic, cache)


# --- R2Gen ----------------------------------------------------------------------------------------


def test_r2gens_file_has_an_entry_for_each_image_with_findings_and_paths_below_files(
    written: Callable[..., Path], mimic: Path, images: Rows
) -> None:
    out = written("r2gen", "--as", "r2gen")
    whole = strict((out / "images" / "annotation.json").read_text())
    assert list(whole) == ["train", "val", "test"]
    for split, rows in images.items():
        found = read_r2gen(
            out / "images" / "annotation.json", mimic / "files", VAL.get(split, split)
        )
        expected = [row for row in rows if row["findings"]]
        assert expected
        assert [
            (one["id"], one["study_id"], one["subject_id"], one["report"]) for one in found
        ] == [
            (row["image_id"], row["study_id"], row["subject_id"], row["findings"])
            for row in expected
        ]
        for one, row in zip(found, expected, strict=True):
            (path,) = one["image_path"]
            assert f"files/{path}" == row["path"]
            assert len(one["opened"]) == 1
    assert sum(map(len, whole.values())) < sum(map(len, images.values()))  # some have no findings


@pytest.mark.parametrize("missing", ["validation", "test"])
def test_r2gens_file_has_an_empty_list_of_a_split_without_rows(
    missing: str, mimic: Path, cache: str, studies: Rows, tmp_path: Path
) -> None:
    others = {split: rows for split, rows in studies.items() if split != missing}
    ids = [row["study_id"] for rows in others.values() for row in rows]
    out = tmp_path / "out"
    make = lambda **more: export("mimic-cxr-jpg", mimic, out, form="r2gen", ids=ids,  # noqa: E731
                                 progress=False, cache_dir=cache, **more)  # fmt: skip
    make(split="train")
    # A split that has rows and is not finished has no list: it would be taken for an empty one.
    assert list(strict((out / "images" / "annotation.json").read_text())) == [
        split for split in ("train", "val", "test") if split in ("train", VAL.get(missing, missing))
    ]
    make()
    found = strict((out / "images" / "annotation.json").read_text())
    assert list(found) == ["train", "val", "test"]
    assert found[VAL.get(missing, missing)] == []
    verify(out, progress=False)


def test_images_that_are_made_smaller_are_written_and_named_by_study_as_in_r2gens_other_file(
    indiana: Path, cache: str, folder: Path
) -> None:
    out = folder / "pairs"
    export("indiana-cxr", indiana, out, config="studies", form="r2gen", image_size=48,
           split_by="hash", progress=False, cache_dir=cache)  # fmt: skip
    rows = rows_of("indiana_cxr", "studies", indiana, cache, split_by="hash")
    for split, some in rows.items():
        found = read_r2gen(
            out / "studies" / "annotation.json", out / "studies/files", VAL.get(split, split)
        )
        expected = [row for row in some if row["findings"]]
        assert [one["study_id"] for one in found] == [row["study_id"] for row in expected]
        for one, row in zip(found, expected, strict=True):
            assert one["id"].startswith(f"CXR{row['study_id']}_IM-")
            assert one["image_path"] == [f"{one['id']}/{n}.jpg" for n in range(len(row["paths"]))]
            assert {min(size) for size in one["opened"]} == {48}


# --- LLaVA ----------------------------------------------------------------------------------------


def test_conversations_ask_for_the_section_that_answers_and_their_images_open(
    written: Callable[..., Path], images: Rows
) -> None:
    out = written("llava", "--as", "llava", "--write-images", "--rows-per-file", "20")
    for split, rows in images.items():
        found = read_llava(
            out / "images" / f"llava_{VAL.get(split, split)}.jsonl", out / "images" / "files"
        )
        expected = [row for row in rows if target_text(row)]
        assert [one["id"] for one in found] == [row["image_id"] for row in expected]
        assert [one["text"] for one in found] == [target_text(row) for row in expected]
        for one, row in zip(found, expected, strict=True):
            section = "findings" if row["findings"] else "impression"
            assert one["asked"] == f"Write the {section} of this chest radiograph."
            assert one["paths"] == [row["path"].removeprefix("files/")]


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("{indication} {comparison} Views: {view}.", "Views: PA."),
        ("Of {indication} {comparison} now.", "Of now."),
        ("Of {indication}, {view}  {comparison} now.", "Of , PA  now."),
        ("{view}{comparison} {{now}}", "PA {now}"),
        ("{prior} {view} {prior}", "two  spaces\n stay PA two  spaces\n stay"),
    ],
)
def test_an_empty_section_leaves_no_second_space_and_texts_stay_as_they_are(
    template: str, told: str
) -> None:
    said = {"indication": "", "comparison": "", "view": "PA", "prior": "two  spaces\n stay"}
    assert llava._filled(template, said) == told


def test_a_template_and_recipes_make_conversations_without_images_in_config_reports(
    written: Callable[..., Path], studies: Rows
) -> None:
    template = "{indication} Views: {view}. Give the {target}, {{short}}."
    out = written(
        "told", "--as", "llava", "--config", "reports", "--template", template, "--target",
        "impression", "--clean", "white_space", "marks",
    )  # fmt: skip
    found = read_llava(out / "reports" / "llava_train.jsonl", out)
    expected = {
        str(row["study_id"]): row for row in studies["train"]
        if clean_text(row["impression"], ["white_space", "marks"])
    }  # fmt: skip
    assert [one["id"] for one in found] == list(expected)
    for one in found:
        row = expected[one["id"]]
        assert one["text"] == clean_text(row["impression"], ["white_space", "marks"])
        assert one["asked"].endswith("Give the impression, {short}.")
        assert one["asked"].startswith((row["indication"] or "Views:").split("\n")[0])
        assert one["paths"] == []


def test_earlier_studies_are_in_the_question_and_among_the_images(
    written: Callable[..., Path], mimic: Path, cache: str
) -> None:
    rows = rows_of("mimic_cxr_jpg", "images", mimic, cache, priors=3)["train"]
    rows = [row for row in rows if row["findings"]]
    words = ("--priors", "3", "--target", "findings", "--split", "train")
    out = written("priors", "--as", "llava", "--write-images", *words)
    found = read_llava(out / "images" / "llava_train.jsonl", out / "images" / "files")
    assert [one["id"] for one in found] == [row["image_id"] for row in rows]
    both = older = 0
    for one, row in zip(found, rows, strict=True):
        newest = newest_earlier_text(row)
        older += newest is not None and row["prior_findings"][0] is None
        told = f" The report of the earlier study: {newest}" if newest else ""
        assert one["asked"] == f"Write the findings of this chest radiograph.{told}"
        assert one["paths"][1:] == [
            f"priors/{study}.jpg" for study, view
            in zip(row["prior_study_ids"], row["prior_views"], strict=True) if view is not None
        ]  # fmt: skip
        both += bool(newest) and len(one["paths"]) > 1
    assert both
    assert older
    copied = written("prior-texts", "--as", "r2gen", *words)
    entries = strict((copied / "images" / "annotation.json").read_text())["train"]
    assert [one["prior_findings"] for one in entries] == [row["prior_findings"] for row in rows]
    assert [one["prior_study_ids"] for one in entries] == [row["prior_study_ids"] for row in rows]
    assert "prior_image_path" not in entries[0]


def test_the_earlier_text_is_that_of_the_newest_study_that_has_one() -> None:
    row = {
        "prior_findings": [None, " ", None, "Old."],
        "prior_impressions": ["", None, "Both.", "X"],
    }
    for target, told in (
        (["findings"], "Old."), (["impression"], "Both."), (["findings", "impression"], "Both."),
        (["report"], ""), (["history", "findings"], "Old."),
    ):  # fmt: skip
        made = llava.Llava(Texts(tuple(target)), written=False)
        assert made._prior(row) == told
        assert made._prior({"prior_findings": [], "prior_impressions": []}) == ""
        assert made._prior({}) == ""


# --- ReXrank --------------------------------------------------------------------------------------


def test_rexranks_file_has_every_study_with_findings_and_null_for_what_is_missing(
    written: Callable[..., Path], mimic: Path, studies: Rows
) -> None:
    out = written("rexrank", "--as", "rexrank", "--config", "studies", "--split", "train", "test")
    assert not (out / "studies" / "rexrank_val.json").exists()
    without = 0
    for split in ("train", "test"):
        cases = read_rexrank(out / "studies" / f"rexrank_{split}.json", mimic)
        expected = {str(row["study_id"]): row for row in studies[split] if row["findings"]}
        assert list(cases) == list(expected)
        for key, row in expected.items():
            case = cases[key]
            assert case["section_findings"] == row["findings"]
            assert case["section_impression"] == row["impression"]
            assert case["report"].startswith(f"Findings: {row['findings']}")
            assert ("Impression:" in case["report"]) == (row["impression"] is not None)
            assert case["image_path"] == row["paths"]
            assert case["frontal_lateral"] == row["view_codes"]
            assert (case["split"], case["subject_id"]) == (split, row["subject_id"])
            assert ("Indication: " in case["context"]) == (row["indication"] is not None)
            without += row["impression"] is None
    assert without


# --- as every export ------------------------------------------------------------------------------


def test_stopped_in_any_part_it_goes_on_and_ends_with_the_same_bytes(
    mimic: Path, cache: str, written: Callable[..., Path], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from cxr_datasets.export.forms import task

    whole = written("llava", "--as", "llava", "--write-images", "--rows-per-file", "20")
    out, left = tmp_path / "out", [random.Random(0).randrange(25, 35)]
    put = task._put

    def stop(*given: Any) -> Any:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return put(*given)

    again = lambda: export(  # noqa: E731
        "mimic-cxr-jpg", mimic, out, form="llava", write_images=True, rows_per_file=20,
        progress=False, cache_dir=cache,
    )  # fmt: skip
    with monkeypatch.context() as patched:
        patched.setattr(task, "_put", stop)
        with pytest.raises(KeyboardInterrupt, match="goes on with the others"):
            again()
    before = finished(out)
    assert 0 < len(before) < len(finished(whole))
    assert not (out / "images" / "llava_train.jsonl").exists()
    kept = states(out, before)
    done = again()
    assert done.written == len(finished(whole)) - len(before)
    assert done.without_entry > 0
    assert f"{done.without_entry} more rows have no text to write, or no image" in str(done)
    assert states(out, before) == kept
    assert contents(out) == contents(whole)


@pytest.mark.thorough
def test_two_processes_write_the_same_bytes(
    written: Callable[..., Path], mimic: Path, cache: str, tmp_path: Path
) -> None:
    export("mimic-cxr-jpg", mimic, tmp_path / "two", form="llava", write_images=True,
           rows_per_file=20, num_proc=2, progress=False, cache_dir=cache)  # fmt: skip
    one = written("llava", "--as", "llava", "--write-images", "--rows-per-file", "20")
    assert contents(tmp_path / "two") == contents(one)


def test_a_store_gets_the_same_files(
    written: Callable[..., Path], mimic: Path, cache: str, tmp_path: Path
) -> None:
    import fsspec

    one = written("llava", "--as", "llava", "--write-images", "--rows-per-file", "20")
    store, place = fsspec.filesystem("memory"), f"/tasks-{tmp_path.name}"
    store.mkdir(place)
    export("mimic-cxr-jpg", mimic, f"memory:/{place}", form="llava", write_images=True,
           rows_per_file=20, progress=False, cache_dir=cache)  # fmt: skip
    assert verify(f"memory:/{place}", progress=False).files == len(finished(one))
    for file in files_under(one / "images"):
        assert store.cat_file(f"{place}/images/{file}") == (one / "images" / file).read_bytes()


@pytest.mark.parametrize("file", ["annotation.json", "train-00000-of-00001.part", "image"])
def test_a_file_that_was_changed_or_removed_is_found_and_made_again(
    file: str, mimic: Path, cache: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    options: dict[str, Any] = {"form": "r2gen", "write_images": True, "split": "train",
                               "progress": False, "cache_dir": cache}  # fmt: skip
    export("mimic-cxr-jpg", mimic, out, **options)
    whole = contents(out)
    assert verify(out, progress=False).files == 1
    broken = (
        next((out / "images/files").rglob("*.jpg")) if file == "image" else out / "images" / file
    )
    content = broken.read_bytes()
    for change in (content[:-2] + b"\x00\x00", None):
        broken.unlink()
        if change:
            broken.write_bytes(change)
        with pytest.raises(ExportError, match=broken.name.replace(".", r"\.")):
            verify(out, progress=False)
        export("mimic-cxr-jpg", mimic, out, verify=True, **options)
        assert contents(out) == whole


def test_other_options_of_the_form_are_another_export(
    written: Callable[..., Path], mimic: Path, cache: str
) -> None:
    out = written("r2gen", "--as", "r2gen")
    before = contents(out)
    for other, told in (
        ({"form": "llava"}, "as: r2gen there, llava now"),
        ({"form": "r2gen", "clean": ["marks"]}, "clean: none there"),
        ({}, "as: r2gen there, none now"),
    ):
        with pytest.raises(ExportError, match=told):
            export("mimic-cxr-jpg", mimic, out, progress=False, cache_dir=cache, **other)  # type: ignore[call-overload]
    assert contents(out) == before


def test_the_card_says_whose_file_it_is_and_keeps_the_terms(written: Callable[..., Path]) -> None:
    card = (written("r2gen", "--as", "r2gen") / "README.md").read_text()
    assert "as R2Gen has it. Paths of images are those in the release. The images are not" in card
    assert "load_dataset" not in card
    assert "## Columns" not in card
    assert "as='r2gen'" in card.replace("`", "")
    assert "credentialed" in card


def test_without_images_to_write_none_is_read(
    mimic: Path, cache: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    release = shutil.copytree(mimic, tmp_path / "mimic")
    for image in release.rglob("*.jpg"):
        image.write_bytes(b"no image")
    out, its_cache = tmp_path / "out", str(tmp_path / "cache")
    words = ["export", "mimic-cxr-jpg", "--data-dir", str(release), "--as", "r2gen",
             "--no-progress", "--cache-dir", its_cache, "--out", str(out)]  # fmt: skip
    assert main([*words, "--dry-run"]) == 0
    assert "about" in capsys.readouterr().out
    assert main(words) == 0
    assert len(strict((out / "images" / "annotation.json").read_text())["train"])


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"form": "r2gem"}, "form='r2gem'.*'r2gen'"),
        ({"form": "rexrank"}, "config='images' cannot be exported as 'rexrank'"),
        ({"form": "r2gen", "config": "reports"}, "config 'images' or 'studies'"),
        ({"target": ["findings"]}, "target is no option of form 'parquet'"),
        ({"form": "r2gen", "template": "{view}"}, "template is no option of form 'r2gen'"),
        ({"form": "llava", "template": "{age}"}, "a field of template='age'"),
        ({"form": "llava", "template": "{"}, "braces that do not fit"),
        ({"form": "llava", "template": "{view:d}"}, "more than the name 'view' in its braces"),
        ({"form": "llava", "template": "{view:>{target}}"}, "more than the name 'view'"),
        ({"form": "llava", "template": "{findings!q}"}, "more than the name 'findings'"),
        ({"form": "llava", "template": "<image> {view}"}, "Leave it out of the template"),
        ({"form": "llava", "template": 5}, "template=5 is no text"),
        ({"form": "llava", "target": 5}, "target=5 is no list of names"),
        ({"form": "llava", "target": {"findings": 1}}, "target=.* is no list of names"),
        ({"form": "webdataset", "clean": 5}, "clean=5 is no list of names"),
        ({"form": "r2gen", "missing": "null"}, "missing='null' needs write_images=True"),
        ({"form": "llava", "missing": "skip", "damaged": "skip"}, "damaged='skip' needs write_im"),
        ({"form": "llava", "target": ["finding"]}, "target='finding'.*'findings'"),
        ({"form": "llava", "clean": ["soap"]}, "recipe='soap'"),
        ({"form": "r2gen", "write_images": "no"}, "write_images='no' is not known.*True, False"),
        ({"form": "r2gen", "write_images": 1}, "write_images=1 is not known"),
        ({"form": "llava", "image_size": 32, "write_images": False}, "image_size makes new images"),
    ],
)  # fmt: skip
def test_what_a_form_cannot_do_is_refused_before_anything_is_written(
    options: Mapping[str, Any], told: str, mimic: Path, cache: str, tmp_path: Path
) -> None:
    with pytest.raises(OptionError, match=told):
        export("mimic-cxr-jpg", mimic, tmp_path / "out", cache_dir=cache, **options)
    assert not (tmp_path / "out").exists()


def test_only_parquet_is_pushed_and_shown(
    written: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    out = written("r2gen", "--as", "r2gen")
    from cxr_datasets.push import push

    with pytest.raises(CxrError, match="only Parquet can be sent"):
        push(out, "someone/some-repo")
    assert main(["preview", str(out), "--out", str(out.parent / "page.html")]) == 1
    assert "no export as Parquet" in capsys.readouterr().err


def test_missing_images_leave_neither_path_nor_view_where_images_are_written(
    mimic: Path, cache: str, tmp_path: Path, studies: Rows
) -> None:
    release = shutil.copytree(mimic, tmp_path / "mimic")
    gone = {str(image.relative_to(release)) for image in sorted(release.rglob("*.jpg"))[::3]}
    for image in gone:
        (release / image).unlink()
    out = tmp_path / "out"
    export("mimic-cxr-jpg", release, out, config="studies", split="train", form="rexrank",
           write_images=True, missing="null", progress=False,
           cache_dir=str(tmp_path / "cache"))  # fmt: skip
    cases = read_rexrank(out / "studies" / "rexrank_train.json", out / "studies" / "files")
    expected = {}
    for row in studies["train"]:
        left = [
            (path.removeprefix("files/"), view)
            for path, view in zip(row["paths"], row["view_codes"], strict=True)
            if path not in gone
        ]
        if left and row["findings"]:
            expected[str(row["study_id"])] = left
    assert {
        key: list(zip(case["image_path"], case["frontal_lateral"], strict=True))
        for key, case in cases.items()
    } == expected
    assert any(len(left) < 2 for left in expected.values())


def test_the_painted_image_is_in_the_file_that_the_entry_names(
    written: Callable[..., Path], mimic: Path
) -> None:
    out = written("llava", "--as", "llava", "--write-images", "--rows-per-file", "20")
    for one in read_llava(out / "images" / "llava_test.jsonl", out / "images" / "files")[:5]:
        (path,) = one["paths"]
        ours = np.asarray(PIL.Image.open(out / "images" / "files" / path))
        assert np.array_equal(ours, np.asarray(PIL.Image.open(mimic / "files" / path)))


def test_paths_of_earlier_images_are_as_many_as_earlier_studies(
    mimic: Path, cache: str, tmp_path: Path
) -> None:
    rows = rows_of("mimic_cxr_jpg", "studies", mimic, cache, priors=3)
    views = {row["study_id"]: row["prior_views"] for some in rows.values() for row in some}
    release = shutil.copytree(mimic, tmp_path / "mimic")
    for image in sorted(release.rglob("*.jpg"))[::3]:
        image.unlink()
    out = tmp_path / "out"
    export("mimic-cxr-jpg", release, out, config="studies", form="r2gen", image_size=16, priors=3,
           missing="null", progress=False, cache_dir=str(tmp_path / "cache"))  # fmt: skip
    entries = [e for some in strict((out / "studies" / "annotation.json").read_text()).values()
               for e in some]  # fmt: skip
    absent = 0
    for entry in entries:
        both = zip(entry["prior_study_ids"], entry["prior_image_path"], strict=True)
        for (study, path), view in zip(both, views[entry["study_id"]], strict=True):
            if path is None:
                absent += view is not None
            else:
                assert path == f"priors/{study}.jpg"
                assert (out / "studies" / "files" / path).is_file()
    assert absent
