"""What the card of an export says of rows that rules left out of the release."""

from __future__ import annotations

from collections.abc import Sequence

from cxr_datasets import wording
from cxr_datasets.cohorts.rules import steps_from
from cxr_datasets.export.manifest import Manifest


def cohort_section(manifests: Sequence[Manifest]) -> list[str]:
    """Write how many images, studies and patients each rule left, for each config.

    Args:
        manifests: Manifests of the configs.

    Returns:
        Lines of Markdown; none where all rows of the release are there.
    """
    text = []
    for manifest in manifests:
        steps = steps_from(manifest.header.get("cohort", ()))  # older exports did not note them
        if not steps:
            continue
        text += [
            "", f"From the release to the rows of `{manifest.config}`, rule by rule, of all splits "
            "together:", "",
            "| rule | images left out | images | studies | patients |", "|---|---|---|---|---|",
            *(
                f"| {wording.code(step.rule)} | {step.left_out:,} | {step.images:,} | "
                f"{step.studies:,} | {step.patients:,} |"
                for step in steps
            ),
        ]  # fmt: skip
    return ["", "## Which rows", *text] if text else []
