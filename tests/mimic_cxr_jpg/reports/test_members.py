"""Members that stand twice, and links: the right one is a study's report, and none is null."""

from __future__ import annotations

import gzip
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from cxr_datasets.errors import ReportsError
from cxr_datasets.testing import datasets_under, rewrite
from tests.mimic_cxr_jpg.reports.forms import TAR, Texts
from tests.mimic_cxr_jpg.reports.odd import Entry, found, given, reports, tar_of, write


def lines(caplog: pytest.LogCaptureFixture, about: str) -> list[str]:
    return [r.getMessage() for r in caplog.records if about in r.getMessage()]


BOTH = pytest.mark.parametrize("form", ["zip", "tar.gz"])


# --- members that stand twice ---------------------------------------------------------------------


@BOTH
def test_of_two_members_of_one_name_the_last_counts_and_one_line_counts_them(
    form: str, jpg: Path, cache: str, texts: Texts, caplog: pytest.LogCaptureFixture
) -> None:
    first = sorted(texts)[:2]
    write(form, jpg, [(name, b"before") for name in first] + list(texts.items()))
    assert found(texts, jpg, cache) == given(texts)
    (line,) = lines(caplog, "passed over")
    assert line.startswith(f"2 of {len(texts) + 2} texts in {jpg}")
    changed = dict.fromkeys(first, b"after")
    write(form, jpg, list(texts.items()) + list(changed.items()))
    assert found(texts, jpg, cache) == given({**texts, **changed})


@BOTH
@pytest.mark.parametrize("comes", ["first", "last"])
@pytest.mark.parametrize("other", ["old/files/", "a/b/files/", "", "old/"])
def test_files_at_the_top_go_before_those_in_another_folder(
    other: str, comes: str, form: str, jpg: Path, cache: str, texts: Texts,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    old = [(other + name.removeprefix("files/"), b"old") for name in texts]
    new = list(texts.items())
    write(form, jpg, old + new if comes == "first" else new + old)
    assert found(texts, jpg, cache) == given(texts)
    (line,) = lines(caplog, "passed over")
    assert line.startswith(f"{len(texts)} of {2 * len(texts)} texts")


@BOTH
def test_a_study_that_only_another_folder_has_is_taken_from_there(
    form: str, jpg: Path, cache: str, texts: Texts
) -> None:
    names = sorted(texts)
    few = [(name, texts[name]) for name in names[::2]]
    old = [(f"old/{name}", texts[name]) for name in names[1::2]]
    write(form, jpg, [("old/" + names[0], b"old"), *few, *old])
    assert found(texts, jpg, cache) == given(texts)


@BOTH
def test_a_folder_whose_name_only_ends_in_p1x_is_none_of_the_release(
    form: str, jpg: Path, cache: str, texts: Texts
) -> None:
    name, *others = sorted(texts)
    odd = name.replace("files/p1", "files/oldp1")
    write(form, jpg, [(odd, b"odd"), *((other, texts[other]) for other in others)])
    assert found({name: b""}, jpg, cache) == dict.fromkeys(given({name: b""}))


# --- links ----------------------------------------------------------------------------------------


def linked(texts: Texts, target: Callable[[str], str], at: Callable[[str], str]) -> list[Entry]:
    """Links in the places of the texts, and the texts elsewhere."""
    links: list[Entry] = [(name, target(name)) for name in texts]
    return links + [(at(name), text) for name, text in texts.items()]


def blob(name: str) -> str:
    return f"blobs/{Path(name).stem}"


@BOTH
@pytest.mark.parametrize("links_come", ["first", "last"])
def test_symbolic_links_are_followed_in_the_archive(
    links_come: str, form: str, jpg: Path, cache: str, texts: Texts
) -> None:
    entries = linked(texts, lambda name: "../../../" + blob(name), blob)
    write(form, jpg, entries if links_come == "first" else entries[::-1])
    assert found(texts, jpg, cache) == given(texts)


def test_hard_links_of_a_tar_are_followed(jpg: Path, cache: str, texts: Texts) -> None:
    content = tar_of(linked(texts, blob, blob)[::-1], hard=True)
    rewrite(jpg / TAR, gzip.compress(content))
    assert found(texts, jpg, cache) == given(texts)


@BOTH
def test_links_to_folders_and_to_links_are_followed(
    form: str, jpg: Path, cache: str, texts: Texts
) -> None:
    patients = {str(Path(name).parent) for name in texts}
    moved: list[Entry] = [(name.replace("files/", "store/"), text) for name, text in texts.items()]
    moved = [(name.replace("/p10/", "/group/"), text) for name, text in moved]
    links: list[Entry] = [
        (patient, f"../../again/{Path(patient).name}") for patient in sorted(patients)
    ]
    links += [
        (f"again/{Path(p).name}", p.replace("files/", "../store/").replace("/p10/", "/group/"))
        for p in sorted(patients)
    ]
    write(form, jpg, [*links, *moved])
    assert found(texts, jpg, cache) == given(texts)


@BOTH
@pytest.mark.parametrize(
    "target", ["../nowhere.txt", "/data/reports.txt", "../../../../../etc/passwd", "s1.txt"]
)
@pytest.mark.parametrize("whole_folder", [False, True])
def test_a_link_that_leads_to_nothing_in_the_archive_is_an_error_and_no_null(
    whole_folder: bool, target: str, form: str, jpg: Path, cache: str, texts: Texts
) -> None:
    name, *others = sorted(texts)
    folder = str(Path(name).parent)
    link = folder if whole_folder else name
    rest = [other for other in others if not (whole_folder and other.startswith(folder))]
    write(form, jpg, [*((other, texts[other]) for other in rest), (link, target)])
    with pytest.raises(ReportsError, match=r"link to .* not in the archive\. Pack the") as error:
        reports(jpg, cache)
    assert repr(link)[1:-1] in str(error.value)
    assert datasets_under(cache) == []


@BOTH
def test_links_that_lead_to_each_other_are_an_error(
    form: str, jpg: Path, cache: str, texts: Texts
) -> None:
    one, two, *others = sorted(texts)
    loop = [(one, "../../../" + two), (two, "../../../" + one)]
    write(form, jpg, [*((other, texts[other]) for other in others), *loop])
    with pytest.raises(ReportsError, match="link"):
        reports(jpg, cache)


@BOTH
def test_a_link_that_is_no_report_does_not_matter(
    form: str, jpg: Path, cache: str, texts: Texts
) -> None:
    write(form, jpg, [("README", "/nowhere"), *texts.items(), ("files/index", "x")])
    assert found(texts, jpg, cache) == given(texts)


def test_a_sparse_file_in_the_place_of_a_report_is_an_error_that_says_so(
    jpg: Path, cache: str, texts: Texts
) -> None:
    content = bytearray(tar_of(list(texts.items())))
    content[156:157] = tarfile.GNUTYPE_SPARSE
    content[386:482], content[482:495] = b"0" * 96, b"\0%011o\0" % 0
    content[148:156] = b" " * 8
    content[148:156] = b"%06o\0 " % sum(content[:512])
    rewrite(jpg / TAR, gzip.compress(bytes(content)))
    with pytest.raises(ReportsError, match=r"sparse file.*--sparse"):
        reports(jpg, cache)
