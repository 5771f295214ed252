"""`cxr synthesize`: the options of a dataset's invented release as words of a command line."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from inspect import Parameter, getdoc, signature

from cxr_datasets.cli.common import given
from cxr_datasets.cli.parser import Parser, add_datasets
from cxr_datasets.wording import safe

_DESCRIPTION = (
    "Write a small, wholly invented release of a dataset: its real layout, tables and quirks, "
    "nobody's data. The same options give the same bytes."
)
_ARGUMENT = re.compile(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", re.MULTILINE)


def add_arguments(parser: Parser) -> None:
    """Add a command for every dataset.

    Args:
        parser: Parser of the verb.
    """
    parser.description = _DESCRIPTION
    add_datasets(parser, _add_options)


def _add_options(dataset: str, command: Parser) -> None:
    """Add the options of the dataset's own `write_release`."""
    from cxr_datasets.synthetic import release_writer

    command.add_argument("out", metavar="OUT", help="Folder to make; must be empty or not exist.")
    writer = release_writer(dataset)
    about = _about(writer)
    for option in signature(writer).parameters.values():
        if option.kind is Parameter.KEYWORD_ONLY:
            command.add_argument(
                f"--{option.name.replace('_', '-')}",
                type=type(option.default),
                default=option.default,
                help=f"{about.get(option.name, '')} Default: {_shown(option.default)}.".strip(),
            )
    command.set_defaults(run=_run, command=command)


def _about(writer: Callable[..., object]) -> dict[str, str]:
    """What the docstring of a function says of each argument, in one line, for argparse."""
    section = (getdoc(writer) or "").partition("Args:\n")[2].partition("\n\n")[0]
    found = dict(_ARGUMENT.findall(section))
    return {
        name: safe(" ".join(text.split())).replace("`", "").replace("%", "%%")
        for name, text in found.items()
    }


def _shown(default: object) -> object:
    return "none" if default == "" else default


def _run(options: argparse.Namespace) -> object:
    from cxr_datasets.synthetic import synthesize

    words = given(options)
    return synthesize(words.pop("dataset"), words.pop("out"), **words)
