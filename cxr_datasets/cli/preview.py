"""`cxr preview`: the options of `preview` as words of a command line."""

from __future__ import annotations

import argparse

from cxr_datasets.cli.common import add_common, add_named_options, given
from cxr_datasets.cli.parser import Parser

_DESCRIPTION = (
    "Write one page that shows a dataset: its figures as charts, and sample studies with images, "
    "labels and texts. The page is one file that opens in any browser without a network. If the "
    "dataset has an agreement, the file is closed to other users of the machine."
)
_EXAMPLES = """\
examples:
  cxr preview --synthetic --out preview.html
  cxr preview /data/my-copy --out preview.html --split test --studies 50
"""


def add_arguments(parser: Parser) -> None:
    """Add the arguments of the command.

    Args:
        parser: Parser of the verb.
    """
    parser.description = _DESCRIPTION
    parser.add_examples(_EXAMPLES)
    parser.add_argument(
        "place",
        metavar="PLACE",
        nargs="?",
        help="A copy of a release, or an export: a folder, an archive or an address.",
    )
    parser.add_argument(
        "--out", required=True, metavar="FILE", help="The page to write, such as preview.html."
    )
    parser.add_argument(
        "--synthetic",
        action="store_true",
        help="Show an invented release of a dataset; no PLACE is needed.",
    )
    parser.add_argument(
        "--dataset",
        metavar="NAME",
        help="Name of the dataset, where the place does not tell it. With --synthetic: which one "
        "to invent. Default: that with most columns.",
    )
    parser.add_argument("--split", nargs="+", help="Splits to show. Default: all.")
    parser.add_argument(
        "--studies", type=int, default=24, metavar="N", help="Sample studies. Default: 24."
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="Another one chooses other studies. Default: 0."
    )
    add_named_options(parser)
    add_common(parser, progress=True, options=["storage_options"])
    parser.set_defaults(run=_run, command=parser)


def _run(options: argparse.Namespace) -> object:
    from cxr_datasets.preview import preview

    words = given(options)
    return preview(words.pop("place"), **words)
