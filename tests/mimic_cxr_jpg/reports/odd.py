"""Archives as programs other than the release's own write them, and what is loaded of them."""

from __future__ import annotations

import gzip
import io
import tarfile
import warnings
import zipfile
from pathlib import Path
from typing import Any

from cxr_datasets.testing import rewrite
from tests.mimic_cxr_jpg.reports.conftest import load
from tests.mimic_cxr_jpg.reports.forms import TAR, ZIP, Texts

Entry = tuple[str, bytes | str]
"""A member's name, and its bytes; or, of a symbolic link, where it leads."""

Given = dict[int, str | None]
"""Study -> its report."""


def reports(data_dir: Path, cache: str, **options: Any) -> Given:
    rows = load(data_dir, cache, "reports", **options)
    return {row["study_id"]: row["report"] for row in rows}


def given(texts: Texts) -> Given:
    """What the studies of some texts must have."""
    return {int(Path(name).stem[1:]): text.decode() for name, text in texts.items()}


def found(texts: Texts, data_dir: Path, cache: str, **options: Any) -> Given:
    """What the studies of some texts have."""
    everything = reports(data_dir, cache, **options)
    return {study: everything[study] for study in given(texts)}


def zip_of(entries: list[Entry]) -> bytes:
    stream = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(stream, "w") as archive:
        warnings.simplefilter("ignore")  # of `zipfile`, for a name that stands twice
        for name, content in entries:
            info = zipfile.ZipInfo(name)
            info.create_system = 3  # Unix, which has links
            info.external_attr = (0o100644 if isinstance(content, bytes) else 0o120777) << 16
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def tar_of(entries: list[Entry], hard: bool = False) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in entries:
            info = tarfile.TarInfo(name)
            if isinstance(content, str):
                info.type, info.linkname = tarfile.LNKTYPE if hard else tarfile.SYMTYPE, content
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def write(form: str, folder: Path, entries: list[Entry]) -> None:
    if form == "zip":
        rewrite(folder / ZIP, zip_of(entries))
    else:
        rewrite(folder / TAR, gzip.compress(tar_of(entries), 1))
