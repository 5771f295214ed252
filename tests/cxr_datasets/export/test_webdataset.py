"""Tar shards: the package `webdataset` reads them; they are proven and gone on with as Parquet."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import datasets
import PIL.Image
import pytest

import mimic_cxr_jpg.synthetic
from cxr_datasets.cli import main
from cxr_datasets.columns import VIEWS
from cxr_datasets.errors import ExportError
from cxr_datasets.export import export, verify
from cxr_datasets.export.forms.webdataset import WebDataset
from cxr_datasets.labels import target_text
from tests.cxr_datasets.export.conftest import contents, finished, states

Release = tuple[Path, str]

OPTIONS: dict[str, Any] = {"form": "webdataset", "image_size": 32, "rows_per_file": 20}


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    folder = tmp_path_factory.mktemp("shards")
    return mimic_cxr_jpg.synthetic.write_release(folder / "mimic", patients=9, seed=3), str(
        folder / "cache"
    )


def exported(release: Release, out: Path, **more: Any) -> Path:
    given = {**OPTIONS, "progress": False, "cache_dir": release[1], **more}
    export("mimic-cxr-jpg", release[0], out, **given)
    return out


@pytest.fixture(scope="module")
def shards(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported(release, tmp_path_factory.mktemp("out") / "out")


def samples(out: Path, config: str, split: str) -> list[dict[str, Any]]:
    webdataset = pytest.importorskip("webdataset")
    names = sorted(map(str, (out / config).glob(f"{split}-*.tar")))
    assert names
    return list(webdataset.WebDataset(names, shardshuffle=False).decode("pil"))


def plain(rows: datasets.Dataset) -> list[dict[str, Any]]:
    """Rows without images, with views as names."""
    rows = rows.remove_columns([name for name in ("image", "images") if name in rows.features])
    found = rows.to_list()
    for row in found:
        if "view" in row:
            row["view"] = VIEWS[row["view"]]
        if "views" in row:
            row["views"] = [VIEWS[view] for view in row["views"]]
    return found


def test_webdataset_reads_every_row_with_its_image_its_columns_and_its_text(
    release: Release, shards: Path
) -> None:
    loaded = datasets.load_dataset("mimic_cxr_jpg", data_dir=str(release[0]), cache_dir=release[1])
    assert len(list((shards / "images").glob("train-*.tar"))) > 1
    for split, rows in loaded.items():
        found = samples(shards, "images", split)
        assert [sample["json"] for sample in found] == plain(rows)
        for sample, row in zip(found, plain(rows), strict=True):
            assert sample["__key__"].rpartition("/")[2] == row["image_id"]
            assert min(sample["jpg"].size) == 32
            assert sample.get("txt") == target_text(row)
    assert any(target_text(row) is None for rows in loaded.values() for row in plain(rows))


def test_a_study_is_one_sample_with_its_images_in_order(release: Release, tmp_path: Path) -> None:
    out = exported(release, tmp_path / "out", config="studies", target=["impression"],
                   clean=["white_space"])  # fmt: skip
    loaded = datasets.load_dataset(
        "mimic_cxr_jpg", "studies", data_dir=str(release[0]), cache_dir=release[1],
        image_size=32,
    )  # fmt: skip
    found = samples(out, "studies", "train")
    assert [sample["json"] for sample in found] == plain(loaded["train"])
    for sample, row in zip(found, loaded["train"], strict=True):
        assert [sample[f"{at}.jpg"].tobytes() for at in range(len(row["images"]))] == [
            image.convert("RGB").tobytes() for image in row["images"]
        ]
        assert ("txt" in sample) == (row["impression"] is not None)


def test_reports_are_samples_without_images(release: Release, tmp_path: Path) -> None:
    out = exported(release, tmp_path / "out", config="reports", image_size=None)
    found = samples(out, "reports", "train")
    assert found
    assert {name for sample in found for name in sample if not name.startswith("__")} == {
        "json", "txt",
    }  # fmt: skip


def test_nothing_but_the_rows_is_in_a_shard(shards: Path) -> None:
    for shard in (shards / "images").glob("*.tar"):
        with tarfile.open(shard) as opened:
            for member in opened:
                assert (member.mtime, member.uid, member.gid, member.uname) == (0, 0, 0, "")
                assert member.isfile()


def test_stopped_it_goes_on_and_ends_with_the_same_bytes(
    release: Release, shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    members = WebDataset._members

    def stop(self: WebDataset, *given: Any) -> Any:
        if len(finished(out)) >= 2:
            raise KeyboardInterrupt
        return members(self, *given)

    with monkeypatch.context() as patched:
        patched.setattr(WebDataset, "_members", stop)
        with pytest.raises(KeyboardInterrupt, match="goes on with the others"):
            exported(release, out)
    before = finished(out)
    assert 0 < len(before) < len(finished(shards))
    kept = states(out, before)
    exported(release, out)
    assert states(out, before) == kept
    assert contents(out) == contents(shards)


def test_a_shard_that_was_changed_or_is_foreign_is_found(
    release: Release, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = exported(release, tmp_path / "out")
    whole = contents(out)
    assert main(["verify", str(out), "--no-progress"]) == 0
    shard = next((out / "images").glob("train-*.tar"))
    content = bytearray(shard.read_bytes())
    content[700] ^= 1
    shard.write_bytes(content)
    (out / "images" / "train-9.tar").write_bytes(b"")
    with pytest.raises(ExportError, match="holds other bytes than were written"):
        verify(out, progress=False)
    assert main(["verify", str(out), "--no-progress"]) == 1
    assert "train-9.tar" in capsys.readouterr().out
    (out / "images" / "train-9.tar").unlink()
    exported(release, out, verify=True)
    assert contents(out) == whole


def test_the_dry_run_tells_the_bytes_of_the_shards(
    release: Release, shards: Path, tmp_path: Path
) -> None:
    told = export("mimic-cxr-jpg", release[0], tmp_path / "out", dry_run=True, progress=False,
                  cache_dir=release[1], **OPTIONS)  # fmt: skip
    written = sum(file.stat().st_size for file in (shards / "images").glob("*.tar"))
    assert 0.8 < told.bytes / written < 1.25


def test_a_shard_goes_to_a_store_as_to_a_disk(
    release: Release, shards: Path, tmp_path: Path
) -> None:
    out = f"memory://shards-{tmp_path.name}"
    import fsspec

    fsspec.filesystem("memory").mkdir(f"/shards-{tmp_path.name}")
    export("mimic-cxr-jpg", release[0], out, progress=False, cache_dir=release[1], split="test",
           **OPTIONS)  # fmt: skip
    for shard in (shards / "images").glob("test-*.tar"):
        with fsspec.open(f"{out}/images/{shard.name}") as stored:
            content = stored.read()
        assert content == shard.read_bytes()
        with tarfile.open(fileobj=io.BytesIO(content)) as opened:
            first = opened.extractfile(opened.next() or "")
            assert first is not None
            assert PIL.Image.open(first).format == "JPEG"


def test_the_card_says_how_the_shards_are_read(shards: Path) -> None:
    card = (shards / "README.md").read_text()
    assert "as WebDataset" in card
    assert "as the package webdataset reads them" in card
    assert "| `image_id` in `images` |" in card
    assert "load_dataset" not in card
