"""One test case that every store passes: a release in it loads as one on this machine's disk does.

It builds on `cxr_datasets.testing.StoreCase`, which checks single files. A store's own test
subclasses both, and gives the place of a release in it and the options to read it with.
"""

from __future__ import annotations

import importlib
import io
import pickle
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import datasets
import numpy as np
import PIL.Image
import pytest

from cxr_datasets.errors import CxrError, MissingImagesError
from cxr_datasets.testing import files_under
from cxr_datasets.testing.forking import in_fork
from cxr_datasets.testing.store_case import StorePlace

CONFIGS = ("images", "studies", "reports")


class Place(StorePlace, Protocol):
    """A folder in a store, as its owner sees it, who is told what others read of it."""

    def reads(self) -> Iterable[str]:
        """Paths of the files whose bytes were asked for so far, in order."""


@dataclass
class Release:
    """A release in a store, and how to read it.

    Attributes:
        place: Its folder.
        options: Storage options.
        secrets: What of them nobody may see.
        url: Its address, if that is not the folder's.
    """

    place: Place
    options: dict[str, Any] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    url: str = ""

    def load(self, package: str, cache: str, /, config: str = "images", **options: Any) -> Any:
        """Load it by the public door."""
        importlib.import_module(package)
        options = {"storage_options": self.options, **options}
        return datasets.load_dataset(
            package, config, data_dir=self.url or self.place.url, cache_dir=cache, **options
        )

    def tables_read(self) -> list[str]:
        """The tables and archives of reports whose bytes were asked for so far."""
        endings = (".csv", ".csv.gz", "reports.zip")
        return [path for path in self.place.reads() if path.endswith(endings)]


def check_kept(remote: Release, local: Path, cache: str) -> None:
    """Check that images once fetched are read from the disk until the store has others."""

    def read(split: Any) -> tuple[list[bytes], int]:
        """The pixels of all images, and how many files were asked for."""
        before = len(list(remote.place.reads()))
        pixels = [row["image"].tobytes() for row in split]
        return pixels, len(list(remote.place.reads())) - before

    def load() -> Any:
        options = {"embed": False, "cache": "1GB", "cache_folder": f"{cache}-kept"}
        return remote.load("mimic_cxr_jpg", cache, split="train", **options)

    pixels, asked = read(load())
    assert asked == len(pixels)
    assert read(load()) == (pixels, 0)
    path = load()["path"][0]  # one of those that a load looks at
    image = PIL.Image.open(local / path).transpose(PIL.Image.Transpose.ROTATE_180)
    content = io.BytesIO()
    image.save(content, "jpeg")
    remote.place.put(path, content.getvalue())
    changed, asked = read(load())
    assert asked == len(pixels)
    assert changed[0] != pixels[0]
    assert changed[1:] == pixels[1:]
    assert read(load()) == (changed, 0)


class LoadCase:
    """Subclass it as `Test...` and define the fixture `remote`."""

    @pytest.fixture
    def remote(self, package: str, release: Path) -> Release:
        """A copy of `release` in the store, which the test may change."""
        raise NotImplementedError

    def test_rows_built_and_streamed_are_those_of_the_local_copy(
        self, package: str, release: Path, remote: Release, cache: str
    ) -> None:
        for config in CONFIGS:
            expected = rows_of(load_local(package, release, f"{cache}-local", config))
            streamed = remote.load(package, cache, config, streaming=True)
            assert rows_of(streamed) == expected
            if config == "images":
                assert all(row["image"] for row in expected)
                assert rows_of(remote.load(package, cache, config)) == expected

    def test_a_second_start_reads_no_table(self, package: str, remote: Release, cache: str) -> None:
        first = rows_of(remote.load(package, cache, streaming=True))
        tables = remote.tables_read()
        assert tables
        assert rows_of(remote.load(package, cache, streaming=True)) == first
        assert remote.tables_read() == tables

    @pytest.mark.parametrize("package", ["indiana_cxr"])
    def test_a_table_written_anew_is_noticed_even_if_no_longer_than_before(
        self, package: str, release: Path, remote: Release, cache: str
    ) -> None:
        before = rows_of(remote.load(package, cache, "reports"))
        content = (release / "indiana_reports.csv").read_bytes()
        remote.place.put("indiana_reports.csv", content.replace(b" the ", b" THE "))
        after = rows_of(remote.load(package, cache, "reports"))
        assert [row["study_id"] for row in after] == [row["study_id"] for row in before]
        assert after != before
        assert any(" THE " in (row["findings"] or "") for row in after)

    @pytest.mark.parametrize("package", ["indiana_cxr"])
    def test_an_image_that_is_gone_is_missing_when_it_is_read(
        self, package: str, remote: Release, cache: str
    ) -> None:
        paths = remote.load(package, cache, streaming=True)["train"]
        paths = [row["path"] for row in paths.select_columns("path")]
        gone = paths[1]
        starts = {
            missing: remote.load(package, cache, missing=missing, streaming=True)["train"]
            for missing in ("error", "skip", "null")
        }
        remote.place.remove(gone)
        assert [row["path"] for row in starts["skip"]] == [path for path in paths if path != gone]
        nulls = list(starts["null"])
        assert [row["path"] for row in nulls] == paths
        assert [row["path"] for row in nulls if row["image"] is None] == [gone]
        with pytest.raises(MissingImagesError, match=gone.rpartition("/")[2]):
            list(starts["error"])

    @pytest.mark.parametrize("package", ["indiana_cxr"])
    def test_images_kept_by_address_decode_here_and_in_forked_workers(
        self, package: str, release: Path, remote: Release, cache: str
    ) -> None:
        for streaming in (False, True):
            rows = remote.load(package, cache, embed=False, streaming=streaming)["train"]
            stored = list(arrow_rows(rows))
            assert {row["image"]["bytes"] for row in stored} == {None}
            assert all("://" in row["image"]["path"] for row in stored)
            assert all(row["path"] in row["image"]["path"] for row in stored)
            expected = [pixels((release / row["path"]).read_bytes()) for row in stored]
            for found in (decoded(rows), in_fork(lambda rows=rows: decoded(rows))):
                assert len(found) == len(expected)
                for image, file in zip(found, expected, strict=True):
                    np.testing.assert_array_equal(image, file)

    @pytest.mark.parametrize("package", ["indiana_cxr"])
    def test_worker_processes_read_with_the_options_given(
        self, package: str, release: Path, remote: Release, cache: str
    ) -> None:
        expected = rows_of(load_local(package, release, f"{cache}-local"))
        stream = remote.load(package, cache, streaming=True)["train"]
        first = next(iter(stream))  # connections are open before the fork
        assert first["path"] == expected[0]["path"]
        assert in_fork(lambda: rows_of({"train": stream})) == expected
        again = pickle.loads(pickle.dumps(stream))
        assert in_fork(lambda: rows_of({"train": again})) == expected
        assert rows_of(remote.load(package, cache, num_proc=2)) == expected


class LoginCase(LoadCase):
    """As `LoadCase`, of a store that knows its users."""

    @pytest.mark.parametrize("package", ["mimic_cxr_jpg"])
    def test_credentials_are_in_no_file_pickle_or_message(
        self, package: str, remote: Release, cache: str
    ) -> None:
        built = remote.load(package, cache)
        stream = remote.load(package, cache, streaming=True)
        list(stream["train"])
        builder = datasets.load_dataset_builder(
            package, data_dir=remote.url or remote.place.url, cache_dir=cache,
            storage_options=remote.options,
        )  # fmt: skip
        remote.place.remove(next(iter(built["train"]))["path"])
        with pytest.raises(CxrError) as caught:
            list(stream["train"])
        absent = "".join(traceback.format_exception(caught.value))
        found = {
            "pickle of a stream": pickle.dumps(stream),
            "pickle of a builder": pickle.dumps(builder),
            "pickle of the rows": pickle.dumps(built["train"]),
            "message": absent.encode(),
            "features and info": repr((built, built["train"].info, stream, builder)).encode(),
            **{file: (Path(cache) / file).read_bytes() for file in files_under(cache)},
        }
        assert any(name.endswith(".arrow") for name in found)
        assert remote.secrets
        for secret in remote.secrets:
            assert [name for name, content in found.items() if secret.encode() in content] == []
            assert not [name for name in found if secret in name]


def load_local(package: str, release: Path, cache: str, config: str = "images") -> Any:
    """Load a release from this machine's own disk."""
    importlib.import_module(package)
    return datasets.load_dataset(package, config, data_dir=str(release), cache_dir=cache)


def rows_of(splits: Any) -> list[dict[str, Any]]:
    """All rows, with their split, and the bytes of their images."""
    return [
        {"split": name, **{key: _contents(key, value) for key, value in row.items()}}
        for name, split in splits.items()
        for row in arrow_rows(split)
    ]


def arrow_rows(split: Any) -> Iterator[dict[str, Any]]:
    """Rows as they are stored: images undecoded."""
    for table in split.with_format("arrow").iter(batch_size=1000):
        yield from table.to_pylist()


def _contents(key: str, value: Any) -> Any:
    if key == "image":
        return _content(value)
    return list(map(_content, value)) if key == "images" else value


def _content(image: dict[str, Any] | None) -> bytes | None:
    if image is None or image["bytes"] is not None:
        return image and image["bytes"]
    return Path(image["path"]).read_bytes()


def pixels(content: bytes) -> np.ndarray[Any, Any]:
    """An image file's pixels."""
    with PIL.Image.open(io.BytesIO(content)) as image:
        return np.asarray(image)


def decoded(rows: Any) -> list[np.ndarray[Any, Any]]:
    """The images of rows, as a user gets them."""
    return [np.asarray(row["image"]) for row in rows]
