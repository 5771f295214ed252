"""One test case that every builder here passes, with every config.

A dataset's own test subclasses `BuilderCase` and says what its release holds, read on its own from
the tables; the case loads it by `load_dataset` and compares. After the `DatasetBuilderTestCase` of
TensorFlow Datasets.
"""

from __future__ import annotations

import ast
import builtins
import glob
import hashlib
import importlib
import inspect
import io
import logging
import os
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, ClassVar

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from datasets import ClassLabel, Value
from PIL import Image, ImageFile

CONFIGS = ("images", "studies", "reports")

LABELS = (
    *("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Enlarged Cardiomediastinum"),
    *("Fracture", "Lung Lesion", "Lung Opacity", "No Finding", "Pleural Effusion"),
    *("Pleural Other", "Pneumonia", "Pneumothorax", "Support Devices"),
)
VIEWS = ["frontal", "lateral", "oblique", "unknown"]

# Written down a second time on purpose: whoever changes a core column changes it here too.
CORE: dict[str, Any] = {
    "image": datasets.Image(),
    "image_id": Value("string"),
    "study_id": Value("int64"),
    "subject_id": Value("int64"),
    "view": ClassLabel(names=VIEWS),
    "report": Value("string"),
    "indication": Value("string"),
    "comparison": Value("string"),
    "findings": Value("string"),
    "impression": Value("string"),
    "labels": {label: Value("int8") for label in LABELS},
}
OF_AN_IMAGE = ("image", "image_id", "view")

BUILDER_MODULES = ("cxr_datasets.builder.builder", "cxr_datasets.builder.overrides")
"""Those of the builder's classes, in which `datasets` replaces `open` and others."""

_NO_FILE_ACCESS = {"os", "io", "pathlib", "glob", "shutil", "fsspec", "tempfile", "gzip", "zipfile"}


@dataclass(frozen=True)
class Loaded:
    """What `load_dataset` gave, and what it was asked."""

    splits: datasets.DatasetDict
    release: Path
    cache: str


class BuilderCase:
    """Subclass it as `Test...`, set `package`, and define `release` and `spine`.

    Attributes:
        package: The dataset's package, the name it is loaded by.
        options: Options of `load_dataset` beyond `data_dir`.
    """

    package: ClassVar[str]
    options: ClassVar[dict[str, Any]] = {}

    @pytest.fixture(scope="class")
    @classmethod
    def release(cls) -> Path:
        """The release to load; a class-scoped fixture of the subclass."""
        raise NotImplementedError

    def spine(self, release: Path) -> pd.DataFrame:
        """What the release's tables say, read without the code under test.

        Returns:
            A row per image that must come out: `image_id`, `study_id`, `subject_id`, `path` (from
            the release's root) and `split`; the rows of one split in the order in which they must.
        """
        raise NotImplementedError

    @pytest.fixture(scope="class", params=CONFIGS)
    @classmethod
    def config(cls, request: pytest.FixtureRequest) -> str:
        return request.param

    @pytest.fixture(scope="class")
    @classmethod
    def loads(cls) -> dict[str, Loaded]:
        """What was loaded for the tests of this class, by config."""
        return {}

    # For each test, as some give `config` themselves: a class's fixture would not always notice.
    @pytest.fixture
    def loaded(
        self,
        config: str,
        release: Path,
        loads: dict[str, Loaded],
        tmp_path_factory: pytest.TempPathFactory,
    ) -> Loaded:
        if config not in loads:
            cache = str(tmp_path_factory.mktemp("cache"))
            loads[config] = Loaded(self.load(config, release, cache), release, cache)
        return loads[config]

    @classmethod
    def load(cls, config: str, release: Path, cache: str, **more: Any) -> Any:
        importlib.import_module(cls.package)
        arguments = {**cls.options, **more}
        return datasets.load_dataset(
            cls.package, config, data_dir=str(release), cache_dir=cache, **arguments
        )

    def rows_of(self, config: str, release: Path) -> dict[str, pd.DataFrame]:
        """The spine's rows of each split: images, or studies in the order they first appear."""
        spine = self.spine(release)
        if config != "images":
            spine = spine.drop_duplicates("study_id")
        return {str(split): rows for split, rows in spine.groupby("split", sort=False)}

    def test_the_core_columns_come_first_and_are_of_the_shared_types(
        self, config: str, loaded: Loaded
    ) -> None:
        expected = core_features(config)
        for split in loaded.splits.values():
            assert list(split.features)[: len(expected)] == list(expected)
            core = datasets.Features({name: split.features[name] for name in expected})
            assert core == expected
            assert core.arrow_schema.types == expected.arrow_schema.types

    def test_features_are_the_same_in_every_split_and_as_stored(self, loaded: Loaded) -> None:
        first, *others = loaded.splits.values()
        assert all(split.features == first.features for split in others)
        for split in loaded.splits.values():
            assert split.data.table.schema.types == first.features.arrow_schema.types

    def test_row_counts_are_those_of_the_spine(self, config: str, loaded: Loaded) -> None:
        expected = {name: len(rows) for name, rows in self.rows_of(config, loaded.release).items()}
        assert {name: split.num_rows for name, split in loaded.splits.items()} == expected

    def test_rows_are_those_of_the_spine_in_its_order(self, config: str, loaded: Loaded) -> None:
        keys = ["study_id", "subject_id"]
        if config == "images":
            keys += ["image_id", "path"]
        for name, rows in self.rows_of(config, loaded.release).items():
            found = stored(loaded.splits[name]).select(keys).to_pylist()
            assert found == rows[keys].to_dict("records")

    @pytest.mark.parametrize("config", ["studies"], scope="class")
    def test_a_study_has_all_its_images_each_once(self, config: str, loaded: Loaded) -> None:
        of_study = self.spine(loaded.release).groupby("study_id")
        expected = {int(study): sorted(rows.path) for study, rows in of_study}
        found: dict[int, list[str]] = {}
        for split in loaded.splits.values():
            for row in stored(split).to_pylist():
                assert len(row["images"]) == len(row["paths"]) == len(row["views"]) > 0
                files = [path.rsplit("/", 1)[-1].split(".")[0] for path in row["paths"]]
                assert files == row["image_ids"]
                found[row["study_id"]] = sorted(row["paths"])
        assert found == expected

    def test_splits_share_no_patient_study_image_or_pixels(
        self, config: str, loaded: Loaded
    ) -> None:
        seen: dict[str, dict[Any, str]] = {}
        for name, split in loaded.splits.items():
            for row in stored(split).to_pylist():
                for kind, value in identity_of(row, loaded.release):
                    assert seen.setdefault(kind, {}).setdefault(value, name) == name, (kind, value)
        assert len(seen["subject_id"]) == self.spine(loaded.release).subject_id.nunique()

    def test_no_key_stands_twice(self, config: str, loaded: Loaded) -> None:
        key = "image_id" if config == "images" else "study_id"
        keys = [row[key] for split in loaded.splits.values() for row in stored(split).to_pylist()]
        assert len(keys) == len(set(keys))

    @pytest.mark.parametrize("config", ["reports"], scope="class")
    def test_reports_have_no_column_of_an_image(self, config: str, loaded: Loaded) -> None:
        of_images = {"path", "paths", *OF_AN_IMAGE, *(f"{name}s" for name in OF_AN_IMAGE)}
        assert not of_images & set(loaded.splits["train"].features)

    @pytest.mark.parametrize("config", ["images", "studies"], scope="class")
    def test_images_are_the_files_of_the_release(self, config: str, loaded: Loaded) -> None:
        for split in loaded.splits.values():
            for number in (0, split.num_rows - 1):
                row = split[number]
                images = [row["image"]] if config == "images" else row["images"]
                paths = [row["path"]] if config == "images" else row["paths"]
                for image, path in zip(images, paths, strict=True):
                    assert image.mode == "L"
                    with Image.open(loaded.release / path) as file:
                        np.testing.assert_array_equal(np.asarray(image), np.asarray(file))

    def test_nothing_missing_is_an_empty_string_or_nan(self, loaded: Loaded) -> None:
        for split in loaded.splits.values():
            for row in stored(split).to_pylist():
                assert not [name for name, value in row.items() if value == "" or value != value]

    def test_loaded_again_it_comes_from_the_cache_and_is_the_same(
        self, config: str, loaded: Loaded
    ) -> None:
        before = arrow_files(loaded.cache)
        again = self.load(config, loaded.release, loaded.cache)
        assert arrow_files(loaded.cache) == before
        assert len(before) == len(loaded.splits)
        assert_same(again, loaded.splits)

    def test_built_anew_it_is_the_same(self, config: str, loaded: Loaded, tmp_path: Path) -> None:
        assert_same(self.load(config, loaded.release, str(tmp_path)), loaded.splits)

    def test_streamed_it_is_the_same_rows_in_the_same_order(
        self, config: str, loaded: Loaded, tmp_path: Path
    ) -> None:
        streamed = self.load(config, loaded.release, str(tmp_path), streaming=True)
        assert list(streamed) == list(loaded.splits)
        for name, split in loaded.splits.items():
            assert streamed[name].features == split.features
            batches = streamed[name].with_format("arrow").iter(batch_size=1000)
            assert pa.concat_tables(batches).to_pylist() == stored(split).to_pylist()

    def test_two_processes_build_the_same_rows_in_the_same_order(
        self, config: str, loaded: Loaded, tmp_path: Path
    ) -> None:
        assert_same(self.load(config, loaded.release, str(tmp_path), num_proc=2), loaded.splits)

    def test_one_split_asked_for_alone_is_that_split(self, config: str, loaded: Loaded) -> None:
        name, split = list(loaded.splits.items())[-1]
        alone = self.load(config, loaded.release, loaded.cache, split=f"{name}[:3]")
        assert stored(alone).to_pylist() == stored(split).slice(0, 3).to_pylist()

    def test_the_script_and_the_builder_open_no_file_themselves(
        self, config: str, loaded: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        modules = [f"{self.package}.{self.package}", *BUILDER_MODULES]
        ban_file_access(monkeypatch, modules)
        for module in modules:  # the ban bites
            with pytest.raises(AssertionError, match=module):
                exec("open('tables.csv')", {"__name__": module})
        built = self.load(config, loaded.release, str(tmp_path))
        streamed = self.load(config, loaded.release, str(tmp_path), streaming=True)
        for name, split in built.items():
            rows = sum(len(rows) for rows in streamed[name].with_format("arrow").iter(1000))
            assert rows == len(split) == loaded.splits[name].num_rows

    def test_building_opens_no_image_and_lists_no_folder_of_images(
        self, config: str, release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        images = {str(release / path) for path in self.spine(release).path}
        closed = images | {str(Path(image).parent) for image in images} - {str(release)}
        seen = watch_file_access(monkeypatch)
        self.load(config, release, str(tmp_path))
        assert seen
        assert not closed & seen

    def test_loading_leaves_global_state_alone(
        self, config: str, release: Path, tmp_path: Path
    ) -> None:
        before = global_state()
        self.load(config, release, str(tmp_path))
        assert global_state() == before

    def test_the_script_and_the_builder_do_not_even_import_what_opens_files(self) -> None:
        for module in (f"{self.package}.{self.package}", *BUILDER_MODULES):
            source = inspect.getsource(importlib.import_module(module))
            assert not file_access_in(source), module
        assert file_access_in("import os.path as p\nfrom pathlib import Path\nopen('x')") == [
            "os", "pathlib", "open",
        ]  # fmt: skip


def core_features(config: str) -> datasets.Features:
    """The core columns as they must be in one config."""
    if config == "images":
        return datasets.Features(CORE)
    if config == "reports":
        return datasets.Features({n: f for n, f in CORE.items() if n not in OF_AN_IMAGE})
    lists = {name: f"{name}s" for name in OF_AN_IMAGE}
    return datasets.Features(
        {lists.get(n, n): [f] if n in OF_AN_IMAGE else f for n, f in CORE.items()}
    )


def stored(split: datasets.Dataset) -> pa.Table:
    """Rows as they are stored: images are their path and bytes, not decoded."""
    return split.with_format("arrow")[:]


def assert_same(found: datasets.DatasetDict, expected: datasets.DatasetDict) -> None:
    assert list(found) == list(expected)
    for name, split in expected.items():
        assert found[name].features == split.features
        assert stored(found[name]).to_pylist() == stored(split).to_pylist()


def arrow_files(cache: str) -> list[tuple[str, int, int]]:
    """Name, inode and time of every Arrow file of a dataset in a cache."""
    files = sorted(file for file in Path(cache).rglob("*.arrow") if "cxr_index" not in file.parts)
    return [(str(file), file.stat().st_ino, file.stat().st_mtime_ns) for file in files]


def identity_of(row: dict[str, Any], release: Path) -> list[tuple[str, Any]]:
    """What of a row must not come up in another split: its ids, and its files' content."""
    images = row.get("image_ids") or [row.get("image_id")]
    paths = row.get("paths") or [row.get("path")]
    return [
        ("subject_id", row["subject_id"]),
        ("study_id", row["study_id"]),
        *(("image_id", image) for image in images if image),
        *(("pixels", digest_of(release / path)) for path in paths if path),
    ]


def digest_of(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def ban_file_access(monkeypatch: pytest.MonkeyPatch, modules: list[str]) -> None:
    """Let every way to a file raise when the code of one of some modules calls it."""

    def guarded(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def guard(*args: Any, **kwargs: Any) -> Any:
            caller = sys._getframe(1).f_globals.get("__name__")
            assert caller not in modules, f"{caller} calls {function.__name__}"
            return function(*args, **kwargs)

        return guard

    for place in (os, os.path, glob, Path):
        for name, member in list(vars(place).items()):
            is_plain = inspect.isroutine(member) and not isinstance(member, classmethod)
            if is_plain and not name.startswith("_"):
                monkeypatch.setattr(place, name, guarded(member))
    for place in (builtins, io):
        monkeypatch.setattr(place, "open", guarded(place.open))


def watch_file_access(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The set that the path of every file opened and every folder listed is put into."""
    seen: set[str] = set()

    def watched(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def watch(*args: Any, **kwargs: Any) -> Any:
            if args and isinstance(args[0], (str, os.PathLike)):
                seen.add(os.path.normpath(args[0]))
            return function(*args, **kwargs)

        return watch

    for place, name in (
        *((os, name) for name in ("open", "listdir", "scandir")),
        *((place, "open") for place in (builtins, io)),
        *((pa, name) for name in ("OSFile", "memory_map")),
    ):
        monkeypatch.setattr(place, name, watched(getattr(place, name)))
    return seen


def global_state() -> tuple[Any, ...]:
    """What a library must not change behind its user's back."""
    numpy_state = np.random.get_state()
    return (
        random.getstate(),
        *(str(part) for part in numpy_state),
        ImageFile.LOAD_TRUNCATED_IMAGES,
        Image.MAX_IMAGE_PIXELS,
        os.getcwd(),
        dict(os.environ),
        logging.getLogger().level,
        logging.getLogger().handlers,
    )


def file_access_in(source: str) -> list[str]:
    """Modules that reach files which some source imports, and `open` if it is called."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append(node.module or "")
        elif isinstance(node, ast.Name) and node.id == "open":
            found.append("open")
    roots = [name.split(".")[0] for name in found]
    return [root for root in roots if root in _NO_FILE_ACCESS or root == "open"]
