"""What a download tells when it ends, for people and for machines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

_FAULTS_TOLD = 5


@dataclass(frozen=True)
class Downloaded:
    """What is in a copy now.

    Attributes:
        dataset: Name of the dataset.
        release: Version of the release; None: that does not show.
        out: The folder.
        source: Where it was fetched from, without secrets.
        images: How many images were wanted.
        present: How many of the wanted files were there and whole already.
        fetched: How many files were fetched now, tables among them.
        bytes: Bytes of those.
        seconds: How long it took.
        faults: File -> why it did not come.
        call: The call that loads what is there.
    """

    dataset: str
    release: str | None
    out: str
    source: str
    images: int
    present: int
    fetched: int
    bytes: int
    seconds: float
    faults: Mapping[str, str] = field(default_factory=dict)
    call: str = ""

    @property
    def problems(self) -> int:
        """How many files did not come."""
        return len(self.faults)

    def as_json(self) -> dict[str, Any]:
        """All of it, of the faults at most a few by name."""
        told = dict(list(self.faults.items())[:_FAULTS_TOLD])
        return {**asdict(self), "seconds": round(self.seconds, 3), "faults": told,
                "problems": self.problems}  # fmt: skip

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """What people are told; the last line is the call."""
        version = f" {self.release}" if self.release else ""
        lines = [
            f"{self.dataset}{version} in {self.out}: {self.fetched:,} files fetched "
            f"({size_told(self.bytes)} in {time_told(self.seconds)}), {self.present:,} were there; "
            f"{self.images:,} images were asked for."
        ]
        if self.faults:
            lines.append(f"{self.problems:,} files did not come; the same command tries again:")
            lines += [f"  {path}: {why}" for path, why in list(self.faults.items())[:_FAULTS_TOLD]]
            if self.problems > _FAULTS_TOLD:
                lines.append(f"  and {self.problems - _FAULTS_TOLD:,} more")
        return [*lines, self.call]


@dataclass(frozen=True)
class Estimate:
    """What a download would take; nothing was written.

    Attributes:
        dataset: Name of the dataset.
        release: Version of the release; None: that does not show.
        out: The folder.
        source: Where it would be fetched from.
        images: How many images are wanted.
        files: How many files are lacking, tables among them.
        bytes: About how many bytes these have.
        sampled: How many files were fetched to tell.
        bytes_a_second: At what rate they came; None: none was fetched.
        free: Bytes that are free on the disk.
    """

    dataset: str
    release: str | None
    out: str
    source: str
    images: int
    files: int
    bytes: int
    sampled: int
    bytes_a_second: float | None
    free: int

    @property
    def seconds(self) -> float | None:
        """How long it would take at that rate; None: that is not known."""
        return self.bytes / self.bytes_a_second if self.bytes_a_second else None

    @property
    def problems(self) -> int:
        """1 if there is no room for it."""
        return int(self.bytes > self.free)

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        seconds = None if self.seconds is None else round(self.seconds, 1)
        return {**asdict(self), "seconds": seconds, "problems": self.problems}

    def __str__(self) -> str:
        rate = ""
        if self.bytes_a_second and self.seconds is not None:
            rate = (
                f", in about {time_told(self.seconds)} at {size_told(self.bytes_a_second)}/s, as "
                f"{self.sampled} files came"
            )
        room = "" if not self.problems else " This is not enough."
        return (
            f"{self.files:,} files to fetch from {self.source}, about {size_told(self.bytes)}{rate}"
            f"; {self.images:,} images are asked for. {size_told(self.free)} are free on the disk "
            f"of {self.out}.{room} Nothing was written."
        )


@dataclass(frozen=True)
class Command:
    """A command that fetches what is lacking, for those who run it themselves.

    Attributes:
        listed: The file that lists what is to be fetched.
        files: How many files it lists.
        command: The command line.
        then: What to do afterwards.
    """

    listed: str
    files: int
    command: str
    then: str

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """What people are told; the last line is the command."""
        return [f"{self.files:,} files are listed in {self.listed}. {self.then}", self.command]


def size_told(count: float) -> str:
    """Write a number of bytes, in units of 1,000."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1_000:
            return f"{count:,.0f} {unit}" if unit == "bytes" else f"{count:,.1f} {unit}"
        count /= 1_000
    return f"{count:,.1f} TB"


def time_told(seconds: float) -> str:
    """Write a time."""
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.1f} hours"
