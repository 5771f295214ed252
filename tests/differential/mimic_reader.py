"""A slow reader of MIMIC-CXR-JPG, in plain Python with the csv module, by its card.

It must not import the project: what both would take from one place could be wrong in both.
"""

from __future__ import annotations

import re
import tarfile
import zipfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path

from tests.differential.reading import VIEWS, Row, content_of, label_struct, read_csv
from tests.mimic_cxr_jpg.reports.official import SECTION_COLUMNS, reference_sections

OF_IMAGE = (
    *("image", "image_id", "view", "view_position", "procedure", "view_code", "orientation"),
    *("height", "width", "path"),
)

VIEW_NAMES = {
    "frontal": ("PA", "AP", "AP AXIAL", "AP LLD", "AP RLD", "PA LLD", "PA RLD"),
    "lateral": ("LATERAL", "LL", "XTABLE LATERAL", "SWIMMERS"),
    "oblique": ("LAO", "RAO", "LPO", "RPO"),
}

_TEXT = re.compile(r"files/p1\d/p1\d{7}/s5\d{7}\.txt$")


def read_images(root: Path, reports: Path | None, rules: str) -> list[Row]:
    """Give a row for each image, in the order of the split table.

    Args:
        root: The folder that holds the tables and `files/`.
        reports: An archive of reports, or the folder that holds their `files/`; None: there are
            none.
        rules: By which rules they are cut into sections.
    """
    metadata = {row["dicom_id"]: row for row in _table(root, "metadata")}
    chexpert = {row["study_id"]: row for row in _table(root, "chexpert")}
    negbio = {row["study_id"]: row for row in _table(root, "negbio")}
    radiologist = {row["study_id"]: row for row in _table(root, "test-set-labeled")}
    texts = dict(_texts(reports)) if reports else {}
    images = []
    for spine in _table(root, "split"):
        image, study, subject = spine["dicom_id"], spine["study_id"], spine["subject_id"]
        about, folder = metadata[image], f"files/p{subject[:2]}/p{subject}"
        report = _decoded(texts.get(f"{folder}/s{study}.txt"))
        sections = reference_sections(report, rules) if report else {}
        view = _view(about["ViewPosition"])
        images.append(
            {
                "image_id": image,
                "study_id": int(study),
                "subject_id": int(subject),
                "view": VIEWS.index(view),
                "report": report,
                "labels": label_struct(chexpert.get(study)),
                "view_position": about["ViewPosition"],
                "labels_negbio": label_struct(negbio.get(study)),
                "labels_radiologist": label_struct(
                    radiologist.get(study), {"Lung Opacity": "Airspace Opacity"}
                ),
                "procedure": about["PerformedProcedureStepDescription"],
                "view_code": about["ViewCodeSequence_CodeMeaning"],
                "orientation": about["PatientOrientationCodeSequence_CodeMeaning"],
                "height": _whole(about["Rows"]),
                "width": _whole(about["Columns"]),
                "study_date": _day(about["StudyDate"]),
                "study_time": _clock(about["StudyTime"]),
                **{name: sections.get(name) for name in SECTION_COLUMNS},
                "path": f"{folder}/s{study}/{image}.jpg",
                "split": {"validate": "validation"}.get(spine["split"], spine["split"]),
                "rank": _rank(about["ViewPosition"], view),
                "view_names": {view, about["ViewPosition"]},
            }
        )
    return images


def add_priors(images: list[Row], most: int) -> None:
    """Add the columns of earlier studies, by the card: all studies of a patient count."""
    studies: dict[int, list[Row]] = {}
    for image in images:
        studies.setdefault(image["study_id"], []).append(image)
    times = {study: _earliest(of_study) for study, of_study in studies.items()}
    patient_of = {image["study_id"]: image["subject_id"] for image in images}
    for image in images:
        study = image["study_id"]
        own = [one for one in studies if patient_of[one] == image["subject_id"]]
        ordered = sorted((times[one], one) for one in own if times[one] is not None)
        tied = {one: [time for time, _ in ordered].count(times[one]) > 1 for _, one in ordered}
        order = [one for _, one in ordered]
        place = order.index(study) if study in order else None
        before = [] if place is None else order[:place][::-1][:most]
        after = [] if place is None else order[place + 1 :]
        best = [_best_frontal(studies[one]) for one in before]
        image |= {
            "study_number": None if place is None else place + 1,
            "studies_of_patient": len(own),
            "study_tied": tied.get(study),
            "days_to_next": _days(times[study], times[after[0]]) if after else None,
            "prior_study_ids": before,
            "prior_days": [_days(times[one], times[study]) for one in before],
            "prior_tied": [tied[one] for one in before],
            "prior_findings": [studies[one][0]["findings"] for one in before],
            "prior_impressions": [studies[one][0]["impression"] for one in before],
            "prior_images": [None if one is None else one["path"] for one in best],
            "prior_views": [None if one is None else one["view_position"] for one in best],
        }


def _earliest(images: list[Row]) -> datetime | None:
    times = [
        datetime.fromisoformat(f"{image['study_date']}T{image['study_time']}")
        for image in images
        if image["study_date"] and image["study_time"]
    ]
    return min(times, default=None)


def _days(then: datetime | None, now: datetime | None) -> float:
    assert then is not None
    assert now is not None
    return (now - then) / timedelta(days=1)


def _best_frontal(images: list[Row]) -> Row | None:
    frontal = [image for image in images if image["view"] == VIEWS.index("frontal")]
    return min(frontal, key=lambda image: image["rank"], default=None)


def _table(root: Path, name: str) -> list[Row]:
    for version in ("2.0.0", "2.1.0"):
        for suffix in (".csv.gz", ".csv"):
            file = root / f"mimic-cxr-{version}-{name}{suffix}"
            if file.exists():
                return read_csv(file.read_bytes())
    return []


def _view(position: str | None) -> str:
    found = [view for view, positions in VIEW_NAMES.items() if position in positions]
    return found[0] if found else "unknown"


def _rank(position: str | None, view: str) -> int:
    """PA, AP, other frontal, LATERAL and LL, other, unknown."""
    first = {"PA": 0, "AP": 1, "LATERAL": 3, "LL": 3}
    return first.get(position or "", {"frontal": 2, "unknown": 5}.get(view, 4))


def _whole(cell: str | None) -> int | None:
    return None if cell is None else int(cell)


def _day(cell: str | None) -> str | None:
    return None if cell is None else datetime.strptime(cell, "%Y%m%d").date().isoformat()


def _clock(cell: str | None) -> str | None:
    """Read `80556.875` as 08:05:56.875, in decimal arithmetic."""
    if cell is None:
        return None
    digits = f"{Decimal(cell).quantize(Decimal('0.001'), ROUND_HALF_EVEN):010.3f}"
    return f"{digits[:2]}:{digits[2:4]}:{digits[4:]}"


def _decoded(content: bytes | None) -> str | None:
    if not content:
        return None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _texts(reports: Path) -> Iterator[tuple[str, bytes]]:
    """Give the place and the bytes of every report; of one that stands twice the last counts."""
    if reports.is_dir():
        for file in sorted((reports / "files").rglob("*.txt")):
            yield file.relative_to(reports).as_posix(), content_of(file) or b""
    elif reports.suffix == ".zip":
        with zipfile.ZipFile(reports) as archive:
            for entry in archive.infolist():
                if found := _TEXT.search(entry.filename):
                    yield found[0], archive.read(entry)
    else:
        with tarfile.open(reports) as archive:
            for member in archive:
                if found := _TEXT.search(member.name):
                    file = archive.extractfile(member)
                    yield found[0], file.read() if file else b""
