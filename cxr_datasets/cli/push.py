"""`cxr push`: the options of `push` as words of a command line."""

from __future__ import annotations

import argparse

from cxr_datasets.cli.common import add_common, given
from cxr_datasets.cli.parser import Parser

_DESCRIPTION = (
    "Send a finished export to a private dataset repository on the Hugging Face Hub, which is made "
    "if it does not exist. Nothing is sent to a public one, gated or not. If it is stopped, in "
    "whatever way, the same command goes on. The token is the one of `hf auth login`, or of the "
    "environment variable HF_TOKEN."
)


def add_arguments(parser: Parser) -> None:
    """Add the arguments of the command.

    Args:
        parser: Parser of the verb.
    """
    parser.description = _DESCRIPTION
    parser.add_argument("folder", metavar="OUT", help="The folder that `cxr export` wrote.")
    parser.add_argument("repo", metavar="USER/NAME", help="The repository.")
    parser.add_argument(
        "--i-have-signed-the-dua",
        action="store_true",
        help="Needed for credentialed data: you, and everyone who can read the repository, signed "
        "the data use agreement.",
    )
    parser.add_argument(
        "--organization",
        metavar="NAME",
        help="Needed for credentialed data in a repository of an organization, all of whose "
        "members can read it: the name of the organization.",
    )
    parser.add_argument(
        "--commit-message", metavar="TEXT", help="Default: the name of the dataset and the version."
    )
    parser.add_argument(
        "--no-verify",
        dest="verify",
        action="store_false",
        help="Do not load the copy back to count its rows.",
    )
    add_common(parser, log=True)
    parser.set_defaults(run=_run, command=parser)


def _run(options: argparse.Namespace) -> object:
    from cxr_datasets.push import push

    words = given(options)
    return push(words.pop("folder"), words.pop("repo"), **words)
