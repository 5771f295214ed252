"""The command `cxr`: its verbs, and what each error becomes.

A verb's module, and the package of a dataset, are imported when their words are parsed, and not
before: `cxr --help` needs neither.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from importlib import import_module

from cxr_datasets._version import __version__
from cxr_datasets.cli.common import exit_code, exit_code_of, printed
from cxr_datasets.cli.parser import Parser
from cxr_datasets.errors import CxrError
from cxr_datasets.wording import safe, safe_json

_VERBS = {
    "synthesize": "write a small invented release",
    "access": "list the steps to be allowed to read a dataset",
    "download": "get a copy of a release, or a part of one",
    "export": "write a dataset to Parquet, to tar shards, or to the files of other programs",
    "verify": "say what a place holds, and whether it is whole",
    "stats": "count what a copy or an export holds",
    "preview": "write a page that shows a dataset",
    "push": "send an export to a private Hub repository",
    "cache": "list or remove the images of remote copies that are kept on disk",
}
"""Verb -> its line in the help. Its module in this room adds its arguments."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: Words of the command line; None takes the process's own.

    Returns:
        Exit code: 0; 1 if problems were found, or after an error, which is printed without a
        traceback; 2 for a word or a value that does not exist; 130 after Ctrl-C.
    """
    as_json = False
    try:
        options, unknown = _parser().parse_known_args(arguments)
        if unknown:
            # The verb's own usage lists the options that it has.
            options.command.error(f"unrecognized arguments: {' '.join(unknown)}")
        as_json = getattr(options, "json", False)
        result = options.run(options)
        print(printed(result, as_json))
        return exit_code(result)
    except (CxrError, KeyboardInterrupt) as error:
        message = str(error) or "stopped"
        print(safe(f"cxr: {message}"), file=sys.stderr)
        if as_json:
            print(safe_json({"error": type(error).__name__, "message": message}))
        return exit_code_of(error)


def _parser() -> Parser:
    parser = Parser(prog="cxr", description="Chest X-ray datasets.")
    parser.add_argument("--version", action="version", version=f"cxr-datasets {__version__}")
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")
    for verb, line in _VERBS.items():
        verbs.add_parser(verb, help=line, fill=partial(_fill, verb))
    return parser


def _fill(verb: str, parser: Parser) -> None:
    import_module(f"cxr_datasets.cli.{verb}").add_arguments(parser)
