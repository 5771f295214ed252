"""Write the tables of the pages that follow from the code, between their markers.

    python docs/generate.py            # write them anew
    python docs/generate.py --check    # end with 1 if a page is out of date
    python docs/generate.py --picture  # paint the contact sheet anew, too

A page says where a table goes:

    <!-- generated: columns mimic-cxr-jpg -->
    <!-- end of generated -->
"""

from __future__ import annotations

import argparse
import ast
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import MISSING, Field, fields
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest import mock

import datasets
import PIL.Image

from cxr_datasets import errors, limits
from cxr_datasets.builder.cohort_options import CohortOptions
from cxr_datasets.builder.config import CxrConfig, option_help
from cxr_datasets.builder.features import about_columns, config_features
from cxr_datasets.cli import main as cxr
from cxr_datasets.columns import CONFIGS, LABELS, plural
from cxr_datasets.hooks import HOOKS
from cxr_datasets.layers import Layer
from cxr_datasets.packages import builder_class, known_datasets, package_of
from cxr_datasets.tables.id_forms import MANY

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "images" / "contact_sheet.png"
GREYS = 32
"""Shades of the picture; more of them make a file that is slow to load and looks the same."""

_MARKED = re.compile(
    r"(?P<begin><!-- generated: (?P<name>.+?) -->\n).*?(?P<end><!-- end of generated -->)",
    re.DOTALL,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the tables, or check them.

    Returns:
        Exit code: 1 if a page was to be checked and is out of date, else 0.
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="write nothing; say what is old")
    parser.add_argument("--picture", action="store_true", help="paint the contact sheet anew")
    options = parser.parse_args(arguments)
    if options.picture:
        paint()
    old = [page for page in pages() if page.read_text("utf-8") != written(page)]
    for page in old:
        if options.check:
            print(f"{page.relative_to(ROOT)} is out of date: run python docs/generate.py")
        else:
            page.write_text(written(page), "utf-8")
    return int(options.check and bool(old))


def pages() -> list[Path]:
    """Pages that may hold tables, and the cards of the datasets."""
    cards = (ROOT / package_of(dataset) / "README.md" for dataset in known_datasets())
    docs = sorted((ROOT / "docs").rglob("*.md"))
    return [ROOT / "README.md", *docs, *(card for card in cards if card.exists())]


def written(page: Path) -> str:
    """The text of a page with its tables made anew."""

    def table(match: re.Match[str]) -> str:
        name, *words = match["name"].split()
        return f"{match['begin']}{TABLES[name](*words)}{match['end']}"

    return _MARKED.sub(table, page.read_text("utf-8"))


def paint() -> None:
    """Paint the contact sheet of invented images that `make demo` shows."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "demo")
        command = [sys.executable, "-m", "cxr_datasets.preview", str(place)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        sheet = PIL.Image.open(place / PICTURE.name)
        sheet.quantize(GREYS).save(PICTURE, optimize=True)


# --- tables ---------------------------------------------------------------------------------------


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of GitHub's Markdown, with an empty line before and after."""
    lines = [[cell.replace("|", r"\|") for cell in line] for line in (header, *rows)]
    shown = [f"| {' | '.join(line)} |\n" for line in lines]
    return "\n" + "".join([shown[0], f"|{'---|' * len(header)}\n", *shown[1:]]) + "\n"


def card_columns(dataset: str) -> str:
    """Every column of a dataset, with its type and what it holds, for its card."""
    kind = builder_class(dataset)
    of_images, of_studies = (config_features(c, kind.COLUMNS) for c in ("images", "studies"))
    rows = (
        [f"`{name}`", _kind(of_images[name]), "study" if name in of_studies else "image", about]
        for name, about in about_columns(kind.COLUMNS, kind.SOURCES).items()
    )
    return markdown_table(["column", "type", "of", "what it holds"], rows)


def columns(dataset: str) -> str:
    """Every column of a dataset, with its type in each config, and what it holds."""
    kind = builder_class(dataset)
    own, about = kind.COLUMNS, about_columns(kind.COLUMNS, kind.SOURCES)
    images, studies, reports = (config_features(config, own) for config in CONFIGS)

    def cells(name: str) -> list[str]:
        in_studies = name if name in studies else plural(name)
        of_studies = _kind(studies[in_studies])
        if in_studies != name:
            of_studies = f"`{in_studies}`: {of_studies}"
        of_reports = _kind(reports[name]) if name in reports else "-"
        return [f"`{name}`", _kind(images[name]), of_studies, of_reports, about[name]]

    header = ["column", *(f"in `{config}`" for config in CONFIGS), "what it holds"]
    return markdown_table(header, map(cells, images))


def _kind(feature: Any) -> str:
    if isinstance(feature, dict):
        return f"struct of {len(feature)} {next(iter(feature.values())).dtype}"
    if isinstance(feature, datasets.Value):
        return str(feature.dtype)
    if isinstance(feature, (list, tuple)):
        return f"list of {_kind(feature[0])}"
    if hasattr(feature, "feature"):  # datasets.List, datasets.Sequence
        return f"list of {_kind(feature.feature)}"
    return "Image" if isinstance(feature, datasets.Image) else type(feature).__name__


def options() -> str:
    """Options that every dataset has."""
    described = option_help(CxrConfig)
    rows = ((f"`{field.name}`", described[field.name], _default(field))
            for field in (*_own_fields(CxrConfig), *_own_fields(CohortOptions)))  # fmt: skip
    return markdown_table(["option", "what it does", "default"], rows)


def own_options() -> str:
    """Options that one dataset has alone."""
    return markdown_table(["option", "of", "what it does", "default"], _own_options())


def _own_options() -> Iterator[list[str]]:
    for dataset in known_datasets():
        config = builder_class(dataset).BUILDER_CONFIG_CLASS
        described = option_help(config)
        for field in _own_fields(config):
            yield [f"`{field.name}`", dataset, described.get(field.name, ""), _default(field)]


def _own_fields(config: type[CohortOptions]) -> list[Field[Any]]:
    """Fields that a class of options does not inherit as they are."""
    inherited = {field.name: field for field in fields(config.__mro__[1])}
    return [field for field in fields(config) if inherited.get(field.name) is not field]


def _default(field: Field[Any]) -> str:
    assert field.default is not MISSING, f"option {field.name} has no plain default"
    shown = f'"{field.default}"' if isinstance(field.default, str) else repr(field.default)
    return f"`{shown}`"


def error_table() -> str:
    """Every error, with what it says."""
    rows = (
        [f"`{name}`", _first_paragraph(kind)]
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.CxrError)
        if kind is not errors.CxrError
    )
    return markdown_table(["error", "says"], rows)


def _first_paragraph(thing: object) -> str:
    return " ".join((thing.__doc__ or "").partition("\n\n")[0].split())


def hooks() -> str:
    """What importing a dataset's package changes in other libraries."""
    rows = ([f"`{hook.target}`", hook.what, hook.why, hook.since] for hook in HOOKS)
    return markdown_table(["changed", "what happens", "why", "since"], rows)


def access_steps(dataset: str) -> str:
    """The steps to be allowed to read a dataset, as a checklist."""
    access = builder_class(dataset).ACCESS
    told = []
    for number, step in enumerate(access.steps, 1):
        optional = " (optional)" if step.optional else ""
        told.append(f"{number}. **{step.title}**{optional}: <{step.address}>. {step.about}\n")
        told += [f"    - {part}\n" for part in step.parts]
    places = " or ".join(f"<{address}>" for address in access.questions)
    return f"\n{''.join(told)}\nAsk at {places}.\n\n"


def labels() -> str:
    """The labels, in their order."""
    return f"\n{', '.join(LABELS)}.\n\n"


def page_table() -> str:
    """README's table of pages, with links from here."""
    text = (ROOT / "README.md").read_text("utf-8")
    (found,) = re.findall(r"^\| page \|.*\n(?:\|.*\n)+", text, re.MULTILINE)
    return "\n" + found.replace("](", "](../").replace("](../docs/", "](") + "\n"


# --- commands -------------------------------------------------------------------------------------


def commands() -> str:
    """Every command of `cxr`, with its arguments."""
    return "\n" + "".join(_verb(verb) for verb in _choices(parser_of()))


def parser_of(*words: str) -> argparse.ArgumentParser:
    """The parser of a command, whose help `cxr` would print."""
    found: list[argparse.ArgumentParser] = []
    asked = mock.patch.object(
        argparse.ArgumentParser, "print_help", lambda self, file=None: found.append(self)
    )
    with asked, suppress(SystemExit):
        cxr([*words, "--help"])
    return found[0]


def _choices(parser: argparse.ArgumentParser) -> list[str]:
    """Names of the commands below a command, each in its first spelling."""
    found = {
        id(command): name
        for action in parser._actions
        if isinstance(action, argparse._SubParsersAction)
        for name, command in reversed(action.choices.items())
    }
    return list(found.values())[::-1]


def _verb(verb: str) -> str:
    parser = parser_of(verb)
    names = _choices(parser)
    said = f"{_sentences(parser.description)}\n"
    if not names:
        return f"## cxr {verb}\n\n{said}{_arguments(_cells(parser))}"
    by_dataset = {name: _cells(parser_of(verb, name)) for name in names}
    common = [line for line in by_dataset[names[0]]
              if all(line in lines for lines in by_dataset.values())]  # fmt: skip
    parts = [f"## cxr {verb} DATASET\n\n{said}", _arguments(common)]
    for name, lines in by_dataset.items():
        own = [line for line in lines if line not in common]
        if own:
            parts += [f"### cxr {verb} {name}\n", _arguments(own)]
    return "".join(parts)


def _arguments(lines: Iterable[Sequence[str]]) -> str:
    return markdown_table(["argument", "what it is"], lines)


def _cells(parser: argparse.ArgumentParser) -> list[list[str]]:
    return [
        [f"`{_signature(action)}`", _sentences(action.help)]
        for action in parser._actions
        if not isinstance(action, argparse._HelpAction)
    ]


def _signature(action: argparse.Action) -> str:
    if not action.option_strings:
        return str(action.metavar or action.dest)
    name = " / ".join(action.option_strings)
    if action.nargs == 0:
        return name
    values = "{" + ",".join(map(str, action.choices)) + "}" if action.choices else ""
    value = str(action.metavar or values or action.dest.upper())
    return f"{name} {value}" + (f" [{value} ...]" if action.nargs == "+" else "")


def _sentences(text: str | None) -> str:
    return " ".join((text or "").replace("%%", "%").split())


def limit_table() -> str:
    """Every limit, with what its docstring says of it."""
    tree = ast.parse(Path(limits.__file__).read_text("utf-8"))
    rows = []
    for line, after in pairwise(tree.body):
        name = getattr(line.targets[0], "id", "") if isinstance(line, ast.Assign) else ""
        if isinstance(after, ast.Expr) and name.isupper():
            told = " ".join(str(ast.literal_eval(after.value)).split())
            rows.append([f"`{name}`", _most(getattr(limits, name)), told])
    return markdown_table(["limit", "most", "of what"], rows)


def _most(limit: float) -> str:
    if isinstance(limit, float):
        return f"{limit:,.0f} s"
    if not getattr(limit, "what", "").startswith("bytes"):
        return f"{limit:,}"
    for unit, size in (("GiB", limits.GIB), ("MiB", limits.MIB), ("KiB", limits.KIB)):
        if limit >= size:
            return f"{limit // size:,} {unit}"
    return f"{limit:,} bytes"


def layer_table(dataset: str) -> str:
    """The layers of other people whose form a dataset knows."""
    rows = (
        [
            f"`{name}`",
            ready.about,
            " or ".join(f"`{file}`" if "." in file else file for file in ready.files),
            _key(ready.layer),
            _space(ready.layer),
            f"<{ready.homepage}>",
            ready.citation,
        ]
        for name, ready in builder_class(dataset).LAYERS.items()
    )
    header = ["name", "what it holds", "file", "key", "boxes", "where to get it", "citation"]
    return markdown_table(header, rows)


def _key(layer: Layer) -> str:
    """The column of ids of a layer, and whose they are; and whether a key has several rows."""
    names = ", else ".join(f"`{name}`" for name in layer.keys)
    return f"{names}: {MANY[layer.by or '']}{', several rows each' if layer.several else ''}"


def _space(layer: Layer) -> str:
    """In which pixels the boxes of a layer are."""
    if layer.boxes is None:
        return "none"
    space = layer.space
    told = f"the row's {' x '.join(f'`{name}`' for name in space)}" if len(space) == 2 else space
    return f"{', '.join(f'`{name}`' for name in layer.boxes)}; {told}"


TABLES: dict[str, Callable[..., str]] = {
    "access": access_steps,
    "card-columns": card_columns,
    "columns": columns,
    "commands": commands,
    "errors": error_table,
    "hooks": hooks,
    "labels": labels,
    "layers": layer_table,
    "limits": limit_table,
    "options": options,
    "own-options": own_options,
    "pages": page_table,
}

if __name__ == "__main__":
    sys.exit(main())
