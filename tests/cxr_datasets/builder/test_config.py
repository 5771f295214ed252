"""What the options of a dataset say of themselves."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import datasets

from cxr_datasets.builder.config import CxrConfig, option_help


@dataclass
class ExtendedConfig(CxrConfig):
    quality: str | None = field(default=None, metadata={"help": "Keep only images so good."})
    internal: int = 0


def test_every_shared_option_has_its_help_in_the_order_of_the_fields() -> None:
    plain = {option.name for option in fields(datasets.BuilderConfig)}
    own = [option.name for option in fields(CxrConfig) if option.name not in plain]
    assert list(option_help(CxrConfig)) == own


def test_an_option_of_the_dataset_follows_and_one_without_help_is_left_out() -> None:
    described = option_help(ExtendedConfig)
    assert list(described) == [*option_help(CxrConfig), "quality"]
    assert described["quality"] == "Keep only images so good."


def test_help_is_one_or_two_plain_sentences() -> None:
    for name, text in option_help(CxrConfig).items():
        assert "`" not in text, name
        assert text.endswith("."), name
        assert 1 <= text.count(". ") + 1 <= 2, name
