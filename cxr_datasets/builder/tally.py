"""How many of the images that were read are absent or damaged, and which they are.

Each process, stream or file of an export keeps a tally of its own, and they are put together where
the work ends: one line then says N of M.
"""

from __future__ import annotations

import json
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from cxr_datasets.builder.absent import nothing_there
from cxr_datasets.builder.config import CxrConfig
from cxr_datasets.builder.places import ImagePlace, Sampler
from cxr_datasets.errors import CxrError, ImageError, MissingImagesError
from cxr_datasets.images.faults import what_is_wrong
from cxr_datasets.storage import own
from cxr_datasets.wording import get_logger

_logger = get_logger(__name__)

Found = bytes | CxrError | None
"""What came of an image: its bytes, why it is absent or damaged, or nothing: not looked for."""

Names = Callable[[], tuple[pa.Array, pa.Array]]
"""Gives the ids of some images and the paths of their files."""


@dataclass(frozen=True)
class Problem:
    """An image that is absent or damaged.

    Attributes:
        id: Its `image_id`.
        path: Its file, relative to the release.
        what: What is wrong with it, to stand after the name of the file.
    """

    id: str
    path: str
    what: str


@dataclass
class Tally:
    """Counts of images.

    Attributes:
        goes_on: Whether an image is noted and passed over where an option says `error`.
        read: Images that were looked for.
        absent: Of these, those whose file is not there.
        damaged: Of these, those whose file is damaged.
        example: Path of a damaged one, and what is wrong with it.
        earlier: Images of earlier studies that were looked for.
        earlier_null: Of these, those whose file is not there, or damaged.
        problems: With `goes_on`, the images that the options do not allow.
    """

    goes_on: bool = False
    read: int = 0
    absent: int = 0
    damaged: int = 0
    example: str = ""
    earlier: int = 0
    earlier_null: int = 0
    problems: list[Problem] = field(default_factory=list)

    def refuses(self, found: Found, config: CxrConfig) -> bool:
        """Whether reading ends at an image."""
        return isinstance(found, CxrError) and not self.goes_on and choice(found, config) == "error"

    def count(self, found: Sequence[Found], names: Names, config: CxrConfig) -> None:
        """Count images.

        Args:
            found: What came of each.
            names: Gives their `image_id`s and the paths of their files.
            config: The options.
        """
        self.read += sum(one is not None for one in found)
        bad = [number for number, one in enumerate(found) if isinstance(one, CxrError)]
        if bad:
            ids, paths = names()
            for number in bad:
                self._note(found[number], ids[number].as_py(), paths[number].as_py(), config)

    def count_earlier(self, found: Sequence[Found], names: Names, config: CxrConfig) -> None:
        """Count images of earlier studies; arguments as for `count`.

        They are no rows, so that one which is absent or damaged is null where others are left out.
        """
        bad = [number for number, one in enumerate(found) if isinstance(one, CxrError)]
        self.earlier += sum(one is not None for one in found)
        self.earlier_null += len(bad)
        if bad:
            ids, paths = (column.to_pylist() for column in names())
            for number in bad:
                self._note_problem(found[number], ids[number], paths[number], config)

    def _note(self, error: Any, id: str, path: str, config: CxrConfig) -> None:
        what = what_is_wrong(error.__cause__)
        if isinstance(error, MissingImagesError):
            self.absent += 1
        else:
            self.damaged += 1
            self.example = self.example or f"{path} {what}"
        self._note_problem(error, id, path, config)

    def _note_problem(self, error: Any, id: str, path: str, config: CxrConfig) -> None:
        if choice(error, config) == "error":
            self.problems.append(Problem(id, path, what_is_wrong(error.__cause__)))

    def add(self, other: Tally) -> None:
        """Add the counts of another tally."""
        self.read += other.read
        self.absent += other.absent
        self.damaged += other.damaged
        self.earlier += other.earlier
        self.earlier_null += other.earlier_null
        # By name, as processes end in any order.
        self.example = min(filter(None, (self.example, other.example)), default="")

    def tell(self, config: CxrConfig) -> None:
        """Say in one line each how many images are absent and how many are damaged, if any is."""
        tell_absent(self.absent, self.read, config.missing)
        if self.damaged:
            line = _line("damaged", config.damaged, self.damaged, self.read, "damaged")
            _logger.warning("%s%s", line, f"; {self.example}" if self.example else "")
        if self.earlier_null:
            _logger.warning(
                "priors: %d of %d images of earlier studies are null, as their file is not there "
                "or damaged", self.earlier_null, self.earlier,
            )  # fmt: skip

    def check_any(self, place: ImagePlace, sampled: Sampler) -> None:
        """Require that one image at least is there and whole, if any was looked for.

        Args:
            place: Where the images should be.
            sampled: Gives so many of their paths in the release.

        Raises:
            MissingImagesError: None is whole, and some are absent.
            ImageError: All are damaged.
        """
        if not self.read or self.absent + self.damaged < self.read:
            return
        if not self.damaged:
            raise nothing_there(place, sampled(1), count=self.read)
        example = f" {self.example}." if self.example else ""
        where = place.source.shown()
        if self.absent:
            raise MissingImagesError(
                f"None of the {self.read} image files in {where} is whole: {self.absent} are not "
                f"there, {self.damaged} are damaged.{example} Check that the download came to its "
                "end, from where the release is."
            )
        raise ImageError(
            f"All {self.read} image files in {where} are damaged.{example} Check that they came "
            "from where the release is, and fetch them again."
        )


def choice(error: CxrError, config: CxrConfig) -> str:
    """Return what the options say of an image: `error`, `skip` or `null`."""
    return config.missing if isinstance(error, MissingImagesError) else config.damaged


def tell_absent(absent: int, images: int, missing: str) -> None:
    """Say in one line how many images are absent, if any is.

    Args:
        absent: How many are not there.
        images: How many were looked for.
        missing: The option, `skip` or `null`.
    """
    if absent:
        _logger.warning("%s", _line("missing", missing, absent, images, "not there"))


def _line(option: str, choice: str, some: int, all_of_them: int, what: str) -> str:
    if choice == "skip":
        return f"{option}='skip': left out {some} of {all_of_them} images whose file is {what}"
    return f"{option}='{choice}': {some} of {all_of_them} images are null, as their file is {what}"


class Tallies:
    """Tallies of the processes that build one dataset, kept in a folder until all have ended.

    `datasets` starts these processes, and takes nothing from them but counts of rows.
    """

    def __init__(self, folder: str):
        """Take a folder that all of them can write to."""
        self.folder = folder

    def keep(self, tally: Tally) -> None:
        """Keep the tally of some work that has ended."""
        counts = asdict(tally)
        place = Path(self.folder, uuid.uuid4().hex)
        with open(place, "w", encoding="utf-8", opener=own.open_file) as file:
            json.dump(counts, file)

    def together(self) -> Tally:
        """Put together all that were kept."""
        whole = Tally()
        for file in Path(self.folder).iterdir():
            whole.add(Tally(**json.loads(file.read_text(encoding="utf-8"))))
        return whole


@contextmanager
def tallies() -> Iterator[Tallies]:
    """Keep tallies for as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="cxr-tally-") as folder:
        yield Tallies(folder)
