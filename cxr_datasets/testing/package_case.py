"""The test case for what stands around a builder: entry point, card, invented release."""

from __future__ import annotations

import importlib
import inspect
import pickle
from inspect import Parameter
from pathlib import Path
from typing import Any, ClassVar

import pytest

from cxr_datasets.builder.config import CxrConfig
from cxr_datasets.columns import CONFIGS
from cxr_datasets.errors import OptionError
from cxr_datasets.export.card import own_card
from cxr_datasets.hooks.agreements import agreements_in, license_text
from cxr_datasets.packages import builder_class, known_datasets, package_of
from cxr_datasets.synthetic import synthesize
from cxr_datasets.testing.rows import contents_under, files_under


class PackageCase:
    """Checks what a dataset's package needs beside a builder that works.

    Subclass it as `Test...` and set `package`. The package must be installed (`pip install -e .`
    does), for one test reads its entry point.

    Attributes:
        package: The dataset's package, such as `my_cxr`.
        small: Options of its `write_release` that make the invented release small.
    """

    package: ClassVar[str]
    small: ClassVar[dict[str, Any]] = {}

    def test_the_entry_point_names_the_builder_in_the_script(self) -> None:
        builder = builder_class(self.package)
        assert builder.__module__ == f"{self.package}.{self.package}"
        assert package_of(self.package) == self.package

    def test_the_builder_has_the_three_configs_and_says_what_the_data_are(self) -> None:
        builder = builder_class(self.package)
        configs = builder.BUILDER_CONFIGS
        assert tuple(config.name for config in configs) == CONFIGS
        assert all(type(config) is builder.BUILDER_CONFIG_CLASS for config in configs)
        assert issubclass(builder.BUILDER_CONFIG_CLASS, CxrConfig)
        assert {"description", "homepage", "license", "citation"} <= set(builder.INFO)

    def test_rows_can_carry_the_agreement(self) -> None:
        builder = builder_class(self.package)
        carried = agreements_in(license_text(builder.INFO["license"], builder.AGREEMENT))
        assert carried == ([builder.AGREEMENT] if builder.AGREEMENT else [])

    def test_the_card_begins_with_what_an_export_takes_over(self) -> None:
        assert own_card(self.package).text  # raises where the front matter is not enough

    def test_the_synthetic_module_is_one_that_the_command_line_can_call(self) -> None:
        module = importlib.import_module(f"{self.package}.synthetic")
        out, *options = inspect.signature(module.write_release).parameters.values()
        assert (out.name, out.kind) == ("out", Parameter.POSITIONAL_OR_KEYWORD)
        assert {option.kind for option in options} == {Parameter.KEYWORD_ONLY}
        assert all(type(option.default) in (int, float, str) for option in options)
        assert "seed" in {option.name for option in options}

    def test_the_same_seed_gives_the_same_bytes_and_another_gives_others(
        self, tmp_path: Path
    ) -> None:
        first, again, other = (
            contents_under(self._release(tmp_path / folder, seed))
            for folder, seed in (("first", 3), ("again", 3), ("other", 4))
        )
        assert first == again != other

    def test_an_invented_release_overwrites_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "mine.txt").write_text("keep")
        with pytest.raises(OptionError):
            self._release(tmp_path)
        assert files_under(tmp_path) == ["mine.txt"]

    def test_a_release_that_goes_to_other_processes_carries_no_rows(self, tmp_path: Path) -> None:
        root = self._release(tmp_path / "release")
        builder: Any = builder_class(self.package)(
            cache_dir=str(tmp_path / "cache"), data_dir=str(root)
        )
        before = pickle.dumps(builder.release)
        builder.write_index()  # reads the tables
        assert len(pickle.dumps(builder.release)) <= len(before)
        assert type(pickle.loads(before)) is type(builder.release)

    def _release(self, out: Path, seed: int = 0) -> Path:
        (name,) = (name for name in known_datasets() if package_of(name) == self.package)
        return synthesize(name, out, seed=seed, **self.small)
