"""One test case that every builder here passes, with every config.

After the `DatasetBuilderTestCase` of TensorFlow Datasets.
"""

from __future__ import annotations

import importlib
import inspect
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from cxr_datasets.builder import overrides
from cxr_datasets.images.opening import open_image
from cxr_datasets.packages import builder_class
from cxr_datasets.testing.expected import CONFIGS, OF_AN_IMAGE, core_features
from cxr_datasets.testing.formats import FORMATS, assert_passes, need_format
from cxr_datasets.testing.guards import (
    ban_file_access,
    file_access_in,
    global_state,
    watch_file_access,
)
from cxr_datasets.testing.rows import arrow_files, assert_same, stored


@dataclass(frozen=True)
class Loaded:
    """What `load_dataset` gave, and what it was asked.

    Attributes:
        splits: The dataset.
        release: The release it was read from.
        cache: The `cache_dir` it was built in.
    """

    splits: datasets.DatasetDict
    release: Path
    cache: str


class BuilderCase:
    """Loads a release by `load_dataset` and compares every row with what its tables say.

    Subclass it as `Test...`, set `package`, and define `release` and `spine`:

        from cxr_datasets.testing import BuilderCase, read_table

        class TestBuilder(BuilderCase):
            package = "my_cxr"

            @pytest.fixture(scope="class")
            @classmethod
            def release(cls, tmp_path_factory):
                return write_release(tmp_path_factory.mktemp("release") / "my_cxr")

            def spine(self, release):
                rows = read_table(release / "images.csv")
                return pd.DataFrame({"image_id": rows.image, "study_id": ...})

    All tests then run for the configs `images`, `studies` and `reports`. The package must be
    installed (`pip install -e .` does), for its entry point names the builder.

    Attributes:
        package: The dataset's package, by whose name it is loaded.
        options: Options of `load_dataset` beyond `data_dir`.
        mode: Pillow's mode of the images, such as `L` for 8-bit greyscale.
    """

    package: ClassVar[str]
    options: ClassVar[dict[str, Any]] = {}
    mode: ClassVar[str] = "L"

    @pytest.fixture(scope="class")
    @classmethod
    def release(cls) -> Path:
        """The release to load. The subclass defines it; a class-scoped fixture."""
        raise NotImplementedError

    def spine(self, release: Path) -> pd.DataFrame:
        """Say what must come out, read from the release's tables without the code under test.

        Returns:
            A row per image, the rows of one split in the order in which they must come:

                - `image_id`: as the builder must give it.
                - `study_id`, `subject_id`: integers as the builder must give them. Or any other
                  keys, such as the strings of the tables, where the builder makes the integers:
                  then each key must get one number of its own, the same in all configs.
                - `path`: the image's file, relative to the release's root.
                - `split`: `train`, `validation` or `test`.
        """
        raise NotImplementedError

    @pytest.fixture(scope="class", params=CONFIGS)
    @classmethod
    def config(cls, request: pytest.FixtureRequest) -> str:
        """The config to load: each in turn."""
        return request.param

    @pytest.fixture(scope="class")
    @classmethod
    def loads(cls) -> dict[str, Loaded]:
        """What was loaded for the tests of this class, by config."""
        return {}

    @pytest.fixture(scope="class")
    @classmethod
    def numbers(cls) -> dict[str, dict[Any, int]]:
        """For `study_id` and `subject_id`, the number that each key of the spine was given."""
        return {"study_id": {}, "subject_id": {}}

    # For each test, as some give `config` themselves: a class's fixture would not always notice.
    @pytest.fixture
    def loaded(
        self,
        config: str,
        release: Path,
        loads: dict[str, Loaded],
        tmp_path_factory: pytest.TempPathFactory,
    ) -> Loaded:
        """The release, loaded once for each config. Use it in tests of your own too."""
        if config not in loads:
            cache = str(tmp_path_factory.mktemp("cache"))
            loads[config] = Loaded(self.load(config, release, cache), release, cache)
        return loads[config]

    @classmethod
    def load(cls, config: str, release: Path, cache: str, **more: Any) -> Any:
        """Load by `load_dataset`, with the options of the class and some more."""
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

    # Columns and rows.

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

    def test_rows_are_those_of_the_spine_in_its_order(
        self, config: str, loaded: Loaded, numbers: dict[str, dict[Any, int]]
    ) -> None:
        for name, rows in self.rows_of(config, loaded.release).items():
            found = stored(loaded.splits[name])
            for column in ("image_id", "path") if config == "images" else ():
                assert found[column].to_pylist() == rows[column].to_list(), column
            for column, numbered in numbers.items():
                ids, keys = found[column].to_pylist(), rows[column].to_list()
                if pd.api.types.is_integer_dtype(rows[column]):
                    assert ids == keys, column
                else:
                    assert ids == [
                        numbered.setdefault(key, id) for id, key in zip(ids, keys, strict=True)
                    ], column
        for numbered in numbers.values():
            assert len(set(numbered.values())) == len(numbered)

    @pytest.mark.parametrize("config", ["studies"], scope="class")
    def test_a_study_has_all_its_images_each_once(self, config: str, loaded: Loaded) -> None:
        of_study = self.spine(loaded.release).groupby("study_id")
        for name, studies in self.rows_of(config, loaded.release).items():
            found = stored(loaded.splits[name]).to_pylist()
            for row, study in zip(found, studies.study_id, strict=True):
                assert len(row["images"]) == len(row["views"]) == len(row["paths"]) > 0
                images = of_study.get_group(study)
                assert sorted(zip(row["paths"], row["image_ids"], strict=True)) == sorted(
                    zip(images.path, images.image_id, strict=True)
                )

    def test_splits_share_no_patient_study_image_or_pixels(
        self, config: str, loaded: Loaded
    ) -> None:
        seen: dict[str, dict[Any, str]] = {}
        for name, split in loaded.splits.items():
            for row in stored(split).to_pylist():
                for kind, value in _identity_of(row, loaded.release):
                    assert seen.setdefault(kind, {}).setdefault(value, name) == name, (kind, value)
        assert len(seen["subject_id"]) == self.spine(loaded.release).subject_id.nunique()

    def test_no_key_stands_twice(self, config: str, loaded: Loaded) -> None:
        key = "image_id" if config == "images" else "study_id"
        keys = [row[key] for split in loaded.splits.values() for row in stored(split).to_pylist()]
        assert len(keys) == len(set(keys))

    @pytest.mark.parametrize("config", ["reports"], scope="class")
    def test_reports_have_no_column_of_an_image(self, config: str, loaded: Loaded) -> None:
        of_images = {"path", "paths", *OF_AN_IMAGE, *(f"{name}s" for name in OF_AN_IMAGE)}
        for split in loaded.splits.values():
            assert not of_images & set(split.features)

    @pytest.mark.parametrize("config", ["images", "studies"], scope="class")
    def test_images_are_the_files_of_the_release(self, config: str, loaded: Loaded) -> None:
        for split in loaded.splits.values():
            for number in (0, split.num_rows - 1):
                row = split[number]
                images = [row["image"]] if config == "images" else row["images"]
                paths = [row["path"]] if config == "images" else row["paths"]
                for image, path in zip(images, paths, strict=True):
                    assert image.mode == self.mode
                    with open_image(loaded.release / path) as file:
                        np.testing.assert_array_equal(np.asarray(image), np.asarray(file))

    def test_nothing_missing_is_an_empty_string_or_nan(self, loaded: Loaded) -> None:
        for split in loaded.splits.values():
            for row in stored(split).to_pylist():
                assert not [name for name, value in row.items() if value == "" or value != value]

    # The same rows, however they are loaded.

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
        self, config: str, loaded: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # Splits as small as a test's are written by one process otherwise.
        monkeypatch.setattr(overrides, "_ROWS_WORTH_PROCESSES", 0)
        assert_same(self.load(config, loaded.release, str(tmp_path), num_proc=2), loaded.splits)

    def test_one_split_asked_for_alone_is_that_split(self, config: str, loaded: Loaded) -> None:
        name, split = list(loaded.splits.items())[-1]
        alone = self.load(config, loaded.release, loaded.cache, split=f"{name}[:3]")
        assert stored(alone).to_pylist() == stored(split).slice(0, 3).to_pylist()

    @pytest.mark.parametrize("kind", FORMATS)
    def test_whole_rows_pass_every_formatter_built_and_streamed(
        self, kind: str, config: str, loaded: Loaded
    ) -> None:
        need_format(kind)
        split = loaded.splits["train"].select(range(3))
        assert_passes(split, kind, stored(split))
        streamed = self.load(config, loaded.release, loaded.cache, split="train", streaming=True)
        assert_passes(streamed, kind, stored(split))

    # What loading leaves alone.

    def test_the_script_and_the_builder_open_no_file_themselves(
        self, config: str, loaded: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        modules = self._modules()
        ban_file_access(monkeypatch, modules)
        for module in modules:  # the ban bites
            with pytest.raises(AssertionError, match=module):
                exec("open('tables.csv')", {"__name__": module})
        built = self.load(config, loaded.release, str(tmp_path))
        streamed = self.load(config, loaded.release, str(tmp_path), streaming=True)
        for name, split in built.items():
            rows = sum(len(rows) for rows in streamed[name].with_format("arrow").iter(1000))
            assert rows == len(split) == loaded.splits[name].num_rows

    def test_the_script_and_the_builder_do_not_even_import_what_opens_files(self) -> None:
        for module in self._modules():
            source = inspect.getsource(importlib.import_module(module))
            assert not file_access_in(source), module
        assert file_access_in("import os.path as p\nfrom pathlib import Path\nopen('x')") == [
            "os", "pathlib", "open",
        ]  # fmt: skip

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

    def _modules(self) -> list[str]:
        """The script's module and those of this project that its builder is made from."""
        ours = (self.package, "cxr_datasets")
        classes = inspect.getmro(builder_class(self.package))
        return [cls.__module__ for cls in classes if cls.__module__.split(".")[0] in ours]


def _identity_of(row: dict[str, Any], release: Path) -> list[tuple[str, Any]]:
    """What of a row must not come up in another split: its ids, and its files' content."""
    images = row.get("image_ids") or [row.get("image_id")]
    paths = row.get("paths") or [row.get("path")]
    return [
        ("subject_id", row["subject_id"]),
        ("study_id", row["study_id"]),
        *(("image_id", image) for image in images if image),
        *(("pixels", sha256((release / path).read_bytes()).hexdigest()) for path in paths if path),
    ]
