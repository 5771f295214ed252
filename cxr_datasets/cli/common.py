"""What the verbs share: their common options, how a result is printed, and the exit code.

A verb's `_run` gives a result. It is printed as a text, by its `__str__` or, if that has several
lines, by its `lines`; or with `--json` as one JSON object, by its `as_json` or, for a dataclass, by
its fields. Its `exit_code`, or else its number of `problems`, decides how the command ends.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from typing import Any

from cxr_datasets.cli.parser import FROM_A_FILE, Entry, read_options
from cxr_datasets.errors import OptionError
from cxr_datasets.wording import safe, safe_json

DONE, PROBLEMS, WRONG_USAGE, STOPPED = 0, 1, 2, 130
"""Exit codes: all is well; problems were found, or an error ended the command; a word of the
command line is wrong; Ctrl-C."""

_OPTIONS_OF_STORES = ("storage_options", "out_options")
"""Options that a command line takes from a file, as others on the machine see a command line."""

_NOT_OF_THE_VERB = ("run", "command", "json")


def add_common(
    parser: argparse.ArgumentParser,
    *,
    json: bool = True,
    log: bool = False,
    progress: bool = False,
    options: Iterable[str] = (),
) -> None:
    """Add the options that several verbs have.

    Args:
        parser: Parser of the verb, or of a dataset below it.
        json: Whether to add `--json`.
        log: Whether to add `--log FILE`, which the verb's function takes as `log`.
        progress: Whether to add `--progress` and `--no-progress`.
        options: Names of storage options to add, each of which is read from a file.
    """
    for name in options:
        text = f"Options of the store, as its fsspec file system takes them. {FROM_A_FILE}"
        parser.add_argument(f"--{name.replace('_', '-')}", metavar="FILE", help=text)
    if progress:
        parser.add_argument(
            "--progress",
            action=argparse.BooleanOptionalAction,
            default=True,
            help="Show a progress bar.",
        )
    if log:
        parser.add_argument(
            "--log",
            metavar="FILE",
            help="File on a disk of this machine to which one line of JSON is added when the "
            "command ends, for audits: who, when, which options and places, counts, sha256 of the "
            "manifests, and the outcome. It holds no texts, ids or secrets.",
        )
    if json:
        parser.add_argument(
            "--json", action="store_true", help="Print one JSON object, for machines."
        )


def add_named_options(parser: argparse.ArgumentParser) -> None:
    """Add `--option NAME=VALUE`, for verbs that learn from the place which dataset it is of."""
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        dest="options",
        help="Option of the dataset, such as views=frontal, as `cxr export DATASET --help` lists "
        'them; several values as a JSON list: \'views=["PA", "AP"]\'. May be given several times, '
        "for other options.",
    )
    parser.add_argument(
        "--layer",
        action=Entry,
        default={},
        metavar="NAME=ADDRESS",
        dest="layers",
        help="Table of other people to join, as `cxr export DATASET --help` says. May be given "
        "several times.",
    )


def given(options: argparse.Namespace) -> dict[str, Any]:
    """Give the options of a verb as its Python function takes them.

    Args:
        options: The words of the command line, parsed.

    Raises:
        OptionError: A file of storage options cannot be read.
    """
    words = {name: value for name, value in vars(options).items() if name not in _NOT_OF_THE_VERB}
    for name in _OPTIONS_OF_STORES:
        if words.get(name) is not None:
            words[name] = read_options(name, words[name])
    if "options" in words:
        words["options"] = _named_once(words["options"])
        layers = words.pop("layers", None)
        words["options"] |= {"layers": layers} if layers else {}
    return words


def _named_once(words: list[str]) -> dict[str, Any]:
    """Read words of `--option`, none of which may replace another."""
    found: dict[str, Any] = {}
    for name, value in map(_named, words):
        if name in found:
            raise OptionError(
                f"--option {name} is given twice. Give several values as a JSON list: "
                f'--option \'{name}=["one", "two"]\'.'
            )
        found[name] = value
    return found


def _named(word: str) -> tuple[str, Any]:
    name, equals, value = word.partition("=")
    if not equals:
        raise OptionError(f"--option {word} has no value. Give it as NAME=VALUE.")
    plain: Any = value
    with suppress(ValueError):  # numbers and lists
        plain = json.loads(value)
    return name.replace("-", "_"), plain


def printed(result: Any, as_json: bool) -> str:
    """Write the result of a verb as it is printed."""
    if not as_json:
        lines = getattr(result, "lines", None)  # of a result that is more than one
        return "\n".join(map(safe, lines())) if lines else safe(str(result))
    as_fields = partial(asdict, result)
    return safe_json(getattr(result, "as_json", as_fields)())


def exit_code(result: Any) -> int:
    """Give the exit code of a verb that came to a result."""
    code = getattr(result, "exit_code", None)
    if code is not None:
        return code
    return PROBLEMS if getattr(result, "problems", 0) else DONE


def exit_code_of(error: BaseException) -> int:
    """Give the exit code of a verb that an error of ours, or Ctrl-C, ended."""
    if isinstance(error, KeyboardInterrupt):
        return STOPPED
    return WRONG_USAGE if isinstance(error, OptionError) else PROBLEMS
