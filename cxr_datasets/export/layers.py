"""The layers of an export, as its card and its description tell them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cxr_datasets import wording
from cxr_datasets.export.manifest import Manifest


def layers_section(manifests: Sequence[Manifest]) -> list[str]:
    """Say in the card which layers are beside the rows, and how many rows each matched.

    Args:
        manifests: Manifests of the configs.

    Returns:
        Lines of Markdown; none if there is no layer.
    """
    told = [(manifest.config, layer) for manifest in manifests for layer in _layers(manifest)]
    if not told:
        return []
    return [
        "", "## Layers", "",
        "Tables of other people that were joined to the rows. Their own terms apply to what came "
        "of them. Matched are rows of the config, or images where a layer is of images.",
        "", "| layer | config | file | joined by | ids | rows | matched |",
        "|---|---|---|---|---|---|---|",
        *(
            f"| `{layer['name']}` | `{config}` | {wording.code(layer['file'])} | `{layer['by']}` | "
            f"{layer['keys']:,} | {layer['rows']:,} | {layer['matched']:,} of {layer['of']:,} |"
            for config, layer in told
        ),
        *(line for layer in _known(manifests) for line in ("", _cited(layer))),
    ]  # fmt: skip


def cited_layers(manifests: Sequence[Manifest]) -> str:
    """Name the layers in one sentence, for the description for machines; empty without any."""
    names = dict.fromkeys(layer["name"] for one in manifests for layer in _layers(one))
    if not names:
        return ""
    cited = "".join(f" {_cited(layer)}" for layer in _known(manifests))
    return f" Layers of other people are joined to them: {', '.join(names)}.{cited}"


def _layers(manifest: Manifest) -> list[dict[str, Any]]:
    layers: list[dict[str, Any]] = manifest.header["description"].get("layers", [])
    return layers


def _known(manifests: Sequence[Manifest]) -> list[dict[str, Any]]:
    """The layers whose form the dataset knows, each once."""
    found = {layer["name"]: layer for one in manifests for layer in _layers(one)}
    return [layer for layer in found.values() if "citation" in layer]


def _cited(layer: dict[str, Any]) -> str:
    return f"{layer['about']}. {layer['homepage']} {layer['citation']}."
