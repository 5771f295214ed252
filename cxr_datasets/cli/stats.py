"""`cxr stats`: the options of `stats` as words of a command line."""

from __future__ import annotations

import argparse

from cxr_datasets.cli.common import add_common, add_named_options, given
from cxr_datasets.cli.parser import Parser
from cxr_datasets.errors import OptionError

_DESCRIPTION = (
    "Count what a copy of a release, or an export, holds: images, studies and patients of each "
    "split; views; labels in four states, for each source of labels; how far the sources agree; "
    "lengths of reports and sections; missing values; days between studies of a patient. No image "
    "is read, except with --pixels. Only numbers are printed: no ids, no texts."
)

_EXAMPLES = """\
examples:
  cxr stats copies/2.1.0
  cxr stats s3://bucket/export --split train --pixels 500 --json
"""

_ALL = "all"


def add_arguments(parser: Parser) -> None:
    """Add the arguments of the command.

    Args:
        parser: Parser of the verb.
    """
    parser.description = _DESCRIPTION
    parser.add_examples(_EXAMPLES)
    parser.add_argument("place", metavar="PLACE", help="A folder, a .zip or an address.")
    parser.add_argument(
        "--dataset", metavar="NAME", help="Name of the dataset, where the place does not tell it."
    )
    parser.add_argument(
        "--split", nargs="+", metavar="SPLIT", help="Splits to count. Default: all."
    )
    parser.add_argument(
        "--pixels",
        type=int,
        default=0,
        metavar="N",
        help="Decode N images, drawn at random, and print mean and standard deviation by view, for "
        "normalising. Default: 0.",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="Of these images: the same one draws the same. "
        "Default: 0.",
    )  # fmt: skip
    parser.add_argument(
        "--reports",
        metavar="N",
        help="Most reports of a release to measure, spread over its studies, or `all`, which takes "
        "longer than all else. Default: 20000. Of an export all are measured.",
    )
    add_named_options(parser)
    add_common(parser, progress=True, options=("storage_options",))
    parser.set_defaults(run=_run, command=parser)


def _run(options: argparse.Namespace) -> object:
    from cxr_datasets.preview import stats

    words = given(options)
    reports = words.pop("reports")
    if reports is not None:
        words["reports"] = None if reports == _ALL else _number(reports)
    return stats(words.pop("place"), **words)


def _number(word: str) -> int:
    if not word.isdecimal():
        raise OptionError(f"--reports {word} is not a number. Give one, or `{_ALL}`.")
    return int(word)
