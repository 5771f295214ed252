"""How people come to be allowed to read a dataset, as data that its package declares."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Project:
    """A part of the data at its publisher's site, with an agreement of its own.

    Attributes:
        name: Its name, with its version.
        gives: What is in it.
        file: Address of a small file of it, by which is asked whether a login may read it.
    """

    name: str
    gives: str
    file: str


@dataclass(frozen=True)
class Step:
    """One thing to do.

    Attributes:
        title: What to do, in a few words.
        address: Where.
        about: How, in whole sentences.
        parts: What it consists of, if that is a list.
        project: The project that this step opens; None: it is for all.
        optional: Whether one can do without.
    """

    title: str
    address: str
    about: str = ""
    parts: tuple[str, ...] = ()
    project: Project | None = None
    optional: bool = False


@dataclass(frozen=True)
class Access:
    """All steps, in their order.

    Attributes:
        about: What is needed, in a sentence.
        steps: The steps; none: everybody may read the data. The first makes the account.
        questions: Addresses at which to ask.
    """

    about: str
    steps: tuple[Step, ...] = ()
    questions: tuple[str, ...] = ()
