"""Archives that are good, though other programs wrote them: read, or called what they are."""

from __future__ import annotations

import gzip
import io
import re
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from cxr_datasets.errors import ReportsError
from cxr_datasets.testing import datasets_under, rewrite
from tests.mimic_cxr_jpg.reports.conftest import load
from tests.mimic_cxr_jpg.reports.forms import TAR, ZIP, Texts, write_as, write_zip
from tests.mimic_cxr_jpg.reports.odd import Entry, found, given, reports, tar_of, zip_of

# --- what other programs write --------------------------------------------------------------------


def with_zip64_fields(texts: Texts) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in texts.items():
            with archive.open(name, "w", force_zip64=True) as member:
                member.write(content)
    return stream.getvalue()


def with_offsets_in_zip64_fields(texts: Texts) -> bytes:
    """As a writer does that keeps all sizes and offsets in the fields of a zip64."""
    plain = io.BytesIO(zip_of(list(texts.items())))
    with zipfile.ZipFile(plain) as archive:
        infos, start = archive.infolist(), archive.start_dir
    directory = b""
    for info in infos:
        extra = struct.pack("<HHQQQ", 1, 24, info.file_size, info.compress_size, info.header_offset)
        name, full = info.filename.encode(), 0xFFFFFFFF
        directory += struct.pack(
            "<4s6H3L5H2L", b"PK\1\2", 45, 45, 0, 8, 0, 33, info.CRC, full, full, len(name),
            len(extra), 0, 0, 0, 0, full,
        ) + name + extra  # fmt: skip
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, len(infos), len(infos), len(directory), start, 0)
    return plain.getvalue()[:start] + directory + end


def with_comment(texts: Texts, comment: bytes) -> bytes:
    stream = io.BytesIO(zip_of(list(texts.items())))
    with zipfile.ZipFile(stream, "a") as archive:
        archive.comment = comment
    return stream.getvalue()


def with_wrapped_count(texts: Texts) -> bytes:
    """More than 65,535 members, counted to 65,536 as by writers that know no zip64."""
    names: list[Entry] = [(f"other/{number}", b"") for number in range(65_536)]
    content = zip_of([*names, *texts.items()])
    *_, count, size, offset = struct.unpack("<4sQ2H2L4Q", content[-98:-42])
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count % 65_536, count % 65_536, size, offset, 0)
    return content[:-98] + end


def renamed(change: Callable[[str], str]) -> Callable[[Texts], bytes]:
    return lambda texts: zip_of([(change(name), text) for name, text in texts.items()])


ZIPS: dict[str, Callable[[Texts], bytes]] = {
    "zip64 fields": with_zip64_fields,
    "offsets in zip64 fields": with_offsets_in_zip64_fields,
    "bytes before it": lambda texts: b"#!/bin/sh\nexit\n" + zip_of(list(texts.items())),
    "bytes before a zip64": lambda texts: b"MZ" * 999 + with_offsets_in_zip64_fields(texts),
    "bytes after it": lambda texts: zip_of(list(texts.items())) + b"\r\n",
    "a comment with a signature": lambda texts: with_comment(texts, b"PK\5\6" + bytes(18)),
    "a comment with two": lambda texts: with_comment(texts, b"see PK\5\6 and PK\5\6" + b"x" * 40),
    "a signature in zip64's comment": lambda texts: (
        with_offsets_in_zip64_fields(texts)[:-2] + struct.pack("<H", 30) + b"PK\5\6" + bytes(26)
    ),
    "a count that wrapped": with_wrapped_count,
    "a folder around all": renamed(lambda name: f"mimic-cxr-reports-2.1.0/{name}"),
    "two folders around all": renamed(lambda name: f"physionet.org/mimic-cxr/{name}"),
    "no folder files": renamed(lambda name: name.removeprefix("files/")),
    "another folder": renamed(lambda name: name.replace("files/", "reports/")),
    "back-slashes": renamed(lambda name: name.replace("/", "\\")),
    "back-slashes and a folder": renamed(lambda name: "top\\" + name.replace("/", "\\")),
    "a dot before": renamed(lambda name: f"./{name}"),
}


@pytest.mark.parametrize("make", ZIPS.values(), ids=ZIPS)
def test_a_zip_of_another_program_is_read(
    make: Callable[[Texts], bytes], jpg: Path, cache: str, texts: Texts
) -> None:
    rewrite(jpg / ZIP, make(texts))
    assert found(texts, jpg, cache) == given(texts)


TARS: dict[str, Callable[[str], str]] = {
    "as it is": lambda name: name,
    "a dot before": lambda name: f"./{name}",
    "a folder around all": lambda name: f"mimic-cxr-reports/{name}",
    "no folder files": lambda name: name.removeprefix("files/"),
    "back-slashes": lambda name: name.replace("/", "\\"),
}


@pytest.mark.parametrize("change", TARS.values(), ids=TARS)
@pytest.mark.parametrize("name", ["mimic-cxr-reports.tar", TAR, "mimic-cxr-reports.tgz"])
def test_a_tar_is_read_packed_or_not_whatever_its_name_says(
    name: str, change: Callable[[str], str], jpg: Path, cache: str, texts: Texts
) -> None:
    content = tar_of([(change(name), text) for name, text in texts.items()])
    rewrite(jpg / name, content)
    assert found(texts, jpg, cache) == given(texts)
    rewrite(jpg / name, gzip.compress(content))
    assert found(texts, jpg, cache) == given(texts)


@pytest.mark.parametrize("name", ["mimic-cxr-reports.ZIP", "Mine.Zip", "MINE.TAR.GZ", "a.TGZ"])
def test_a_suffix_may_be_in_capitals(name: str, jpg: Path, cache: str, texts: Texts) -> None:
    entries: list[Entry] = list(texts.items())
    is_zip = name.lower().endswith("zip")
    rewrite(jpg / name, zip_of(entries) if is_zip else gzip.compress(tar_of(entries)))
    assert found(texts, jpg, cache, reports=str(jpg / name)) == given(texts)
    if name.startswith("mimic"):
        assert found(texts, jpg, cache) == given(texts)


@pytest.mark.parametrize("top", ["", "mimic-cxr-reports"])
def test_a_tree_may_lack_the_folder_files(
    top: str, jpg: Path, tmp_path: Path, cache: str, texts: Texts
) -> None:
    for name, text in texts.items():
        rewrite(tmp_path / "else" / top / name.removeprefix("files/"), text)
    assert found(texts, jpg, cache, reports=str(tmp_path / "else")) == given(texts)


# --- what is not read -----------------------------------------------------------------------------


def patched(content: bytes, local: int, central: int, value: int) -> bytes:
    """Set a field of two bytes in every header of a zip, and in every entry of its directory."""
    changed = bytearray(content)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        starts = [info.header_offset + local for info in archive.infolist()]
        entries = archive.start_dir
    starts += [
        match.start() + central for match in re.finditer(b"PK\1\2", content) if
        match.start() >= entries
    ]  # fmt: skip
    for start in starts:
        changed[start : start + 2] = struct.pack("<H", value)
    return bytes(changed)


@pytest.mark.parametrize(
    ("method", "name"), [(9, "Deflate64"), (12, "bzip2"), (14, "LZMA"), (93, "Zstandard"), (77, "")]
)
def test_a_zip_compressed_in_another_way_is_called_so_and_not_damaged(
    method: int, name: str, jpg: Path, cache: str, texts: Texts
) -> None:
    rewrite(jpg / ZIP, patched(zip_of(list(texts.items())), 8, 10, method))
    with pytest.raises(ReportsError, match=rf"{name}.*\(method {method}\).*7-Zip.*reports=") as e:
        reports(jpg, cache)
    assert "checksums" not in str(e.value)
    assert datasets_under(cache) == []


@pytest.mark.parametrize("method", [8, 99])
def test_an_encrypted_zip_is_called_so(method: int, jpg: Path, cache: str, texts: Texts) -> None:
    content = patched(zip_of(list(texts.items())), 6, 8, 1)
    rewrite(jpg / ZIP, patched(content, 8, 10, method))
    with pytest.raises(ReportsError, match=r"is encrypted\. Unpack it by its password.*reports="):
        reports(jpg, cache)
    assert datasets_under(cache) == []


def test_a_zip_with_another_member_that_is_not_read_is_read(
    jpg: Path, cache: str, texts: Texts
) -> None:
    content = zip_of([("LICENSE", b"long " * 99), *texts.items()])
    changed = bytearray(content)
    entry = content.index(b"PK\1\2")
    changed[8], changed[entry + 10] = 9, 9
    rewrite(jpg / ZIP, bytes(changed))
    assert found(texts, jpg, cache) == given(texts)


def test_one_part_of_several_is_called_so(jpg: Path, cache: str, texts: Texts) -> None:
    content = bytearray(zip_of(list(texts.items())))
    content[-18:-14] = struct.pack("<2H", 2, 2)
    rewrite(jpg / ZIP, bytes(content))
    with pytest.raises(ReportsError, match="the last part of an archive in several parts"):
        reports(jpg, cache)


def test_a_file_of_another_kind_with_the_name_of_a_zip_is_called_what_it_is(
    jpg: Path, cache: str, texts: Texts
) -> None:
    write_as("tar.gz", jpg, texts)
    (jpg / TAR).rename(jpg / ZIP)
    with pytest.raises(ReportsError, match="no zip archive but a file of gzip"):
        reports(jpg, cache)


def test_every_config_built_and_streamed_says_the_same_of_an_odd_archive(
    jpg: Path, cache: str, texts: Texts
) -> None:
    write_zip(jpg / ZIP, {f"./old/{name}": text for name, text in texts.items()})
    built = reports(jpg, cache)
    assert {study: built[study] for study in given(texts)} == given(texts)
    for config in ("images", "studies"):
        rows = load(jpg, cache, config)
        assert {row["study_id"]: row["report"] for row in rows} == built
