"""`cxr download`: the options of `download` as words of a command line."""

from __future__ import annotations

import argparse

from cxr_datasets.cli.common import add_common, given
from cxr_datasets.cli.parser import FROM_A_FILE, Parser, add_datasets, read_options
from cxr_datasets.columns import SPLITS
from cxr_datasets.packages import builder_class

_DESCRIPTION = (
    "Get a copy of a release, or a part of one: its tables first, then just the images that the "
    "options choose. A file gets its name only when it is whole and has the published sha256. If "
    "it is stopped, in whatever way, the same command goes on; a second run fetches only what is "
    "missing or differs. The last line printed is the call that loads what is there."
)

_EXAMPLES = """examples:
  {prog} copy --limit 10
  {prog} copy --split test --reports
  {prog} copy --from s3://bucket/folder --views frontal
"""


def add_arguments(parser: Parser) -> None:
    """Add a command for every dataset.

    Args:
        parser: Parser of the verb.
    """
    parser.description = _DESCRIPTION
    add_datasets(parser, _add_options)


def _add_options(dataset: str, command: Parser) -> None:
    kind = builder_class(dataset)
    command.add_examples(_EXAMPLES)
    command.add_argument("out", metavar="OUT", help="Folder on a disk; it is made if need be.")
    versions = kind.PUBLISHED.versions if kind.PUBLISHED else ()
    command.add_argument(
        "--release", choices=versions, help=f"Version of the release. Default: {versions[0]}."
        if versions else argparse.SUPPRESS,
    )  # fmt: skip
    _add_selection(command, ", ".join(kind.RAW_VIEWS))
    publisher = kind.PUBLISHER
    if publisher and publisher.reports:
        command.add_argument(
            "--reports", action="store_true",
            help=f"Fetch {publisher.reports.file} too, which is another project.",
        )  # fmt: skip
    if publisher and publisher.archive:
        command.add_argument(
            "--keep-zip", action="store_true",
            help=f"Fetch all of it as one archive, and keep that: {publisher.archive} is read in "
            "place.",
        )  # fmt: skip
    _add_ways(command, publisher.name if publisher else "")
    add_common(command, log=True, progress=True)
    command.set_defaults(run=_run, command=command)


def _add_selection(command: Parser, raw: str) -> None:
    command.add_argument(
        "--split",
        nargs="+",
        choices=SPLITS,
        metavar="SPLIT",
        help=f"Splits that are wanted: {', '.join(SPLITS)}. Default: all.",
    )
    own = f", or the release's own names: {raw}" if raw else ""
    command.add_argument(
        "--views", nargs="+", metavar="VIEW",
        help=f"Views that are wanted: frontal, lateral, oblique, unknown{own}. Default: all.",
    )  # fmt: skip
    command.add_argument(
        "--ids", metavar="FILE",
        help="Ids of images, studies or patients that are wanted: a list with an id a line, a CSV "
        "or JSON. Ids that are not in the tables are counted.",
    )  # fmt: skip
    command.add_argument(
        "--limit", type=int, metavar="N",
        help="Most images, the first in the release's own order. Default: all.",
    )  # fmt: skip
    command.add_argument(
        "--images", choices=("yes", "no"), default="yes",
        help="Whether to fetch images; no: only the tables. Default: yes.",
    )  # fmt: skip


def _add_ways(command: Parser, site: str) -> None:
    where = f" Default: {site}." if site else ""
    command.add_argument(
        "--from", dest="source", metavar="PLACE", required=not site,
        help=f"Folder, archive or address (s3://, gs://, https://, sftp://) of a copy.{where}",
    )  # fmt: skip
    command.add_argument(
        "--from-options", dest="source_options", metavar="FILE",
        help=f"Options of that store, as its fsspec file system takes them. {FROM_A_FILE}",
    )  # fmt: skip
    command.add_argument(
        "--connections", type=int, metavar="N",
        help="Most connections at once. Default: 4 to the publisher's site, where 8 are the most.",
    )  # fmt: skip
    command.add_argument(
        "--check", action="store_true",
        help="Read files again that an earlier run found to be whole.",
    )  # fmt: skip
    command.add_argument(
        "--dry-run", action="store_true",
        help="Only tell how many files and bytes it would be, and how long it would take at the "
        "rate at which a few came. Exit code 1 if there is no room.",
    )  # fmt: skip
    if site:
        command.add_argument(
            "--print-wget", action="store_true",
            help="Only write the list of files, and print the command that fetches it.",
        )  # fmt: skip


def _run(options: argparse.Namespace) -> object:
    from cxr_datasets.copies import download

    words = given(options)
    words["images"] = words["images"] == "yes"
    if words["source_options"] is not None:
        words["source_options"] = read_options("from_options", words["source_options"])
    return download(words.pop("dataset"), words.pop("out"), **words)
