"""Make a full-scale synthetic MIMIC-CXR-JPG once, outside the repository.

    python benchmarks/release.py [FOLDER]

It has the real release's counts (377,110 images, 227,835 studies, 65,379 patients, its splits and
unlabelled studies), the four tables, every report as zip, tar.gz and tree, and a tree of tiny
JPEGs that are hard links to a few files. Beside it stand 600 JPEGs of real size. Everything is
invented and drawn from a fixed seed. Needs about 6 GB of disk and some minutes; what is there is
not made again. The folder is $CXR_BENCH_DIR, or ~/.cache/cxr-benchmarks.
"""

from __future__ import annotations

import gzip
import os
import random
import sys
import tarfile
import textwrap
import zipfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import prose
import pyarrow as pa
from PIL import Image
from pyarrow import csv

from cxr_datasets.columns import LABELS
from cxr_datasets.synthetic import jpeg_bytes, paint_radiograph
from mimic_cxr_jpg.synthetic import write_release
from mimic_cxr_jpg.synthetic.reports import SHAPES, report_text
from mimic_cxr_jpg.synthetic.sentences import FINDINGS
from mimic_cxr_jpg.tables import image_paths, patient_folders

SPLITS = {
    # images, studies, patients
    "train": (368_960, 222_758, 64_586),
    "validate": (2_991, 1_808, 500),
    "test": (5_159, 3_269, 293),
}
VIEWS = {"AP": 147_185, "PA": 96_170, "LATERAL": 82_853, "LL": 35_133, "": 15_769}
SIZES = ((3056, 2544), (2544, 3056), (2705, 2539), (2022, 1736))
UNLABELLED_STUDIES = 8
REAL_SIZE_IMAGES = 600
PAINTED = 24
REPORT_BYTES = 800
SEED = 20_260

GRAIN = (1.6, 1.0, 1.2, 1.5, 2.0, 3.0)
"""Standard deviations, in grey levels, of what is painted over the real-size images: noise of 1, 2,
4, ... pixels. Real radiographs have such texture at every scale. Without it a JPEG has two thirds
of their size (0.9 bits a pixel; with it 1.6, five of the Indiana collection 1.3 to 1.8), and a PNG
of its 512-pixel copy half (1.9; 3.2; 2.6 to 3.5)."""

_LINKS_PER_FILE = 30_000  # ext4 allows 65,000


def folder() -> Path:
    """Where the benchmarks keep what they make."""
    return Path(os.environ.get("CXR_BENCH_DIR", "~/.cache/cxr-benchmarks")).expanduser()


def scale() -> float:
    """Share of the patients in what stands for the whole release: `$CXR_BENCH_PART`, or all."""
    return float(os.environ.get("CXR_BENCH_PART", "1"))


def full_release(part: float | None = None) -> Path:
    """Root of a release with this share of the patients; made if it is not there."""
    part = scale() if part is None else part
    return made(folder() / f"release-{part:g}", lambda root: _write_release(root, part))


def release_of_prose(part: float | None = None) -> Path:
    """Root of the same release, but for its reports, which are those of prose.py; as zip alone."""
    part = scale() if part is None else part
    return made(
        folder() / f"release-of-prose-{part:g}",
        lambda root: _write_release(root, part, of_prose=True),
    )


def real_size_images() -> list[Path]:
    """Paths of 600 JPEGs of about 1.5 MB; made if they are not there."""
    root = made(folder() / "real-size-grained", _write_real_size_images)
    return sorted(root.glob("*.jpg"))


def real_size_release(patients: int = 120) -> Path:
    """Root of a small release whose images are the real-size ones, in turn."""
    root = folder() / f"release-real-size-grained-{patients}"
    return made(root, lambda root: _write_real_size(root, patients))


def _write_real_size(root: Path, patients: int) -> None:
    write_release(root, patients=patients, scale=1 / 64)
    sources = real_size_images()
    for number, image in enumerate(sorted(root.glob("files/*/*/*/*.jpg"))):
        image.unlink()
        os.link(sources[number % len(sources)], image)


def made(root: Path, write: object) -> Path:
    done = root / ".complete"
    if not done.exists():
        print(f"making {root} (once)", file=sys.stderr, flush=True)
        root.mkdir(parents=True, exist_ok=True)
        write(root)  # type: ignore[operator]
        done.touch()
    return root


def _write_release(root: Path, part: float, of_prose: bool = False) -> None:
    rng = np.random.default_rng(SEED)
    images = _draw_images(rng, part)
    _write_tables(root, images, rng)
    studies = images.group_by(["subject_id", "study_id"], use_threads=False).aggregate([])
    names = [
        f"{folder}/s{study}.txt"
        for folder, study in zip(
            patient_folders(studies["subject_id"].combine_chunks()).to_pylist(),
            studies["study_id"].to_pylist(),
            strict=True,
        )
    ]
    if of_prose:
        _write_zip(root, _draw_prose(sorted(names)))
    else:
        _write_reports(root, sorted(names))
    _write_tiny_images(root, images)


def _draw_images(rng: np.random.Generator, part: float) -> pa.Table:
    counts = {name: tuple(max(1, int(n * part)) for n in row) for name, row in SPLITS.items()}
    patients = 10_000_000 + rng.choice(10_000_000, sum(c[2] for c in counts.values()), False)
    studies = 50_000_000 + rng.choice(10_000_000, sum(c[1] for c in counts.values()), False)
    columns: dict[str, list[np.ndarray]] = {"subject_id": [], "study_id": [], "split": []}
    first_patient = first_study = 0
    for split, (n_images, n_studies, n_patients) in counts.items():
        own_patients = patients[first_patient : first_patient + n_patients]
        own_studies = studies[first_study : first_study + n_studies]
        patient_of = np.concatenate(
            [np.arange(n_patients), rng.integers(0, n_patients, n_studies - n_patients)]
        )
        study_of = np.concatenate(
            [np.arange(n_studies), rng.integers(0, n_studies, n_images - n_studies)]
        )
        columns["study_id"].append(own_studies[study_of])
        columns["subject_id"].append(own_patients[patient_of[study_of]])
        columns["split"].append(np.full(n_images, split))
        first_patient += n_patients
        first_study += n_studies
    table = pa.table({name: np.concatenate(parts) for name, parts in columns.items()})
    # The release's tables are in the order of its paths.
    table = table.sort_by([("subject_id", "ascending"), ("study_id", "ascending")])
    digits = rng.integers(0, 16**8, (table.num_rows, 5), dtype=np.int64)
    dicom_ids = ["-".join(f"{group:08x}" for group in row) for row in digits.tolist()]
    return table.append_column("dicom_id", pa.array(dicom_ids))


def _write_tables(root: Path, images: pa.Table, rng: np.random.Generator) -> None:
    count = images.num_rows
    _write_csv(root, "split", images.select(["dicom_id", "study_id", "subject_id", "split"]))
    share = np.array(list(VIEWS.values())) / sum(VIEWS.values())
    size = np.array(SIZES)[rng.integers(0, len(SIZES), count)]
    view = rng.choice(list(VIEWS), count, p=share)
    metadata = {
        "dicom_id": images["dicom_id"],
        "subject_id": images["subject_id"],
        "study_id": images["study_id"],
        "PerformedProcedureStepDescription": np.full(count, "CHEST (PA AND LAT)"),
        "ViewPosition": view,
        "Rows": size[:, 0],
        "Columns": size[:, 1],
        "StudyDate": 21_000_101 + 10_000 * rng.integers(0, 100, count),
        "StudyTime": rng.integers(0, 24, count) * 10_000 + rng.integers(0, 60_000, count) / 1000,
        "ProcedureCodeSequence_CodeMeaning": np.full(count, "CHEST (PA AND LAT)"),
        "ViewCodeSequence_CodeMeaning": np.where(view == "", "", "view"),
        "PatientOrientationCodeSequence_CodeMeaning": rng.choice(["Erect", "Recumbent", ""], count),
    }
    _write_csv(root, "metadata", pa.table(metadata).take(rng.permutation(count)))
    studies = images.group_by(["subject_id", "study_id"]).aggregate([("split", "min")])
    train = np.flatnonzero(studies["split_min"].to_numpy() == "train")
    keep = np.ones(studies.num_rows, bool)
    keep[train[:UNLABELLED_STUDIES]] = False
    studies = studies.filter(pa.array(keep)).select(["subject_id", "study_id"])
    for name in ("chexpert", "negbio"):
        labels = rng.choice(
            ["", "1.0", "0.0", "-1.0"], (studies.num_rows, 14), p=(0.7, 0.2, 0.08, 0.02)
        )
        table = studies
        for column, label in enumerate(LABELS):
            table = table.append_column(label, pa.array(labels[:, column]))
        _write_csv(root, name, table)


def _write_csv(root: Path, name: str, table: pa.Table) -> None:
    buffer = pa.BufferOutputStream()
    csv.write_csv(table, buffer, csv.WriteOptions(quoting_style="none"))
    path = root / f"mimic-cxr-2.0.0-{name}.csv.gz"
    path.write_bytes(gzip.compress(buffer.getvalue().to_pybytes(), 6, mtime=0))


def _draw_texts(names: list[str]) -> Iterator[tuple[str, bytes]]:
    """Reports of about 800 bytes: invented ones, filled up with words that do not repeat much.

    Without them the tar.gz would compress, and so decompress, far better than real prose does.
    """
    rng = random.Random(SEED)
    shapes, findings = list(SHAPES), sorted(FINDINGS)
    words, weights = _filler(rng)
    stock = []
    for _ in range(4_000):
        labels = {name: rng.choice((1, 0, -1)) for name in rng.sample(findings, 4)}
        stock.append(report_text(rng.choice(shapes), labels, rng))
    for name in names:
        text = rng.choice(stock)
        more = max(0, int(REPORT_BYTES * rng.uniform(0.6, 1.4)) - len(text))
        prose = " ".join(rng.choices(words, weights, k=more // 7))
        yield name, (text + f" \n {prose}.\n").encode()


def _filler(rng: random.Random) -> tuple[list[str], list[float]]:
    """Words that mean nothing, and how often each is drawn."""
    letters = "etaoinshrdlucmfpgb"
    words = ["".join(rng.choices(letters, k=rng.randint(2, 11))) for _ in range(6_000)]
    return words, [1 / (rank + 10) for rank in range(len(words))]


def _draw_prose(names: list[str]) -> Iterator[tuple[str, bytes]]:
    """Reports of prose.py, as long and set as those of `_draw_texts`; one in six has no impression.

    What is said of the technique fills them up.
    """
    rng = random.Random(SEED)
    words, weights = _filler(rng)
    for name, told in zip(names, prose.write(len(names), SEED), strict=True):
        sections = [("EXAMINATION", "Chest, ___ views."), ("INDICATION", "___F with ___.")]
        sections += [("COMPARISON", f"___ at {rng.randint(1, 12)}:{rng.randint(10, 59)}.")]
        more = int(REPORT_BYTES * rng.uniform(0.6, 1.4)) - sum(map(len, told)) - 150
        technique = " ".join(rng.choices(words, weights, k=max(2, more // 7)))
        sections += [("TECHNIQUE", technique), ("FINDINGS", told.findings)]
        sections += [("IMPRESSION", told.impression)] if rng.random() < 5 / 6 else []
        texts = [
            textwrap.fill(f"{header}:  {text}", 76, initial_indent=" ", subsequent_indent=" ")
            for header, text in sections
        ]
        yield name, ("FINAL REPORT\n" + "\n \n".join(texts) + "\n").encode()


def _write_zip(root: Path, texts: Iterator[tuple[str, bytes]]) -> None:
    (root / "zip").mkdir(exist_ok=True)
    path = root / "zip/mimic-cxr-reports.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, text in texts:
            zipped.writestr(name, text)


def _write_reports(root: Path, names: list[str]) -> None:
    for folder_name in {Path(name).parent for name in names}:
        (root / "tree" / folder_name).mkdir(parents=True, exist_ok=True)
    (root / "zip").mkdir(exist_ok=True)
    (root / "tar").mkdir(exist_ok=True)
    with (
        zipfile.ZipFile(root / "zip/mimic-cxr-reports.zip", "w", zipfile.ZIP_DEFLATED) as zipped,
        gzip.open(root / "tar/mimic-cxr-reports.tar.gz", "wb", 6) as stream,
        tarfile.open(fileobj=stream, mode="w") as tarred,
    ):
        for name, text in _draw_texts(names):
            zipped.writestr(name, text)
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tarred.addfile(member, BytesIO(text))
            (root / "tree" / name).write_bytes(text)


def _write_tiny_images(root: Path, images: pa.Table) -> None:
    columns = [images[name].combine_chunks() for name in ("subject_id", "study_id", "dicom_id")]
    paths = image_paths(*columns).to_pylist()
    for parent in {path.rsplit("/", 1)[0] for path in paths}:
        (root / parent).mkdir(parents=True, exist_ok=True)
    content = _painted(32, 32, "frontal", SEED)
    for start in range(0, len(paths), _LINKS_PER_FILE):
        first, *others = paths[start : start + _LINKS_PER_FILE]
        (root / first).write_bytes(content)
        for path in others:
            os.link(root / first, root / path)


def _of_real_size(number: int) -> bytes:
    """One of the real-size images."""
    height, width = SIZES[number % len(SIZES)] if number % 3 else SIZES[1]
    view = ("frontal", "lateral")[number % 2]
    return _painted(height, width, view, SEED + number, GRAIN)


def _painted(height: int, width: int, view: str, seed: int, grain: tuple[float, ...] = ()) -> bytes:
    pixels = paint_radiograph(height, width, view=view, rng=random.Random(seed), noise=0.3)
    texture = _texture(height, width, grain, np.random.default_rng(seed))
    return jpeg_bytes(Image.fromarray(np.clip(pixels + texture, 0, 255).round().astype(np.uint8)))


def _texture(
    height: int, width: int, grain: tuple[float, ...], rng: np.random.Generator
) -> np.ndarray:
    """Noise of several scales, each twice as coarse as the one before it."""
    texture = np.zeros((height, width), np.float32)
    for level, deviation in enumerate(grain):
        size = (-(-height // 2**level), -(-width // 2**level))
        noise = deviation * rng.standard_normal(size, dtype=np.float32)
        texture += np.asarray(Image.fromarray(noise).resize((width, height), Image.BICUBIC))
    return texture


def _write_real_size_images(root: Path) -> None:
    with ProcessPoolExecutor() as processes:
        painted = list(processes.map(_of_real_size, range(PAINTED)))
    for number in range(REAL_SIZE_IMAGES):
        (root / f"{number:04d}.jpg").write_bytes(painted[number % PAINTED])


if __name__ == "__main__":
    if len(sys.argv) > 1:
        os.environ["CXR_BENCH_DIR"] = sys.argv[1]
    print(full_release())
    print(real_size_images()[0].parent)
