"""Getting a copy from another copy: what is chosen, what is kept, what goes on, what is told."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pytest

import mimic_cxr_jpg  # noqa: F401
from cxr_datasets.cli import main
from cxr_datasets.copies import Downloaded, Estimate, download, recognise, verify
from cxr_datasets.copies.folder import NOTE
from cxr_datasets.errors import CxrError, DownloadError, OptionError, ReleaseError, TableError
from cxr_datasets.storage.source import Source
from cxr_datasets.testing import copy_release, rewrite

TABLES = 5
DATASET = "mimic-cxr-jpg"


def images_in(place: Path) -> list[str]:
    """The images of a copy, by path."""
    found = (place / "files").rglob("*.jpg") if (place / "files").is_dir() else ()
    return sorted(file.relative_to(place).as_posix() for file in found)


def get(source: Path | str, out: Path, **options: Any) -> Downloaded:
    done = download(DATASET, out, source=source, progress=False, **options)
    assert isinstance(done, Downloaded)
    return done


def listed(release: Path) -> list[str]:
    return (release / "IMAGE_FILENAMES").read_text("ascii").split()


def in_order(release: Path) -> list[dict[str, Any]]:
    """Every image in the order of the split table, by the reader of the tables."""
    rows = datasets.load_dataset("mimic_cxr_jpg", data_dir=str(release), streaming=True)
    return [row for split in rows.values() for row in split.remove_columns("image")]


def run_call(call: str) -> Any:
    """Do what the last line says, as a user would after the two imports."""
    return eval(call, {"load_dataset": datasets.load_dataset})


# --- what is fetched ------------------------------------------------------------------------------


def test_a_whole_release_is_fetched_with_its_own_layout(
    small_release: Path, tmp_path: Path
) -> None:
    done = get(small_release, tmp_path / "out")
    assert images_in(tmp_path / "out") == sorted(listed(small_release))
    assert done.images == len(listed(small_release))
    assert done.fetched == done.images + TABLES + 1
    for file in [*images_in(small_release), "SHA256SUMS.txt"]:
        assert (tmp_path / "out" / file).read_bytes() == (small_release / file).read_bytes()
    assert recognise(tmp_path / "out").kind == "release"
    assert not (tmp_path / "out" / NOTE / "parts").exists()


def test_the_last_line_loads_what_was_fetched(
    small_release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], cache: str
) -> None:
    arguments = [DATASET, str(tmp_path / "out"), "--from", str(small_release)]
    assert main(["download", *arguments, "--limit", "4", "--no-progress"]) == 0
    call = capsys.readouterr().out.strip().splitlines()[-1]
    loaded = run_call(f"{call[:-1]}, cache_dir={cache!r})")
    assert sum(map(len, loaded.values())) == 4
    assert call.startswith("load_dataset('mimic_cxr_jpg', data_dir=")
    assert recognise(tmp_path / "out").kind == "part"


@pytest.mark.parametrize(
    "options",
    [{}, {"split": "test"}, {"split": ["test", "validation"]}, {"views": "frontal"},
     {"images": False, "reports": True}],
    ids=str,
)  # fmt: skip
def test_the_call_loads_just_the_images_that_were_chosen(
    options: dict[str, Any], small_release: Path, tmp_path: Path, cache: str
) -> None:
    done = get(small_release, tmp_path / "out", **options)
    loaded = run_call(f"{done.call[:-1]}, cache_dir={cache!r})")
    parts = loaded.values() if isinstance(loaded, dict) else [loaded]
    if options.get("images", True):
        assert sum(map(len, parts)) == done.images == len(images_in(tmp_path / "out"))
    else:
        assert any(text for part in parts for text in part["report"])
        assert images_in(tmp_path / "out") == []


def test_the_limit_takes_the_first_in_the_releases_own_order(
    small_release: Path, tmp_path: Path
) -> None:
    import pandas as pd

    table = pd.read_csv(small_release / "mimic-cxr-2.0.0-split.csv.gz")
    done = get(small_release, tmp_path / "out", limit=3)
    assert done.images == 3
    assert {Path(path).stem for path in images_in(tmp_path / "out")} == set(table["dicom_id"][:3])


@pytest.mark.parametrize(
    "written",
    [
        lambda ids: "\n".join(ids),
        lambda ids: json.dumps(list(ids)),
        lambda ids: json.dumps([{"study_id": 50, "dicom_id": image} for image in ids]),
        lambda ids: "dicom_id,study_id,note\n" + "".join(f"{one},50000000,7\n" for one in ids),
        lambda ids: "\n".join(f"files/p10/p1/s5/{image}.jpg" for image in ids),
        lambda ids: json.dumps({"train": [{"id": image, "report": "Invented."} for image in ids]}),
    ],
    ids=["list", "json", "json of objects", "csv", "paths", "annotation.json"],
)
def test_ids_of_images_are_read_from_a_file(
    written: Callable[[list[str]], str], small_release: Path, tmp_path: Path
) -> None:
    wanted = sorted(Path(path).stem for path in listed(small_release)[3:6])
    (tmp_path / "ids").write_text(written(wanted), encoding="utf-8")
    get(small_release, tmp_path / "out", ids=tmp_path / "ids")
    assert sorted(Path(path).stem for path in images_in(tmp_path / "out")) == wanted


def test_ids_of_studies_and_patients_are_told_by_the_tables(
    small_release: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, *_, last = sorted(listed(small_release))
    patient, study = first.split("/")[2], last.split("/")[3]
    get(small_release, tmp_path / "out", ids=[patient[1:], study, "s59999999"])
    found = images_in(tmp_path / "out")
    assert found == sorted(
        path for path in listed(small_release) if f"/{patient}/" in path or f"/{study}/" in path
    )
    assert "1 of 3 ids are in no table" in caplog.text
    assert "s59999999" in caplog.text


def test_release_2_0_0_has_no_list_of_images_and_needs_none(tmp_path: Path) -> None:
    from mimic_cxr_jpg.synthetic import write_release

    old = write_release(tmp_path / "old", patients=4, release="2.0.0", reports="none")
    assert not (old / "IMAGE_FILENAMES").exists()
    get(old, tmp_path / "out", release="2.0.0")
    assert images_in(tmp_path / "out") == images_in(old)


def test_tables_that_were_unpacked_keep_their_names(small_release: Path, tmp_path: Path) -> None:
    import gzip

    copy = copy_release(small_release, tmp_path / "copy")
    packed = copy / "mimic-cxr-2.0.0-split.csv.gz"
    (copy / "mimic-cxr-2.0.0-split.csv").write_bytes(gzip.decompress(packed.read_bytes()))
    packed.unlink()
    get(copy, tmp_path / "out", limit=2)
    assert (tmp_path / "out" / "mimic-cxr-2.0.0-split.csv").is_file()


# --- again ----------------------------------------------------------------------------------------


def test_a_second_run_fetches_only_what_is_missing_or_differs(
    small_release: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    get(small_release, out)
    first, second, third = images_in(out)[:3]
    (out / first).unlink()
    rewrite(out / second, b"\xff\xd8\xff no image")
    again = get(small_release, out)
    assert (again.fetched, again.faults) == (2, {})
    for path in (first, second, third):
        assert (out / path).read_bytes() == (small_release / path).read_bytes()
    assert get(small_release, out).fetched == 0


def test_whole_files_are_read_once_and_again_only_if_asked(
    small_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cxr_datasets.copies import bring

    out, read = tmp_path / "out", []
    get(small_release, out)
    real = bring.fault_of
    monkeypatch.setattr(bring, "fault_of", lambda *a: read.append(a[1]) or real(*a))
    get(small_release, out)
    assert read == []
    file = out / images_in(out)[0]  # as a disk does that turns a bit and says nothing
    before = file.stat()
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert get(small_release, out).fetched == 0
    assert get(small_release, out, check=True).fetched == 1
    assert len(read) > len(listed(small_release))


def test_a_note_that_was_cut_off_costs_one_reading_and_no_more(
    small_release: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    get(small_release, out, limit=4)
    notes = out / NOTE / "checked"
    rewrite(notes, notes.read_bytes()[:-30])
    assert get(small_release, out, limit=4).fetched == 0
    before = notes.read_bytes()
    assert get(small_release, out, limit=4).fetched == 0
    assert notes.read_bytes() == before
    rewrite(notes, b"\xff\x00 no note")
    assert get(small_release, out, limit=4).fetched == 0


def test_a_part_grows_and_stays_a_part_until_all_is_asked_for(
    small_release: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    get(small_release, out, limit=2)
    get(small_release, out, split="test")
    asked = (out / NOTE / "asked").read_text("ascii").split()
    assert sorted(asked) == images_in(out)
    assert recognise(out).kind == "part"
    get(small_release, out)
    assert recognise(out).kind == "release"
    get(small_release, out, limit=1)
    assert recognise(out).kind == "release"
    assert images_in(out) == sorted(listed(small_release))


# --- faults ---------------------------------------------------------------------------------------


def test_a_file_with_another_sha256_gets_no_name(small_release: Path, tmp_path: Path) -> None:
    copy = copy_release(small_release, tmp_path / "copy")
    bad, absent, *_ = listed(copy)
    rewrite(copy / bad, (copy / bad).read_bytes()[:-3])
    (copy / absent).unlink()
    done = get(copy, tmp_path / "out")
    assert done.problems == 2
    assert "another sha256" in done.faults[bad]
    assert "not there" in done.faults[absent]
    assert bad not in images_in(tmp_path / "out")
    assert absent not in images_in(tmp_path / "out")
    healed = get(small_release, tmp_path / "out")
    assert (healed.problems, healed.fetched) == (0, 2)


def test_without_checksums_a_cut_image_shows_at_its_end(
    small_release: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    copy = copy_release(small_release, tmp_path / "copy")
    (copy / "SHA256SUMS.txt").unlink()
    bad = listed(copy)[0]
    rewrite(copy / bad, (copy / bad).read_bytes()[:-50])
    done = get(copy, tmp_path / "out")
    assert list(done.faults) == [bad]
    assert "SHA256SUMS.txt is not there" in caplog.text


def test_faults_are_told_and_end_with_1(
    small_release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = copy_release(small_release, tmp_path / "copy")
    for path in listed(copy)[:7]:
        (copy / path).unlink()
    command = ["download", DATASET, str(tmp_path / "out"), "--from", str(copy), "--no-progress"]
    assert main(command) == 1
    told = capsys.readouterr().out
    assert "7 files did not come" in told
    assert "and 2 more" in told
    assert main([*command, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["problems"], told["dataset"], len(told["faults"])) == (7, DATASET, 5)


@pytest.mark.parametrize(
    ("options", "error", "word"),
    [
        ({"release": "9.0"}, OptionError, "2.1.0"),
        ({"split": "dev"}, OptionError, "validation"),
        ({"views": "sideways"}, OptionError, "frontal"),
        ({"limit": 0}, OptionError, "positive"),
        ({"connections": -1}, OptionError, "positive"),
        ({"ids": []}, OptionError, "empty"),
        ({"ids": ["1"]}, OptionError, "first '1'"),
        ({"ids": "no such file"}, OptionError, "does not exist"),
        ({"source": "no such folder"}, ReleaseError, "absent"),
        ({"out": "s3://bucket/place"}, OptionError, "cxr export"),
    ],
    ids=str,
)
def test_wrong_options_are_told_before_anything_is_written(
    options: dict[str, Any], error: type[CxrError], word: str, small_release: Path, tmp_path: Path
) -> None:
    out = options.pop("out", str(tmp_path / "out"))
    with pytest.raises(error, match=word):
        download(DATASET, out, progress=False, **{"source": small_release, **options})
    assert images_in(tmp_path / "out") == []


def test_a_place_without_the_tables_is_refused(tmp_path: Path, indiana_release: Path) -> None:
    with pytest.raises(ReleaseError, match=r"mimic-cxr-2\.0\.0-split\.csv\.gz"):
        get(indiana_release, tmp_path / "out")


def test_a_broken_table_is_told(small_release: Path, tmp_path: Path) -> None:
    copy = copy_release(small_release, tmp_path / "copy")
    rewrite(copy / "mimic-cxr-2.0.0-split.csv.gz", b"dicom_id,nothing\n")
    with pytest.raises(TableError):
        get(copy, tmp_path / "out")


def test_two_downloads_into_one_folder_exclude_each_other(
    small_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cxr_datasets.copies.run import Run

    real = Run.fetch

    def meanwhile(self: Run) -> Downloaded:
        monkeypatch.setattr(Run, "fetch", real)
        with pytest.raises(DownloadError, match="Another download"):
            get(small_release, tmp_path / "out")
        return real(self)

    monkeypatch.setattr(Run, "fetch", meanwhile)
    assert get(small_release, tmp_path / "out").problems == 0


# --- privacy --------------------------------------------------------------------------------------


def test_what_is_fetched_under_an_agreement_is_closed_to_others(
    small_release: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir(mode=0o755)
    get(small_release, out, limit=2)
    for place in out.rglob("*"):
        assert not place.stat().st_mode & stat.S_IRWXO, place


# --- before it starts -----------------------------------------------------------------------------


def test_a_dry_run_tells_count_bytes_and_time_and_writes_nothing(
    small_release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["download", DATASET, str(tmp_path / "out"), "--from", str(small_release),
                 "--dry-run", "--no-progress"]  # fmt: skip
    assert main([*arguments, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    images = listed(small_release)
    true = sum((small_release / path).stat().st_size for path in images)
    assert told["images"] == len(images)
    assert told["files"] == len(images) + TABLES + 1
    assert told["bytes"] == pytest.approx(true, rel=0.5)
    assert told["bytes_a_second"] > 0
    assert told["sampled"] == 8
    assert not (tmp_path / "out").exists()
    assert main(arguments) == 0
    assert "Nothing was written" in capsys.readouterr().out


def test_a_dry_run_counts_only_what_is_lacking(small_release: Path, tmp_path: Path) -> None:
    get(small_release, tmp_path / "out", limit=5)
    told = download(DATASET, tmp_path / "out", source=small_release, dry_run=True, progress=False)
    assert isinstance(told, Estimate)
    assert told.files == told.images - 5


def test_a_disk_without_room_is_told_before_images_are_fetched(
    small_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage._replace(free=1_000))
    with pytest.raises(DownloadError, match=r"need about .* free"):
        get(small_release, tmp_path / "out")
    assert images_in(tmp_path / "out") == []


def test_a_source_that_fails_for_good_keeps_what_came(
    small_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = iter(range(1_000))
    real = Source.each

    def each(self: Source, *given: Any) -> Any:
        for read in real(self, *given):
            if next(calls) == 5:
                raise KeyboardInterrupt
            yield read

    monkeypatch.setattr(Source, "each", each)
    with pytest.raises(KeyboardInterrupt, match="The same command goes on"):
        get(small_release, tmp_path / "out")
    monkeypatch.undo()
    came = images_in(tmp_path / "out")
    assert 0 < len(came) <= 5
    assert get(small_release, tmp_path / "out").present >= len(came)


# --- what others see of it ------------------------------------------------------------------------


def test_a_part_that_lost_an_image_is_no_whole_part(small_release: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    get(small_release, out, limit=3, reports=True)
    assert verify(out, progress=False).problems == 0
    (out / images_in(out)[0]).unlink()
    assert verify(out, progress=False).problems == 1


def test_a_log_tells_who_fetched_what_and_names_no_id(small_release: Path, tmp_path: Path) -> None:
    log, image = tmp_path / "log", Path(listed(small_release)[0]).stem
    get(small_release, tmp_path / "out", ids=[image], log=log)
    line = json.loads(log.read_text())
    assert (line["verb"], line["outcome"]) == ("download", "done")
    assert line["counts"]["images"] == 1
    assert len(line["manifests"]["SHA256SUMS.txt"]) == 64
    assert image not in log.read_text()
