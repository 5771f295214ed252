"""`cxr access`: the steps to be allowed to read a dataset, as a checklist."""

from __future__ import annotations

import argparse

from cxr_datasets.cli.common import add_common, given
from cxr_datasets.cli.parser import Parser, add_datasets

_DESCRIPTION = (
    "List what to do to be allowed to read a dataset: each step with its address, how long it "
    "takes, and where to ask. With a login at hand, from ~/.netrc or the environment, the server "
    "is asked once for each project which steps it accepts already; nothing is downloaded. Exit "
    "code 1 if it says that one is missing."
)

_EXAMPLES = """examples:
  {prog}
  {prog} --no-ask --json
"""


def add_arguments(parser: Parser) -> None:
    """Add a command for every dataset.

    Args:
        parser: Parser of the verb.
    """
    parser.description = _DESCRIPTION
    add_datasets(parser, _add_options)


def _add_options(dataset: str, command: Parser) -> None:
    command.add_examples(_EXAMPLES)
    command.add_argument(
        "--no-ask", dest="ask", action="store_false", help="Ask no server; only list the steps."
    )
    add_common(command)
    command.set_defaults(run=_run, command=command)


def _run(options: argparse.Namespace) -> object:
    from cxr_datasets.copies import access

    words = given(options)
    return access(words.pop("dataset"), **words)
