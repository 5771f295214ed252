"""README is short, and README and cards say what they must."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.pages import CARDS, CHECKOUT, README, read

PICTURE = CHECKOUT / "docs" / "images" / "contact_sheet.png"


def test_readme_is_short() -> None:
    assert len(read(README).splitlines()) <= 250
    assert len(read(README).split()) <= 1_700


def test_the_picture_is_there_and_small() -> None:
    import PIL.Image

    assert "docs/images/contact_sheet.png" in read(README)
    assert PICTURE.stat().st_size < 300_000
    assert PIL.Image.open(PICTURE).format == "PNG"


@pytest.mark.parametrize("card", CARDS.values())
def test_a_card_has_its_metadata_and_none_that_datasets_would_act_on(card: str) -> None:
    from huggingface_hub import DatasetCard

    data = DatasetCard.load(CHECKOUT / card).data.to_dict()
    assert {"pretty_name", "license", "language", "task_categories", "tags"} <= set(data)
    assert not {"configs", "dataset_info", "builder_config"} & set(data)


def test_the_pages_of_credentialed_data_name_its_terms() -> None:
    for page in (README, CARDS["mimic_cxr_jpg"], "docs/data.md", "docs/data_protection.md"):
        assert "https://physionet.org/content/mimic-cxr-jpg/view-dua/2.1.0/" in read(page), page
    licence = "https://physionet.org/content/mimic-cxr-jpg/view-license/2.1.0/"
    assert licence in read(CARDS["mimic_cxr_jpg"])


def test_no_page_names_a_place_of_the_machine_it_was_written_on() -> None:
    for page in sorted(Path(CHECKOUT, "docs").rglob("*.md")):
        text = page.read_text("utf-8")
        assert not any(word in text for word in ("/work/", "/tmp/", "../shared")), page
