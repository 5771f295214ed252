"""What others wrote into the repository: it is neither overwritten nor mixed with an export."""

from __future__ import annotations

from collections.abc import Mapping

from cxr_datasets.errors import HubError
from cxr_datasets.export.card import CARD
from cxr_datasets.export.seal import is_sealed
from cxr_datasets.push.contents import Contents, Stored
from cxr_datasets.push.repository import Repository

_LARGEST_CARD = 10_000_000
"""Bytes; a longer README is none of ours."""


def check_only_ours(contents: Contents, there: Repository, present: Mapping[str, Stored]) -> None:
    """Require that the repository holds nothing that an export would be mixed with or replace.

    Args:
        contents: What is sent.
        there: The repository.
        present: Its files by name.

    Raises:
        HubError: It has Parquet files of something else, or a README that no export wrote.
    """
    names = {file.name for file in contents.files}
    strange = [name for name in present if name.endswith(".parquet") and name not in names]
    if strange:
        raise HubError(
            f"{there.name} holds other data than this export: {', '.join(strange[:3])}"
            f"{f' and {len(strange) - 3:,} more' if len(strange) > 3 else ''}. The export does "
            "not go there: load_dataset would mix them. Name another repository, or remove these "
            "files."
        )
    _check_card(contents, there, present.get(CARD))


def _check_card(contents: Contents, there: Repository, stored: Stored | None) -> None:
    ours = next((file for file in contents.files if file.name == CARD), None)
    if stored is None or ours is None or ours.is_(stored):
        return
    content = there.read(CARD) if stored.size <= _LARGEST_CARD else b"long"
    if content.strip() and not is_sealed(content):
        raise HubError(
            f"{there.name}/{CARD} ({stored.size:,} bytes) is not as an export wrote it: somebody "
            "else's text stands in it, and would be overwritten. The export does not go there. "
            f"Keep the text in another file and remove this one at {there.url}/tree/main, or name "
            "another repository."
        )
