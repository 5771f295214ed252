"""A release as tables, texts and images in memory: read from an invented one, changed, written."""

from __future__ import annotations

import csv
import gzip
import io
import os
import random
import tarfile
import warnings
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.differential.reading import read_csv

Cells = dict[str, str]


@dataclass
class Table:
    """A table.

    Attributes:
        names: Its columns in order.
        rows: Its rows; a blank cell is `""`.
    """

    names: list[str]
    rows: list[Cells]


@dataclass
class Material:
    """A release.

    Attributes:
        tables: Name of a file, without `.gz` -> the table.
        texts: Place of a report -> its bytes.
        images: Place of an image -> a file to link there.
        beside: Place of any other file -> its bytes.
        done: What was changed, in words, for a failing test.
        options: Options of `load_dataset` that go with the changes.
    """

    tables: dict[str, Table]
    texts: dict[str, bytes] = field(default_factory=dict)
    images: dict[str, Path] = field(default_factory=dict)
    beside: dict[str, bytes] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)


Mutation = Callable[[Material, random.Random], None]


def read_tables(root: Path) -> dict[str, Table]:
    """Read all CSV files at the top of a release."""
    tables = {}
    for file in sorted(root.glob("*.csv*")):
        rows = read_csv(file.read_bytes())
        cells = [{name: cell or "" for name, cell in row.items()} for row in rows]
        tables[file.name.removesuffix(".gz")] = Table(list(rows[0]), cells)
    return tables


def mutated(
    material: Material, mutations: Sequence[Mutation], number: int, rng: random.Random
) -> Material:
    """Apply some mutations: in turn each of them, so that none is left out, and a few more."""
    others = rng.sample(mutations, rng.randint(1, 6))
    chosen = dict.fromkeys([mutations[number % len(mutations)], *others])
    for mutation in sorted(chosen, key=mutations.index):
        mutation(material, rng)
        material.done.append(mutation.__name__)
    return material


# Changes of any table.


def shuffle_rows(material: Material, rng: random.Random) -> None:
    for table in material.tables.values():
        rng.shuffle(table.rows)


def unfinished_images(material: Material, rng: random.Random) -> None:
    """Take images away and leave others empty, as a download that is not at its end does."""
    for place in rng.sample(sorted(material.images), len(material.images) // 3):
        del material.images[place]
        if rng.random() < 0.3:
            material.beside[place] = b""
    material.options["missing"] = rng.choice(("skip", "null"))


def shuffle_columns(material: Material, rng: random.Random) -> None:
    for table in material.tables.values():
        rng.shuffle(table.names)


def add_columns(material: Material, rng: random.Random) -> None:
    """Add columns that nobody asked for, with names and texts that are easily taken for others."""
    for table in material.tables.values():
        for name in rng.sample(("note", "split_", "study", "0", "Split", "image_id"), 2):
            table.names.insert(rng.randint(0, len(table.names)), name)
            for row in table.rows:
                row[name] = rng.choice(ODD_TEXTS)


ODD_TEXTS = (
    "", "", "None", "NA", "NULL", "0", "-1.0", " ", " two words ", 'say "AP"', "a,b;c",
    "two\nlines", "Größe 5 µm", "胸部", "'", '"', ",", "#N/A", "true", "1e5", "\ttab",
)  # fmt: skip
"""Texts of a cell; a reader keeps each as it is, the blank one as null."""


# Writing.


def csv_bytes(table: Table, rng: random.Random) -> bytes:
    """Write a table in one of the ways in which tables are written."""
    end = rng.choice(("\n", "\n", "\r\n"))
    out = io.StringIO(newline="")
    quoting = rng.choice((csv.QUOTE_MINIMAL, csv.QUOTE_MINIMAL, csv.QUOTE_ALL))
    writer = csv.writer(out, lineterminator=end, quoting=quoting)
    writer.writerow(table.names)
    writer.writerows([row[name] for name in table.names] for row in table.rows)
    text = out.getvalue()
    if rng.random() < 0.2:
        text = text.removesuffix(end)
    return text.encode("utf-8-sig" if rng.random() < 0.2 else "utf-8")


def write_tables(material: Material, root: Path, rng: random.Random, packed: bool) -> None:
    """Write the tables into a folder, some of them gzipped if `packed`.

    A few are gzipped though their names do not say so, or the other way round, as browsers and
    proxies leave them.
    """
    for name, table in material.tables.items():
        content = csv_bytes(table, rng)
        is_gzip = packed and rng.random() < 0.5
        says_gzip = is_gzip
        if rng.random() < 0.1:
            is_gzip = not is_gzip
        if is_gzip:
            content = gzip.compress(content, mtime=0)
        (root / f"{name}{'.gz' if says_gzip else ''}").write_bytes(content)


def write_beside(material: Material, root: Path) -> None:
    """Write the images and whatever lies beside them."""
    for place, source in material.images.items():
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        os.link(source, root / place)
    for place, content in material.beside.items():
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).write_bytes(content)


def write_zip(file: Path, members: Iterable[tuple[str, bytes]], rng: random.Random) -> None:
    """Write an archive; its members are compressed, or not, or some of them."""
    kinds = rng.choice(
        ([zipfile.ZIP_DEFLATED], [zipfile.ZIP_STORED], [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
    )
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w") as archive:
        warnings.simplefilter("ignore", UserWarning)  # of names that stand twice, on purpose
        for name, content in members:
            archive.writestr(name, content, rng.choice(kinds))


def write_tar(file: Path, members: Iterable[tuple[str, bytes]]) -> None:
    """Write a tar.gz."""
    with tarfile.open(file, "w:gz", compresslevel=1) as archive:
        for name, content in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
