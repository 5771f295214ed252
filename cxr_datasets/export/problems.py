"""Images that keep files of an export from being written: all of them are met in one run.

A file of which an image is absent or damaged is not written, unless an option says what becomes of
such an image. The images are listed beside the export, and the same command later writes the files
that are left.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from cxr_datasets.builder.tally import Problem
from cxr_datasets.errors import ExportError
from cxr_datasets.export.folder import PRIVATE, Folder
from cxr_datasets.export.manifest import Manifest
from cxr_datasets.export.plan import PlannedFile

PROBLEMS = "problems.csv"
"""Name of the list, in the folder `.cxr` of the export."""

_COLUMNS = ("id", "path", "what is wrong")


@dataclass(frozen=True)
class Unwritten:
    """A file that was not written.

    Attributes:
        name: Its place in the folder.
        problems: The images of it that are absent or damaged, in the order of its rows.
    """

    name: str
    problems: list[Problem]


def save_problems(
    folder: Folder, unwritten: Sequence[Unwritten], chosen: Sequence[PlannedFile]
) -> None:
    """List the images that kept files from being written; without any, remove an earlier list.

    Args:
        folder: The folder of the export.
        unwritten: The files that this run did not write.
        chosen: The files of the splits that were asked for, in order.

    Raises:
        ExportError: The list cannot be written.
    """
    if unwritten:
        folder.write(f"{PRIVATE}/{PROBLEMS}", _table(_in_order(unwritten, chosen)))
    elif PROBLEMS in folder.sizes(PRIVATE):
        folder.remove(f"{PRIVATE}/{PROBLEMS}")


def refuse_unwritten(
    folder: Folder,
    unwritten: Sequence[Unwritten],
    chosen: Sequence[PlannedFile],
    manifest: Manifest,
) -> None:
    """Require that every file was written.

    Args:
        folder: The folder of the export.
        unwritten: The files that this run did not write; their images are listed.
        chosen: The files of the splits that were asked for.
        manifest: Which of them are finished.

    Raises:
        ExportError: One was not.
    """
    if not unwritten:
        return
    problems = _in_order(unwritten, chosen)
    finished = sum(file.name in manifest.lines for file in chosen)
    raise ExportError(
        f"{len(problems)} of {sum(file.images for file in chosen)} images are absent or damaged, "
        f"such as {problems[0].path}, so that only {finished} of {len(chosen)} files are finished: "
        f"{folder}/{PRIVATE}/{PROBLEMS} lists these images and what is wrong with each; fetch them "
        "again and run the same command, which does only what is left, or choose by missing= and "
        "damaged=, with another folder, what becomes of them."
    )


def _in_order(unwritten: Sequence[Unwritten], chosen: Sequence[PlannedFile]) -> list[Problem]:
    """The images in the order of the rows: files are tried in any order."""
    found = {file.name: file.problems for file in unwritten}
    # An image may be one of several rows, as an earlier study's too.
    return list(dict.fromkeys(one for file in chosen for one in found.get(file.name, ())))


def _table(problems: Sequence[Problem]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows((problem.id, problem.path, problem.what) for problem in problems)
    return text.getvalue().encode()
