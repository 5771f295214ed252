"""What is told of layers: in the card of an export, its description for machines, and the page."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from cxr_datasets.cli import main
from cxr_datasets.export import export
from tests.cxr_datasets.layers.material import Ids, write_csv


@pytest.fixture(scope="module")
def tables(images: list[Ids], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("tables")
    rows = [(one.image, "Edema", "x", "p", 2, 3, 50, 60, one.width, one.height)
            for one in images[:30]]  # fmt: skip
    header = ["dicom_id", "category_name", "label_text", "path", *"xywh", "image_width",
              "image_height"]  # fmt: skip
    study = [(images[0].study, 1), (59999999, 2), (59999999, 3)]
    return {
        "ms_cxr": str(write_csv(folder / "MS_CXR_Local_Alignment_v1.1.0.csv", header, rows)),
        "odd": str(write_csv(folder / "odd.csv", ["study_id", "a`|<b>"], study)),
    }


def test_the_card_and_the_description_tell_each_layer(
    small_release: Path, tables: dict[str, str], images: list[Ids], layers_cache: str,
    tmp_path: Path,
) -> None:  # fmt: skip
    out = tmp_path / "out"
    for config in ("studies", "reports"):
        export("mimic-cxr-jpg", small_release, out, config=config, layers=tables, image_size=32,
               cache_dir=layers_cache, progress=False)  # fmt: skip
    card = (out / "README.md").read_text()
    section = card.partition("## Layers")[2].partition("\n## ")[0]
    assert (
        "| `ms_cxr` | `studies` | `MS_CXR_Local_Alignment_v1.1.0.csv` | `image_id` | 30 | 30 | "
        f"30 of {len(images)} |"
    ) in section
    studies = len({one.study for one in images})
    for config in ("studies", "reports"):
        line = f"| `odd` | `{config}` | `odd.csv` | `study_id` | 2 | 3 | 1 of {studies} |"
        assert line in section
    assert "arXiv:2204.09817" in section
    assert "<b>" not in card.partition("---\n\n#")[2]
    assert str(tmp_path) not in card
    described = json.loads((out / "croissant.json").read_text())
    assert "Layers of other people are joined to them: ms_cxr, odd." in described["description"]
    assert "arXiv:2204.09817" in described["description"]
    fields = {field["@id"]: field for field in described["recordSet"][0]["field"]}
    assert {part["name"] for part in fields["studies-train/ms_cxrs"]["subField"]} >= {
        "category_name", "box", "box_state"
    }  # fmt: skip
    manifest = json.loads((out / ".cxr" / "studies.jsonl").read_text().splitlines()[0])
    state = manifest["identity"]["options"]["layer odd"]
    assert re.match(r"odd\.csv, [\d,]+ bytes, changed 20", state)


def pictures_in(page: str) -> list[np.ndarray]:
    """The pixels of the images in a page: height x width x red, green, blue."""
    return [
        np.asarray(PIL.Image.open(io.BytesIO(base64.b64decode(one))).convert("RGB")).astype(int)
        for one in re.findall(r"data:image/jpeg;base64,([A-Za-z0-9+/=]+)", page)
    ]


def coloured(page: str) -> int:
    """How many of the images in a page have coloured lines."""
    return sum(
        bool((pixels.max(axis=2) - pixels.min(axis=2)).max() > 60) for pixels in pictures_in(page)
    )


def test_the_page_draws_the_boxes(
    small_release: Path, tables: dict[str, str], images: list[Ids], tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    words = ["preview", str(small_release), "--out", str(page), "--studies", "100"]
    assert main([*words, "--no-progress"]) == 0
    assert coloured(page.read_text()) == 0
    given = [word for name, place in tables.items() for word in ("--layer", f"{name}={place}")]
    assert main([*words, "--no-progress", *given]) == 0
    assert coloured(page.read_text()) == 30


def test_a_box_is_drawn_on_the_page_where_it_is_in_its_image(
    small_release: Path, images: list[Ids], tmp_path: Path
) -> None:
    shares = (0.1, 0.3, 0.6, 0.55)
    page = tmp_path / "page.html"
    table = write_csv(
        tmp_path / "mine.csv", ["dicom_id", "x1", "y1", "x2", "y2"],
        [(one.image, *shares) for one in images],
    )  # fmt: skip
    layer = {"address": str(table), "boxes": ["x1", "y1", "x2", "y2"], "space": "fraction"}
    words = ["preview", str(small_release), "--out", str(page), "--studies", "100"]
    assert main([*words, "--no-progress", "--layer", f"m={json.dumps(layer)}"]) == 0
    pictures = pictures_in(page.read_text())
    assert len(pictures) == len(images)
    for pixels in pictures:
        height, width, _ = pixels.shape
        # The line, of one pixel and one colour; the name of the layer is within.
        ys, xs = np.nonzero(pixels.max(axis=2) - pixels.min(axis=2) > 60)
        drawn = np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1])
        assert np.abs(drawn - np.array(shares) * ([width, height] * 2)).max() <= 2
