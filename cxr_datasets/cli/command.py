"""The command `cxr`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from inspect import Parameter, signature
from types import ModuleType
from typing import Any

from cxr_datasets._version import __version__
from cxr_datasets.cli.export import add_export
from cxr_datasets.cli.push import add_push
from cxr_datasets.errors import CxrError
from cxr_datasets.packages import builder_class, known_datasets, package_of
from cxr_datasets.synthetic import synthesize


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: Words of the command line; None takes the process's own.

    Returns:
        Exit code: 0; 1 after an error, which is printed without a traceback; 130 after Ctrl-C.
    """
    options, unknown = _parser().parse_known_args(arguments)
    if unknown:
        # By the command itself, whose usage lists the options it has.
        options.command.error(f"unrecognized arguments: {' '.join(unknown)}")
    try:
        options.run(options)
    except CxrError as error:
        print(f"cxr: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as error:
        print(f"cxr: {error or 'stopped'}", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cxr", description="Chest X-ray datasets.")
    parser.add_argument("--version", action="version", version=f"cxr-datasets {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    releases = commands.add_parser(
        "synthesize",
        help="write a small invented release",
        description="Write a small, wholly invented release of a dataset: its real layout, tables "
        "and quirks, nobody's data. The same options give the same bytes.",
    )
    datasets = releases.add_subparsers(required=True, metavar="DATASET", dest="dataset")
    known = known_datasets()
    for name in known:
        _add_dataset(datasets, name, import_module(f"{package_of(name)}.synthetic"))
    add_export(commands, {name: builder_class(name) for name in known})
    add_push(commands)
    return parser


def _add_dataset(datasets: Any, name: str, module: ModuleType) -> None:
    """Add a dataset's command; its options are those of the dataset's own `write_release`."""
    command = datasets.add_parser(name, help=(module.__doc__ or "").splitlines()[0])
    command.add_argument("out", metavar="OUT", help="folder to make; must be empty or not exist")
    for option in signature(module.write_release).parameters.values():
        if option.kind is Parameter.KEYWORD_ONLY:
            command.add_argument(
                f"--{option.name.replace('_', '-')}",
                type=type(option.default),
                default=option.default,
                help=f"default: {option.default}",
            )
    command.set_defaults(run=_synthesize, command=command)


def _synthesize(options: argparse.Namespace) -> None:
    own = ("run", "command", "dataset")
    given = {name: value for name, value in vars(options).items() if name not in own}
    print(synthesize(options.dataset, given.pop("out"), **given))
