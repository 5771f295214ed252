"""What every invented release is made with: the door, the painted images, the file writers."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxr_datasets import synthetic
from cxr_datasets.errors import OptionError, PackageError


def paint(**options: object) -> np.ndarray:
    rng = random.Random(options.pop("seed", 7))
    return synthetic.paint_radiograph(191, 159, rng=rng, **options).astype(float)


def test_door_writes_a_release_and_gives_its_root(tmp_path: Path) -> None:
    root = synthetic.synthesize("indiana-cxr", tmp_path / "new" / "root", studies=3)
    assert root == tmp_path / "new" / "root"
    assert (root / "indiana_reports.csv").is_file()


def test_door_takes_the_package_spelling_too(tmp_path: Path) -> None:
    synthetic.synthesize("indiana_cxr", str(tmp_path / "a"), studies=3)
    assert (tmp_path / "a" / "indiana_reports.csv").is_file()


@pytest.mark.parametrize("name", ["padchest", "cxr-datasets", "os", "", "../mimic", "Mimic"])
def test_unknown_dataset_is_refused_with_the_known_ones(name: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"not known.*indiana-cxr.*mimic-cxr-jpg"):
        synthetic.synthesize(name, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def announced(folder: Path, dataset: str, writer: str) -> None:
    """Lay out an installed package that announces a dataset."""
    package = dataset.replace("-", "_")
    (folder / package).mkdir()
    (folder / package / "__init__.py").write_text("")
    (folder / package / "synthetic.py").write_text(writer)
    notes = folder / f"{package}-1.0.dist-info"
    notes.mkdir()
    (notes / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dataset}\nVersion: 1.0\n")
    (notes / "entry_points.txt").write_text(f"[cxr_datasets]\n{dataset} = {package}\n")


def test_a_module_that_a_writer_lacks_is_not_taken_for_an_unknown_dataset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    announced(tmp_path, "lacking-cxr", "import a_module_that_is_nowhere\n")
    monkeypatch.syspath_prepend(tmp_path)
    said = "lacking-cxr.*ModuleNotFoundError.*a_module_that_is_nowhere"
    with pytest.raises(PackageError, match=said):
        synthetic.synthesize("lacking-cxr", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_package_without_a_writer_is_named_with_what_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    announced(tmp_path, "bare-cxr", "")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PackageError, match=r"bare-cxr.*bare_cxr\.synthetic\.write_release"):
        synthetic.synthesize("bare-cxr", tmp_path / "out")


def test_a_new_dataset_is_found_without_a_change_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = "def write_release(out, *, seed=0, size=1):\n    return (out, seed, size)\n"
    announced(tmp_path, "added-cxr", writer)
    monkeypatch.syspath_prepend(tmp_path)
    assert synthetic.synthesize("added-cxr", "here", seed=4, size=2) == ("here", 4, 2)


def test_unknown_option_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"'patients'.*layout, scale, seed, studies"):
        synthetic.synthesize("indiana-cxr", tmp_path / "out", patients=3)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_holds_something_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(OptionError, match=tmp_path.name):
        synthetic.new_root(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_file_is_refused_as_root(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("keep")
    with pytest.raises(OptionError, match="file"):
        synthetic.new_root(tmp_path / "file")


def test_an_empty_folder_is_taken_as_root(tmp_path: Path) -> None:
    assert synthetic.new_root(tmp_path) == tmp_path


@pytest.mark.parametrize("scale", [0, -1, 1.01, 1 / 100, "1", True, float("nan")])
def test_wrong_scale_is_refused(scale: float) -> None:
    with pytest.raises(OptionError, match="scale"):
        synthetic.check_scale(scale)


@pytest.mark.parametrize("count", [2, 11, 3.0, "3", True])
def test_wrong_count_is_refused(count: int) -> None:
    with pytest.raises(OptionError, match="studies must be a whole number from 3 to 10"):
        synthetic.check_count("studies", count, low=3, high=10)


@pytest.mark.parametrize("view", synthetic.PAINTED_VIEWS)
def test_painted_image_has_the_size_asked_for_and_a_wide_range_of_greys(view: str) -> None:
    pixels = synthetic.paint_radiograph(300, 200, view=view, rng=random.Random(1))
    assert pixels.shape == (300, 200)
    assert pixels.dtype == np.uint8
    assert pixels.min() < 40
    assert pixels.max() > 150


def test_painted_frontal_chest_has_dark_lungs_beside_a_bright_middle() -> None:
    pixels = paint()
    left, middle, right = (pixels[70:110, at : at + 12].mean() for at in (40, 74, 108))
    assert left + 30 < middle > right + 30


def test_painted_views_differ_more_than_two_patients_do() -> None:
    frontal, other = paint(), paint(seed=8)
    assert np.abs(frontal - paint(view="lateral")).mean() > np.abs(frontal - other).mean()


@pytest.mark.parametrize("view", ["frontal", "lateral"])
@pytest.mark.parametrize("sign", synthetic.SIGNS)
def test_every_sign_brightens_some_part_of_the_image(sign: str, view: str) -> None:
    plain, shown = paint(view=view, noise=0), paint(view=view, noise=0, signs=[sign])
    assert (shown - plain).max() > 20


def test_same_stream_paints_the_same_pixels_and_another_does_not() -> None:
    assert np.array_equal(paint(seed=3), paint(seed=3))
    assert not np.array_equal(paint(seed=3), paint(seed=4))


def test_unknown_view_and_sign_are_refused() -> None:
    with pytest.raises(OptionError, match="frontal"):
        paint(view="sideways")
    with pytest.raises(OptionError, match="effusion"):
        paint(signs=["fracture"])


def test_full_size_jpeg_is_about_as_large_as_a_real_one() -> None:
    pixels = synthetic.paint_radiograph(3056, 2544, rng=random.Random(1))
    data = synthetic.jpeg_bytes(Image.fromarray(pixels))
    assert 0.8e6 < len(data) < 2.2e6


def test_streams_of_two_purposes_differ_and_each_repeats() -> None:
    first, again, other = (synthetic.random_stream(5, name).random() for name in ("a", "a", "b"))
    assert first == again != other


def test_gzip_header_holds_neither_name_nor_time() -> None:
    data = synthetic.gzip_bytes(b"some text")
    assert data[:8] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00"
    assert gzip.decompress(data) == b"some text"


MEMBERS = [("files/p10/b.txt", b"text"), ("files/p11/c.txt", b""), ("d.txt", b"x" * 5000)]


def test_folders_come_once_and_before_what_is_in_them() -> None:
    names = [name for name, _ in synthetic.with_folders(MEMBERS)]
    assert names == [
        *("files/", "files/p10/", "files/p10/b.txt"),
        *("files/p11/", "files/p11/c.txt", "d.txt"),
    ]


def test_zip_reads_back_and_has_the_same_bytes_again(tmp_path: Path) -> None:
    for name in ("a.zip", "b.zip"):
        synthetic.write_zip(tmp_path / name, synthetic.with_folders(MEMBERS))
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name, _ in MEMBERS} == dict(MEMBERS)
        assert archive.getinfo("files/p10/").is_dir()
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_tar_gz_reads_back_and_has_the_same_bytes_again(tmp_path: Path) -> None:
    for name in ("a.tar.gz", "b.tar.gz"):
        synthetic.write_tar_gz(tmp_path / name, synthetic.with_folders(MEMBERS))
    data = (tmp_path / "a.tar.gz").read_bytes()
    assert data == (tmp_path / "b.tar.gz").read_bytes()
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert archive.getmember("files/p10").isdir()
        assert {name: archive.extractfile(name).read() for name, _ in MEMBERS} == dict(MEMBERS)
        assert {member.mtime for member in archive} == {0}


def test_csv_quotes_only_where_needed_and_ends_lines_with_lf() -> None:
    data = synthetic.csv_bytes(["a", "b"], [["x, y", 'say "z"'], ["", 1]])
    assert data == b'a,b\n"x, y","say ""z"""\n,1\n'
