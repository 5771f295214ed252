"""What an export notes of itself is made anew from its files where it was cut or changed."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cxr_datasets.errors import ExportError, HubError
from cxr_datasets.export import export
from cxr_datasets.export.lock import locked
from cxr_datasets.push import push
from cxr_datasets.testing import copy_release, rewrite
from tests.cxr_datasets.export.conftest import contents, states

MANIFEST = ".cxr/images.jsonl"
Change = Callable[[bytes], bytes]


def a_bit_at(share: float) -> Change:
    """Change a bit at a place between the first byte, 0, and the last, 1."""

    def change(content: bytes) -> bytes:
        at = int(share * (len(content) - 1))
        return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]

    return change


CHANGES: dict[str, Change] = {
    "empty": lambda content: b"",
    "zeros": lambda content: bytes(len(content)),
    "cut in its header": lambda content: content[:100],
    "cut behind its header": lambda content: content[: content.index(b"\n") + 40],
    "cut at its end": lambda content: content[:-1],
    "no UTF-8": lambda content: b"\xff" + content,
    "a list": lambda content: b"[]\n",
    "another record": lambda content: b'{"name": 1}\n' + content,
    "an older form": lambda content: content.replace(b'"sum"', b'"was"'),
    **{f"a bit at {share}": a_bit_at(share) for share in (0, 0.3, 0.6, 0.9, 0.97, 1)},
}


def again(release: Path, out: Path, cache: str, **options: object) -> None:
    export(
        "indiana-cxr", release, out, cache_dir=cache, rows_per_file=16, progress=False, **options
    )  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def whole(indiana_release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "out"
    again(indiana_release, out, str(out.with_name("cache")))
    return out


@pytest.fixture
def out(whole: Path, tmp_path: Path) -> Path:
    return copy_release(whole, tmp_path / "out")


def changed(out: Path, change: Change, name: str = MANIFEST) -> None:
    rewrite(out / name, change((out / name).read_bytes()))


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_manifest_is_made_anew_and_no_finished_file_is_written_again(
    out: Path, whole: Path, indiana_release: Path, cache: str, change: str
) -> None:
    changed(out, CHANGES[change])
    files = [str(file.relative_to(out)) for file in sorted(out.glob("images/*.parquet"))]
    before = states(out, files)
    again(indiana_release, out, cache)
    assert states(out, files) == before
    assert contents(out) == contents(whole)


def test_one_line_says_that_the_manifest_is_made_anew(
    out: Path, indiana_release: Path, cache: str, caplog: pytest.LogCaptureFixture
) -> None:
    changed(out, CHANGES["zeros"])
    with caplog.at_level(logging.WARNING, "cxr_datasets"):
        again(indiana_release, out, cache)
    assert caplog.messages == [f"{MANIFEST} is damaged and made anew"]


@pytest.mark.parametrize("options", [{"views": ["frontal"]}, {"image_size": 16}])
def test_files_of_other_options_are_not_overwritten_where_the_manifest_is_damaged(
    out: Path, indiana_release: Path, cache: str, options: dict[str, object]
) -> None:
    changed(out, CHANGES["zeros"])
    before = contents(out)
    with pytest.raises(ExportError, match=r"images.jsonl was cut or changed.* with other options"):
        again(indiana_release, out, cache, **options)
    assert contents(out) == before


def test_the_damaged_manifest_of_another_config_is_told_with_the_way_to_mend_it(
    out: Path, indiana_release: Path, cache: str
) -> None:
    changed(out, CHANGES["zeros"])
    with pytest.raises(ExportError, match=r"Run the `cxr export` command of config images again"):
        again(indiana_release, out, cache, config="studies")
    again(indiana_release, out, cache)
    again(indiana_release, out, cache, config="studies")


@pytest.mark.parametrize("change", CHANGES)
def test_an_export_with_a_changed_manifest_is_not_sent(out: Path, change: str) -> None:
    changed(out, CHANGES[change])
    with pytest.raises(HubError, match="`cxr export` command"):
        push(out, "alice/films")


@pytest.mark.parametrize("name", ["README.md", "croissant.json"])
@pytest.mark.parametrize("change", ["empty", "zeros", "no UTF-8"])
def test_what_stands_beside_the_files_is_written_anew(
    out: Path, whole: Path, indiana_release: Path, cache: str, name: str, change: str
) -> None:
    changed(out, CHANGES[change], name)
    again(indiana_release, out, cache)
    assert contents(out) == contents(whole)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"7", b"{}", b'{"host": 1}', b"\xff\xfe", b'{"host":"a","pid":"x"}']
)
def test_a_lock_that_nobody_can_read_keeps_nobody_out(
    out: Path, whole: Path, indiana_release: Path, cache: str, content: bytes
) -> None:
    rewrite(out / ".cxr/lock", content)
    again(indiana_release, out, cache)
    assert contents(out) == contents(whole)


@pytest.mark.parametrize("content", [b"[]", b'{"host": 1}', b"\xff\xfe"])
def test_an_unreadable_lock_that_is_held_still_keeps_others_out(
    out: Path, indiana_release: Path, cache: str, content: bytes
) -> None:
    from cxr_datasets.export.folder import Folder

    rewrite(out / ".cxr/lock", b"")  # that of the export it was copied from stays as it is
    with locked(Folder(out)):
        (out / ".cxr/lock").write_bytes(content)
        with pytest.raises(ExportError, match="written to by another process"):
            again(indiana_release, out, cache)


@pytest.mark.parametrize("name", [".cxr", "images", "README.md", "croissant.json", ".cxr/lock"])
def test_what_stands_in_the_way_of_a_file_is_named(
    out: Path, indiana_release: Path, cache: str, name: str
) -> None:
    place = out / name
    if place.is_dir():
        shutil.rmtree(place)
        place.write_text("")
    else:
        place.unlink()
        place.mkdir()
    with pytest.raises(ExportError) as told:
        again(indiana_release, out, cache)
    assert str(out) in str(told.value)
