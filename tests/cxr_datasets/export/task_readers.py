"""Readers of task files, written from the description of each form alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import datasets
import PIL.Image

Rows = dict[str, list[dict[str, Any]]]
"""Split -> its rows as `load_dataset` gives them, without images."""


def rows_of(dataset: str, config: str, release: Path, cache: str, **options: Any) -> Rows:
    loaded = datasets.load_dataset(
        dataset, config, data_dir=str(release), cache_dir=cache, **options
    )
    return {
        split: rows.remove_columns([n for n in ("image", "images") if n in rows.features]).to_list()
        for split, rows in loaded.items()
    }


def strict(text: str) -> Any:
    """Read JSON as other languages do: a bare NaN is an error, and so is a key that is twice."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(pairs)) == len(pairs)
        return dict(pairs)

    def refuse(name: str) -> None:
        raise ValueError(name)

    return json.loads(text, parse_constant=refuse, object_pairs_hook=once)


def read_r2gen(annotation: Path, image_dir: Path, split: str) -> list[dict[str, Any]]:
    """Read a split as R2Gen's loader does: each entry with its images opened."""
    examples = strict(annotation.read_text(encoding="utf-8"))[split]
    read = []
    for example in examples:
        assert example["split"] == split
        assert isinstance(example["study_id"], int)
        opened = [PIL.Image.open(image_dir / path).size for path in example["image_path"]]
        read.append({**example, "opened": opened})
    return read


def read_llava(lines: Path, image_folder: Path) -> list[dict[str, Any]]:
    """Read conversations as LLaVA's trainer does: a mark for each image, which comes first."""
    read = []
    for line in lines.read_text(encoding="utf-8").splitlines():
        source = strict(line)
        asked, answered = source["conversations"]
        assert (asked["from"], answered["from"]) == ("human", "gpt")
        paths = source.get("image", [])
        paths = [paths] if isinstance(paths, str) else paths
        assert asked["value"].startswith("<image>\n" * len(paths))
        assert asked["value"].count("<image>") == len(paths)
        opened = [PIL.Image.open(image_folder / path).size for path in paths]
        said = asked["value"].replace("<image>\n", "")
        read.append({"id": source["id"], "asked": said, "text": answered["value"],
                     "paths": paths, "opened": opened})  # fmt: skip
    return read


def read_rexrank(file: Path, image_dir: Path) -> dict[str, dict[str, Any]]:
    """Read a split to score as ReXrank's page says, and put a prediction in."""
    cases = strict(file.read_text(encoding="utf-8"))
    for case in cases.values():
        assert case["key_image_path"] in case["image_path"]
        assert len(case["frontal_lateral"]) == len(case["image_path"])
        assert isinstance(case["context"], str)
        for path in case["image_path"]:
            assert not path.startswith("/")
            assert (image_dir / path).is_file()
        assert case["report"]
        case["model_prediction"] = "No finding."
    return cases


def newest_earlier_text(row: Mapping[str, Any]) -> str | None:
    """The findings of the newest earlier study that has some, by its days before this one."""
    told = sorted(
        zip(row["prior_days"], row["prior_findings"], strict=True), key=lambda one: one[0]
    )
    texts = [text for _, text in told if text is not None]
    return texts[0] if texts else None


VAL = {"validation": "val"}
