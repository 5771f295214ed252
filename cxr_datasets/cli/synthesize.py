"""`cxr synthesize`: the options of a dataset's invented release as words of a command line."""

from __future__ import annotations

import argparse
from inspect import Parameter, signature

from cxr_datasets.cli.common import given
from cxr_datasets.cli.parser import Parser, add_datasets

_DESCRIPTION = (
    "Write a small, wholly invented release of a dataset: its real layout, tables and quirks, "
    "nobody's data. The same options give the same bytes."
)


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
    for option in signature(release_writer(dataset)).parameters.values():
        if option.kind is Parameter.KEYWORD_ONLY:
            command.add_argument(
                f"--{option.name.replace('_', '-')}",
                type=type(option.default),
                default=option.default,
                help=f"Default: {option.default}.",
            )
    command.set_defaults(run=_run, command=command)


def _run(options: argparse.Namespace) -> object:
    from cxr_datasets.synthetic import synthesize

    words = given(options)
    return synthesize(words.pop("dataset"), words.pop("out"), **words)
