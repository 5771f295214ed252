"""A parser that learns its arguments when it is used, and options made from dataclass fields."""

from __future__ import annotations

import argparse
import json
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import Field
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from cxr_datasets.errors import OptionError
from cxr_datasets.packages import known_datasets
from cxr_datasets.wording import safe

FROM_A_FILE = "Give a JSON file of them: others on the machine see a command line."
"""Ends the help of an option that takes storage options."""


_SEVERAL_TIMES = 'May be given several times; fields are given as JSON: NAME={"address": ...}.'


class Entry(argparse.Action):
    """Collects `NAME=VALUE` of several words into one dictionary; JSON objects become such."""

    def __call__(
        self, parser: Any, namespace: Any, values: Any, option_string: str | None = None
    ) -> None:
        """Add the entry of one word."""
        name, equals, value = values.partition("=")
        if not equals:
            parser.error(f"{option_string} {values} has no value. Give it as NAME=VALUE.")
        if value.lstrip().startswith("{"):
            try:
                value = json.loads(value)
            except ValueError:
                parser.error(f"{option_string} {name}: the value is no JSON object.")
        entries = dict(getattr(namespace, self.dest, None) or {})
        if name in entries:
            parser.error(f"{option_string} {name} is given twice.")
        setattr(namespace, self.dest, {**entries, name: value})


class _Help(argparse.RawDescriptionHelpFormatter):
    """Wraps a text of one line, and keeps the lines of one that has several, as examples have."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if "\n" in text:
            return super()._fill_text(text, width, indent)
        return argparse.HelpFormatter._fill_text(self, text, width, indent)


class Parser(argparse.ArgumentParser):
    """An `ArgumentParser` that adds its arguments just before it parses.

    So a command imports what its own words need, and nothing that other commands need.
    """

    def __init__(
        self, *arguments: Any, fill: Callable[[Parser], None] | None = None, **options: Any
    ):
        """Make a parser.

        Args:
            *arguments: As for `ArgumentParser`.
            fill: Is called once with this parser, and adds its arguments.
            **options: As for `ArgumentParser`.
        """
        super().__init__(*arguments, **options)
        self._fill = fill

    def add_examples(self, text: str) -> None:
        """Show examples at the end of the help.

        Args:
            text: Their lines; `{prog}` stands for the words of this command.
        """
        self.epilog = text.format(prog=self.prog)
        self.formatter_class = _Help

    def error(self, message: str) -> NoReturn:
        """End with a message, which echoes words of the command line: without secrets."""
        super().error(safe(message))

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse words, as `ArgumentParser` does."""
        fill, self._fill = self._fill, None
        if fill is not None:
            fill(self)
        return super().parse_known_args(args, namespace)


def add_datasets(parser: Parser, fill: Callable[[str, Parser], None]) -> None:
    """Add a command for every dataset that is installed, in both spellings; import none of them.

    Args:
        parser: Parser of a verb.
        fill: Is called with the name of a dataset and its parser when that is used.
    """
    datasets = parser.add_subparsers(required=True, metavar="DATASET", dest="dataset")
    for name in known_datasets():
        line = f"its options: {parser.prog} {name} --help"
        datasets.add_parser(
            name, aliases=[name.replace("-", "_")], help=line, description=parser.description,
            fill=partial(fill, name),
        )  # fmt: skip


def add_option(group: Any, option: Field[Any], hint: Any) -> None:
    """Add an option for a field of a dataclass; it stays out of the result if it is not given.

    Args:
        group: Parser, or group of arguments in one.
        option: The field. Its metadata holds `help`, and may hold `metavar`, and a `word` for the
            command line, if the name can be none there.
        hint: Its type: a string, integer, float or bool, a list of one of these, a mapping, which
            is read from a file, or a dictionary, of which each word gives one entry and whose name
            is then in the singular; or None.
    """
    is_union = typing.get_origin(hint) in (types.UnionType, typing.Union)
    kinds = typing.get_args(hint) if is_union else (hint,)
    kind = next(kind for kind in kinds if kind is not types.NoneType)
    said: dict[str, Any] = {"default": argparse.SUPPRESS}
    text = option.metadata.get("help", "")
    if typing.get_origin(kind) is list:
        (kind,) = typing.get_args(kind)
        said["nargs"] = "+"
    if kind is bool:
        said["action"] = argparse.BooleanOptionalAction
    elif typing.get_origin(kind) is Mapping:
        said["metavar"] = "FILE"
        text = f"{text} {FROM_A_FILE}"
    elif kind in (int, float):
        said["type"] = kind
    if "metavar" in option.metadata:
        said["metavar"] = option.metadata["metavar"]
    flag = f"--{option.metadata.get('word', option.name).replace('_', '-')}"
    if typing.get_origin(kind) is dict:
        flag, said["action"] = flag.removesuffix("s"), Entry
        text = f"{text} {_SEVERAL_TIMES}"
    group.add_argument(flag, dest=option.name, help=text.replace("%", "%%"), **said)


def read_options(name: str, file: str) -> dict[str, Any]:
    """Read storage options from a file: everybody on the machine can see a command line."""
    option = f"--{name.replace('_', '-')}"
    try:
        read = json.loads(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        # The text of the error may quote the file.
        raise OptionError(f"{option}={file} cannot be read: {type(error).__name__}.") from None
    if not isinstance(read, dict):
        raise OptionError(f"{option}={file} must hold a JSON object of options.")
    return read
