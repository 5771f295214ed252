"""Reports written in each of the forms that users have them in."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

from cxr_datasets.testing import rewrite

ZIP = "mimic-cxr-reports.zip"
TAR = "mimic-cxr-reports.tar.gz"
FORMS = ("zip", "tar.gz", "tree")

Texts = dict[str, bytes]


def texts_of(release: Path) -> Texts:
    """Read the name and content of every text of a release with a zip."""
    with zipfile.ZipFile(release / ZIP) as archive:
        return {name: archive.read(name) for name in archive.namelist() if name.endswith(".txt")}


def write_zip(file: Path, texts: Texts, method: int = zipfile.ZIP_DEFLATED) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in texts.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    rewrite(file, stream.getvalue())


def write_tar(file: Path, texts: Texts) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in texts.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    rewrite(file, stream.getvalue())


def write_tree(folder: Path, texts: Texts) -> None:
    for name, content in texts.items():
        rewrite(folder / name, content)


def write_as(form: str, place: Path, texts: Texts) -> Path:
    """Write reports in one of `FORMS`; return what one would pass as `reports=`."""
    if form == "zip":
        write_zip(place / ZIP, texts)
        return place / ZIP
    if form == "tar.gz":
        write_tar(place / TAR, texts)
        return place / TAR
    write_tree(place, texts)
    return place
