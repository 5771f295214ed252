"""`cxr cache`: which images of remote copies are kept on a disk, and their removal."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

from cxr_datasets.cli.common import add_common
from cxr_datasets.cli.parser import Parser

_DESCRIPTION = (
    "List which images of remote copies are kept on a disk of this machine, as the option cache of "
    "load_dataset asks for: the address of each copy, how many files, how many bytes."
)

_EXAMPLES = """\
examples:
  {prog}
  {prog} --cache-folder /scratch/me --clear
"""


def add_arguments(parser: Parser) -> None:
    """Add the arguments of the command.

    Args:
        parser: Parser of the verb.
    """
    parser.description = _DESCRIPTION
    parser.add_examples(_EXAMPLES)
    parser.add_argument(
        "--cache-folder",
        metavar="FOLDER",
        help="As it was given to load_dataset. Default: the cache of datasets.",
    )
    parser.add_argument("--clear", action="store_true", help="Remove them all.")
    add_common(parser)
    parser.set_defaults(run=_run, command=parser)


@dataclass(frozen=True)
class _Result:
    places: list[Any]
    cleared: bool

    def lines(self) -> list[str]:
        from cxr_datasets.copies.results import size_told

        told = [
            f"{place.address}: {place.files:,} images, {size_told(place.size)}"
            for place in self.places
        ]
        told = told or ["No images of remote copies are kept."]
        return [*told, "All of them were removed."] if self.cleared and self.places else told


def _run(options: argparse.Namespace) -> object:
    from cxr_datasets.builder.kept import clear_kept_images, kept_images

    places = kept_images(options.cache_folder)
    if options.clear:
        clear_kept_images(options.cache_folder)
    return _Result(places, options.clear)
