"""An address with a secret is refused at every door, and the secret is found nowhere afterwards."""

from __future__ import annotations

import logging
import pickle
import traceback
from collections.abc import Callable
from pathlib import Path

import datasets
import pytest

import indiana_cxr  # noqa: F401
from cxr_datasets.cli import main
from cxr_datasets.errors import CxrError
from cxr_datasets.export import export
from tests.secret_addresses import FORMS, WORD

Door = Callable[[str, Path, str], object]


def data_dir(address: str, release: Path, cache: str) -> object:
    return datasets.load_dataset("indiana_cxr", data_dir=address, cache_dir=cache)


def streamed(address: str, release: Path, cache: str) -> object:
    return datasets.load_dataset("indiana_cxr", data_dir=address, cache_dir=cache, streaming=True)


def images(address: str, release: Path, cache: str) -> object:
    return datasets.load_dataset(
        "indiana_cxr", data_dir=str(release), images=address, cache_dir=cache
    )


def reports(address: str, release: Path, cache: str) -> object:
    return datasets.load_dataset(
        "mimic_cxr_jpg", data_dir=str(release), reports=address, cache_dir=cache
    )


def addresses_only(address: str, release: Path, cache: str) -> object:
    return datasets.load_dataset(
        "indiana_cxr", data_dir=str(release), images=address, embed=False, cache_dir=cache
    )


def out(address: str, release: Path, cache: str) -> object:
    return export("indiana-cxr", str(release), address, cache_dir=cache)


def commanded(*words: str) -> None:
    """Run `cxr`, and raise what it ended with."""
    try:
        code = main(words)
    except SystemExit as error:
        code = int(str(error.code))
    if code:
        raise CxrError(f"exit code {code}")


def cxr_out(address: str, release: Path, cache: str) -> None:
    commanded(
        "export", "indiana-cxr", "--data-dir", str(release), f"--out={address}",
        "--cache-dir", cache,
    )  # fmt: skip


def cxr_data_dir(address: str, release: Path, cache: str) -> None:
    commanded(
        "export", "indiana-cxr", f"--data-dir={address}", "--out", f"{cache}/out",
        "--cache-dir", cache,
    )  # fmt: skip


def cxr_word(address: str, release: Path, cache: str) -> None:
    commanded("export", "indiana-cxr", f"--wrong={address}", "--data-dir", "a", "--out", "b")


def cxr_value(address: str, release: Path, cache: str) -> None:
    commanded("export", "indiana-cxr", f"--image-size={address}", "--data-dir", "a", "--out", "b")


def cxr_dataset(address: str, release: Path, cache: str) -> None:
    commanded("export", address)


def cxr_push(address: str, release: Path, cache: str) -> None:
    commanded("push", address, "lab/films")


DOORS: list[Door] = [
    data_dir, streamed, images, reports, addresses_only, out, cxr_out, cxr_data_dir, cxr_word,
    cxr_value, cxr_dataset, cxr_push,
]  # fmt: skip


def errors_of(error: BaseException | None) -> list[BaseException]:
    """An error, and all that it drags along."""
    if error is None:
        return []
    return [error, *errors_of(error.__cause__), *errors_of(error.__context__)]


@pytest.mark.parametrize("door", DOORS)
def test_an_address_with_a_secret_leaves_no_trace(
    door: Door, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    release = request.getfixturevalue("small_release" if door is reports else "indiana_release")
    monkeypatch.chdir(tmp_path)
    cache = str(tmp_path / "cache")
    caplog.set_level(logging.DEBUG)
    for form in FORMS:
        address = form.format(word=WORD)
        with pytest.raises(CxrError) as caught:
            door(address, release, cache)
        for error in errors_of(caught.value):
            told = "".join(traceback.format_exception_only(error))
            assert WORD not in f"{told}{error!r}{error.__dict__}", form
            assert WORD.encode() not in pickle.dumps(error), form
        printed = "".join(capfd.readouterr())
        assert WORD not in printed, form
        assert WORD not in caplog.text, form
    for file in tmp_path.rglob("*"):
        assert WORD not in str(file)
        if file.is_file():
            assert WORD.encode() not in file.read_bytes(), file
