"""What switches something is True or False: the text `no`, which counts as True, is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from datasets import load_dataset_builder

import cxr_datasets.export
import indiana_cxr  # noqa: F401
from cxr_datasets.copies import access, download, verify
from cxr_datasets.errors import OptionError
from cxr_datasets.export import export
from cxr_datasets.flags import check_flags
from cxr_datasets.preview import preview, stats
from cxr_datasets.push import push
from cxr_datasets.testing import files_under


@pytest.mark.parametrize("value", ["no", "False", 0, 1, None, 1.0])
def test_only_true_and_false_are_flags(value: object) -> None:
    check_flags(one=True, other=False)
    with pytest.raises(OptionError, match=r"other=.* is not known\. Choose from: True, False"):
        check_flags(one=True, other=value)


CALLS: list[tuple[Callable[..., Any], list[str]]] = [
    (
        lambda release, out, **flag: export("indiana-cxr", release, out / "export", **flag),
        ["dry_run", "verify", "progress"],
    ),
    (
        lambda release, out, **flag: export(
            "indiana-cxr", release, out / "task", form="r2gen", **flag
        ),
        ["write_images"],
    ),
    (lambda release, out, **flag: cxr_datasets.export.verify(out, **flag), ["progress"]),
    (
        lambda release, out, **flag: push(out, "someone/some-repo", **flag),
        ["i_have_signed_the_dua", "verify"],
    ),
    (
        lambda release, out, **flag: verify(release, **flag),
        ["sizes", "checksums", "decode", "part", "progress"],
    ),
    (
        lambda release, out, **flag: download("indiana-cxr", out / "copy", source=release, **flag),
        ["reports", "images", "check", "dry_run", "print_wget", "keep_zip", "progress"],
    ),
    (lambda release, out, **flag: access("mimic-cxr-jpg", **flag), ["ask"]),
    (
        lambda release, out, **flag: preview(release, out=out / "page.html", **flag),
        ["synthetic", "progress"],
    ),
    (lambda release, out, **flag: stats(release, **flag), ["progress"]),
    (
        lambda release, out, **flag: load_dataset_builder(
            "indiana_cxr", data_dir=str(release), cache_dir=str(out / "cache"), **flag
        ),
        ["embed", "labels_text", "allow_shared_patients"],
    ),
]


@pytest.mark.parametrize(
    ("call", "name"), [(call, name) for call, names in CALLS for name in names],
    ids=[f"{number} {name}" for number, (_, names) in enumerate(CALLS) for name in names],
)  # fmt: skip
def test_no_call_takes_the_text_no_for_yes(
    call: Callable[..., Any], name: str, indiana_release: Path, tmp_path: Path
) -> None:
    with pytest.raises(OptionError, match=f"{name}='no' is not known"):
        call(indiana_release, tmp_path, **{name: "no"})
    assert [file for file in files_under(tmp_path) if "cache" not in str(file)] == []
