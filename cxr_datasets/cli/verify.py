"""`cxr verify`: the options of `verify` as words of a command line."""

from __future__ import annotations

import argparse

from cxr_datasets.cli.common import add_common, given
from cxr_datasets.cli.parser import FROM_A_FILE, Parser

_DESCRIPTION = (
    "Say what a place holds, a release, a part of one or an export, and whether it is whole. Of a "
    "release its tables are counted and compared with each other, and its folders are listed once; "
    "images are read only with --sizes, --checksums or --decode. Of an export every file is read. "
    "Nothing in it is changed. Exit code 1 if there are problems."
)

_EXAMPLES = """\
examples:
  cxr verify my-copy --checksums --since state.jsonl
  cxr verify s3://bucket/copy --part --report problems.csv --json
"""

_SWITCHES = {
    "sizes": "Compare width and height in the header of each image with the tables. Nothing is "
    "decoded.",
    "checksums": "Read every file, and compare its sha256 with the release's list.",
    "decode": "Decode every pixel of every image.",
    "part": "Images that are absent are counted, and are no problem.",
}


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
        help="Folder, .zip or address of a release, a part of one or an export; "
        "hf://datasets/USER/NAME for one that was pushed.",
    )
    for name, text in _SWITCHES.items():
        parser.add_argument(f"--{name}", action="store_true", help=text)
    parser.add_argument(
        "--reports",
        metavar="ADDRESS",
        help="Where the reports are, if they are a project of their own. Default: they are looked "
        "for in the copy, above it and beside it.",
    )
    parser.add_argument(
        "--report",
        metavar="FILE.csv",
        help="Write a row for each problem: problem, image_id, study_id, path, expected, found.",
    )
    parser.add_argument(
        "--since",
        metavar="FILE",
        help="Keep in this file what was read of each file. A run that is stopped goes on with it, "
        "and a later one reads only files that were changed since.",
    )
    parser.add_argument(
        "--storage-options",
        "--out-options",  # as it was called when exports alone were verified
        metavar="FILE",
        help=f"Options of the store, as its fsspec file system takes them. {FROM_A_FILE}",
    )
    add_common(parser, progress=True, log=True)
    parser.set_defaults(run=_run, command=parser)


def _run(options: argparse.Namespace) -> object:
    from cxr_datasets.copies import verify

    words = given(options)
    return verify(words.pop("place"), **words)
