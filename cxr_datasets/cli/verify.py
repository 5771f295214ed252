"""`cxr verify`: the options of `verify` as words of a command line."""

from __future__ import annotations

import argparse

from cxr_datasets.cli.common import add_common, given
from cxr_datasets.cli.parser import Parser

_DESCRIPTION = (
    "Read the files of an export again and compare their sha256 with what the export noted. The "
    "release is not needed, and nothing is written. Exit code 1 if a file is gone or was changed, "
    "or if a Parquet file lies there that is not of the export."
)


def add_arguments(parser: Parser) -> None:
    """Add the arguments of the command.

    Args:
        parser: Parser of the verb.
    """
    parser.description = _DESCRIPTION
    parser.add_argument(
        "out", metavar="OUT", help="The folder that `cxr export` wrote, or its address."
    )
    add_common(parser, progress=True, options=["out_options"])
    parser.set_defaults(run=_run, command=parser)


def _run(options: argparse.Namespace) -> object:
    from cxr_datasets.export import verify

    words = given(options)
    return verify(words.pop("out"), **words)
