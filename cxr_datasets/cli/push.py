"""`cxr push`: the options of `push` as words of a command line."""

from __future__ import annotations

import argparse
from typing import Any

from cxr_datasets.push.send import push

_DESCRIPTION = (
    "Send a finished export to a private dataset repository on the Hugging Face Hub: one that is "
    "made, private, or is private already. Nothing is sent to a public one, gated or not. Stopped "
    "in whatever way, the same command goes on. The token is the one of `hf auth login`, or of the "
    "environment variable HF_TOKEN."
)


def add_push(commands: Any) -> None:
    """Add the command to those of `cxr`.

    Args:
        commands: Subparsers of the command line.
    """
    command: argparse.ArgumentParser = commands.add_parser(
        "push", help="send an export to a private Hub repository", description=_DESCRIPTION
    )
    command.add_argument("folder", metavar="OUT", help="the folder that `cxr export` wrote")
    command.add_argument("repo", metavar="USER/NAME", help="the repository")
    command.add_argument(
        "--i-have-signed-the-dua",
        action="store_true",
        help="needed for credentialed data such as MIMIC-CXR-JPG: you, and everyone who can read "
        "the repository, signed its data use agreement",
    )
    command.add_argument(
        "--organization",
        metavar="NAME",
        help="needed for credentialed data in a repository of an organization, all of whose "
        "members can read it: names it",
    )
    command.add_argument("--commit-message", metavar="TEXT", help="default: names the dataset")
    command.add_argument(
        "--no-verify",
        dest="verify",
        action="store_false",
        help="do not load the copy back to count its rows",
    )
    command.set_defaults(run=_run, command=command)


def _run(options: argparse.Namespace) -> None:
    given = {name: value for name, value in vars(options).items() if name not in ("run", "command")}
    print(push(given.pop("folder"), given.pop("repo"), **given))
