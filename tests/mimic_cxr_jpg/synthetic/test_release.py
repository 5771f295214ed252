"""The invented release has the files and images of a real one, and the same bytes each time."""

from __future__ import annotations

import gzip
import hashlib
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxr_datasets.errors import OptionError
from cxr_datasets.testing import contents_under
from mimic_cxr_jpg.synthetic import write_release
from tests.mimic_cxr_jpg.synthetic.conftest import tables


def test_root_holds_the_files_of_release_2_1_0(root: Path) -> None:
    assert {path.name for path in root.iterdir()} == {
        *("files", "IMAGE_FILENAMES", "SHA256SUMS.txt", "README", "LICENSE.txt"),
        *(f"mimic-cxr-2.0.0-{t}.csv.gz" for t in ("metadata", "split", "chexpert", "negbio")),
        *("mimic-cxr-2.1.0-test-set-labeled.csv", "mimic-cxr-reports.zip"),
    }


def test_release_2_0_0_lacks_the_list_and_the_radiologists_labels(tmp_path: Path) -> None:
    names = {path.name for path in write_release(tmp_path, patients=3, release="2.0.0").iterdir()}
    assert "SHA256SUMS.txt" in names
    assert not names & {"IMAGE_FILENAMES", "mimic-cxr-2.1.0-test-set-labeled.csv"}


def test_readme_and_licence_say_that_the_release_is_synthetic(root: Path) -> None:
    assert "synthetic" in (root / "README").read_text()
    assert "synthetic" in (root / "LICENSE.txt").read_text()


def test_image_tree_list_and_checksums_name_the_same_files(root: Path) -> None:
    metadata = tables(root)["metadata"]
    expected = sorted(
        f"files/p{subject[:2]}/p{subject}/s{study}/{dicom}.jpg"
        for dicom, subject, study in metadata[["dicom_id", "subject_id", "study_id"]].values
    )
    on_disk = sorted(str(path.relative_to(root)) for path in (root / "files").rglob("*.jpg"))
    listed = (root / "IMAGE_FILENAMES").read_bytes()
    assert on_disk == expected
    assert listed.decode() == "".join(f"{path}\n" for path in expected)
    assert {len(line) for line in listed.splitlines(keepends=True)} == {79}
    sums = "".join(
        f"{hashlib.sha256((root / path).read_bytes()).hexdigest()} {path}\n" for path in expected
    )
    assert (root / "SHA256SUMS.txt").read_text() == sums


def test_images_are_grey_jpegs_of_quality_95_and_of_the_size_in_the_table(root: Path) -> None:
    sizes = set()
    quality_95 = io.BytesIO()
    Image.new("L", (8, 8)).save(quality_95, "JPEG", quality=95)
    expected = Image.open(quality_95).quantization
    for row in tables(root)["metadata"].itertuples():
        path = f"files/p{row.subject_id[:2]}/p{row.subject_id}/s{row.study_id}/{row.dicom_id}.jpg"
        with Image.open(root / path) as image:
            assert (image.format, image.mode) == ("JPEG", "L")
            assert image.quantization == expected
            assert image.size == (int(row.Columns), int(row.Rows))
            sizes.add(image.size)
    assert sizes == {(159, 191), (191, 159), (159, 169), (108, 126)}


def test_images_are_histogram_equalised(default_root: Path) -> None:
    path = next((default_root / "files").rglob("*.jpg"))
    pixels = np.asarray(Image.open(path))
    assert (pixels.min(), pixels.max()) == (0, 255)
    assert np.allclose(np.quantile(pixels, [0.25, 0.5, 0.75]), [64, 128, 191], atol=20)


def test_scale_sets_the_size_of_images(tmp_path: Path) -> None:
    root = write_release(tmp_path, patients=3, scale=1 / 32)
    assert set(tables(root)["metadata"].Rows) <= {"96", "80", "85", "63", "95"}


def test_same_seed_gives_the_same_bytes_and_another_seed_other_ids(tmp_path: Path) -> None:
    for reports in ("zip", "tar.gz"):
        first, again, other = (
            write_release(tmp_path / reports / str(n), patients=4, seed=seed, reports=reports)
            for n, seed in enumerate((6, 6, 7))
        )
        assert contents_under(first) == contents_under(again)
        for column in ("subject_id", "study_id", "dicom_id"):
            ids, other_ids = (set(tables(root)["metadata"][column]) for root in (first, other))
            assert not ids & other_ids


def test_other_forms_hold_the_same_tables_and_images(tmp_path: Path) -> None:
    packed = write_release(tmp_path / "gz", patients=4)
    plain = write_release(tmp_path / "csv", patients=4, tables="csv", reports="none")
    for name in ("metadata", "split", "chexpert", "negbio"):
        table = f"mimic-cxr-2.0.0-{name}.csv"
        assert (
            gzip.decompress((packed / f"{table}.gz").read_bytes()) == (plain / table).read_bytes()
        )
        assert not (plain / f"{table}.gz").exists()
    assert (packed / "SHA256SUMS.txt").read_bytes() == (plain / "SHA256SUMS.txt").read_bytes()


@pytest.mark.parametrize(
    ("option", "value", "right"),
    [
        ("patients", 2, "from 3"),
        ("release", "2.2.0", "2.0.0"),
        ("tables", "parquet", "csv.gz"),
        ("reports", "rar", "tar.gz"),
        ("scale", 2, "1/64"),
    ],
)
def test_wrong_option_is_refused_with_the_right_ones_before_anything_is_written(
    option: str, value: object, right: str, tmp_path: Path
) -> None:
    with pytest.raises(OptionError, match=rf"(?s){option}.*{re.escape(right)}"):
        write_release(tmp_path / "out", **{option: value})
    assert not (tmp_path / "out").exists()


def test_a_release_is_never_overwritten(tmp_path: Path) -> None:
    root = write_release(tmp_path, patients=3)
    before = contents_under(root)
    with pytest.raises(OptionError, match=re.escape(str(tmp_path))):
        write_release(tmp_path, patients=3, seed=1)
    assert contents_under(root) == before
