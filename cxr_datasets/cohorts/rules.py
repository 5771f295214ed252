"""Rules that leave rows out, applied one after the other, each of them counted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cxr_datasets.errors import OptionError

ALL = "all of the release"
"""What stands in the first row of a table of steps."""


@dataclass(frozen=True)
class Step:
    """What a rule did.

    Attributes:
        rule: The rule, as the option that asks for it.
        left_out: Images that it left out.
        images: Images that are left.
        studies: Studies that have one of them.
        patients: Patients that have one of them.
    """

    rule: str
    left_out: int
    images: int
    studies: int
    patients: int

    def as_dict(self) -> dict[str, Any]:
        """Its fields, for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Rule:
    """A rule.

    Attributes:
        told: The rule, as the option that asks for it.
        apply: Takes rows of the index; gives those that stay, some with another split.
        why: What is said where none stays: why, and what to do; `{images}` in it stands for how
            many there were.
        is_quiet: Whether it is no step where it leaves nothing out.
    """

    told: str
    apply: Callable[[pa.Table], pa.Table]
    why: str = ""
    is_quiet: bool = False


def apply_rules(index: pa.Table, rules: Iterable[Rule]) -> tuple[pa.Table, list[Step]]:
    """Apply rules in their order.

    Args:
        index: Rows of the index, a row for each image.
        rules: The rules.

    Returns:
        The rows that stay, in their order; and what each rule did, after a first step for what was
        there. None if no rule did anything to tell.

    Raises:
        OptionError: A rule leaves no row.
    """
    steps: list[Step] = []
    whole = index
    for rule in rules:
        before = index.num_rows
        index = rule.apply(index)
        if not index.num_rows:
            why = rule.why.replace("{images}", str(before))
            raise OptionError(f"{rule.told} leaves no image: {why}")
        if index.num_rows < before or not rule.is_quiet:
            steps.append(step_of(rule.told, index, before))
    return index, [step_of(ALL, whole, whole.num_rows), *steps] if steps else []


def step_of(rule: str, images: pa.Table, before: int) -> Step:
    """Count what a rule did.

    Args:
        rule: The rule, as the option that asks for it.
        images: The rows that stay.
        before: How many rows there were.
    """
    studies, patients = (
        pc.count_distinct(images[name]).as_py() for name in ("study_id", "subject_id")
    )
    return Step(rule, before - images.num_rows, images.num_rows, studies, patients)


def steps_from(records: Sequence[Mapping[str, Any]]) -> list[Step]:
    """Steps from what `Step.as_dict` gave."""
    return [Step(**record) for record in records]


def told(steps: Sequence[Step]) -> str:
    """Say in one line how many rows stay, and how many each rule left out, in their order.

    Args:
        steps: What `apply_rules` gave.

    Returns:
        The line; empty if all rows stay.
    """
    if not any(step.left_out for step in steps):
        return ""
    first, last = steps[0], steps[-1]
    rules = "; ".join(f"{step.rule} leaves out {step.left_out}" for step in steps[1:])
    return (
        f"{last.images} of {first.images} images ({last.studies} of {first.studies} studies) are "
        f"left: {rules}"
    )
