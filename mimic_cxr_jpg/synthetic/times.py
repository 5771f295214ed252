"""Arranging when the studies of a patient were made, so that what misleads a loader is there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from mimic_cxr_jpg.synthetic.studies import Study

_FRONTAL = ("PA", "AP", "AP AXIAL", "AP LLD", "AP RLD", "PA LLD", "PA RLD")
_SECONDS_LATER = 95
ENOUGH_PATIENTS = 20
"""Patients from which on a study has images that differ in their times. Each load of such a release
says so in one line, which small ones for tests are spared."""

_DAY = 86_400


def arrange_times(studies: Sequence[Study]) -> None:
    """Change dates and times of a few studies.

    Afterwards, as far as there are enough studies: two of one patient have the same date and time;
    a study without a report, and one without a frontal image, come before another of their patient;
    and of `ENOUGH_PATIENTS` the images of one study differ in their times, the first of them being
    later.
    """
    patients: dict[int, list[Study]] = {}
    for study in studies:
        patients.setdefault(study.subject_id, []).append(study)
    several = [own for own in patients.values() if len(own) > 1]
    tied = next((own for own in several if len(own) > 2), [])
    if tied:
        first, second, *_ = sorted(tied, key=_moment)
        second.date, second.time = first.date, first.time
    moved = _put_before(several, lambda study: study.report is None, but_not=())
    _put_before(several, _has_no_frontal_image, but_not=moved)
    if len(patients) >= ENOUGH_PATIENTS:
        _spread_images(study for own in several if own is not tied for study in own)


def _moment(study: Study) -> tuple[int, float, int]:
    return study.date, study.time, study.study_id


def _has_no_frontal_image(study: Study) -> bool:
    return not any(image.view in _FRONTAL for image in study.images)


def _put_before(
    patients: Iterable[Sequence[Study]], wanted: Callable[[Study], bool], but_not: Sequence[Study]
) -> Sequence[Study]:
    """Let one of some studies come before another of its patient, by exchanging their times.

    Args:
        patients: The studies of each.
        wanted: Whether a study is one of these.
        but_not: Studies that keep their times.

    Returns:
        The studies of the patient.
    """
    ordered = [sorted(own, key=_moment) for own in patients]
    for own in ordered:
        if any(wanted(study) for study in own[:-1]):
            return own
    for own in ordered:
        if wanted(own[-1]) and not any(study in but_not for study in own):
            first, last = own[0], own[-1]
            first.date, first.time, last.date, last.time = (
                *(last.date, last.time), *(first.date, first.time),
            )  # fmt: skip
            return own
    return ()


def _spread_images(studies: Iterable[Study]) -> None:
    """Let the first image of one study be made later than the others."""
    for study in studies:
        if len(study.images) > 1:
            study.images[0].time = _later(study.time)
            return


def _later(time: float) -> float:
    """Add some seconds to a time HHMMSS.fff, or take them off late in the evening."""
    whole, part = divmod(round(time * 1000), 1000)
    seconds = whole // 10_000 * 3_600 + whole // 100 % 100 * 60 + whole % 100
    seconds += _SECONDS_LATER if seconds + _SECONDS_LATER < _DAY else -_SECONDS_LATER
    clock = seconds // 3_600 * 10_000 + seconds // 60 % 60 * 100 + seconds % 60
    return (clock * 1000 + part) / 1000
