"""What a notebook shows of a row or a dataset: images, views, labels by sign and colour, texts."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from PIL import Image

import indiana_cxr  # noqa: F401  (teaches `datasets` to load it)
import mimic_cxr_jpg  # noqa: F401
from cxr_datasets.columns import CORE, LABELS, VIEWS
from cxr_datasets.errors import ImageError, OptionError
from cxr_datasets.export import export
from cxr_datasets.preview import show
from cxr_datasets.preview.marks import marked_text
from cxr_datasets.preview.states import DARK, LIGHT, STATES, states_of
from cxr_datasets.preview.thumbnails import SIDE, thumbnail

VOID = {"img", "meta", "br"}
HOSTILE = '<script>alert(1)</script><img src=x onerror="alert(2)"> & "quoted" \u202e'


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One cache for all tests of this file."""
    return str(tmp_path_factory.mktemp("cache"))


def load(package: str, release: Path, cache: str, config: str = "images", **options: Any) -> Any:
    return datasets.load_dataset(
        package, config, data_dir=str(release), cache_dir=cache, split="train", **options
    )


class Page(HTMLParser):
    """Elements of some HTML, which must be well formed."""

    def __init__(self, html: str):
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data

    def having(self, css: str) -> list[tuple[str, dict[str, str]]]:
        return [one for one in self.elements if css in one[1].get("class", "").split()]

    def images(self) -> list[Image.Image]:
        found = [a["src"] for tag, a in self.elements if tag == "img"]
        return [Image.open(BytesIO(base64.b64decode(uri.partition(",")[2]))) for uri in found]


def page_of(row_or_dataset: Any, **options: Any) -> Page:
    """What is shown, after a look that it runs nothing and fetches nothing."""
    html = show(row_or_dataset, **options)._repr_html_()
    page = Page(html)
    for tag, attributes in page.elements:
        assert tag not in ("script", "iframe", "link", "object", "base")
        assert not [name for name in attributes if name.startswith("on")]
        assert not {"href", "action"} & set(attributes)
        assert tag != "img" or attributes["src"].startswith("data:image/")
    assert "url(" not in html
    assert "@import" not in html
    return page


@pytest.mark.parametrize("package", ["mimic_cxr_jpg", "indiana_cxr"])
@pytest.mark.parametrize("config", ["images", "studies", "reports"])
def test_a_row_of_each_config_shows_its_images_views_labels_and_text(
    package: str, config: str, small_release: Path, indiana_release: Path, cache: str
) -> None:
    release = small_release if package == "mimic_cxr_jpg" else indiana_release
    rows = load(package, release, cache, config)
    row = next(row for row in rows if row["report"] and row["labels"])
    page = page_of(row)
    views = {"images": lambda: [row["view"]], "studies": lambda: row["views"]}
    shown = views.get(config, list)()
    assert len(page.images()) == len(shown)
    alts = [a["alt"] for tag, a in page.elements if tag == "img"]
    assert alts == [f"{VIEWS[view]} radiograph" for view in shown]
    assert row["report"].strip().splitlines()[-1].strip() in page.text
    for label, value in row["labels"].items():
        state = next(state for state in STATES if state.value == value)
        if value is not None:
            assert f"{label}{state.sign} {state.name}" in page.text
    assert str(row["study_id"]) in page.text


def test_every_source_of_labels_has_its_column(small_release: Path, cache: str) -> None:
    rows = load("mimic_cxr_jpg", small_release, cache, "reports")
    row = {**rows[0], "labels": state_labels(Edema=1), "labels_negbio": state_labels(Edema=-1),
           "labels_radiologist": None}  # fmt: skip
    page = page_of(row)
    assert "Edema+ positive? uncertain\u00b7 not mentioned" in page.text
    assert "no labels: labels_radiologist" in page.text
    rest = ", ".join(label for label in LABELS if label != "Edema")
    assert f"\u00b7 not mentioned: {rest}" in page.text


def state_labels(**stated: int) -> dict[str, int | None]:
    return {**dict.fromkeys(LABELS), **stated}


@pytest.mark.parametrize("kind", ["undecoded", "numpy", "torch", "arrow read back", "export"])
def test_a_row_in_any_form_shows_the_same_image(
    kind: str, small_release: Path, cache: str, tmp_path: Path
) -> None:
    rows = load("mimic_cxr_jpg", small_release, cache)
    (plain,) = page_of(rows[0]).images()
    if kind == "undecoded":
        rows = rows.cast_column("image", datasets.Image(decode=False))
    elif kind in ("numpy", "torch"):
        if kind == "torch":
            pytest.importorskip("torch")
        rows = rows.with_format(kind)
    elif kind == "arrow read back":
        rows = datasets.Dataset(rows.data.table)
    else:
        export("mimic-cxr-jpg", small_release, tmp_path / "out", split="train", progress=False)
        file = str(next((tmp_path / "out" / "images").glob("*.parquet")))
        rows = datasets.Dataset.from_parquet(file, cache_dir=str(tmp_path / "cache"))
    page = page_of(rows[0])
    (shown,) = page.images()
    assert shown.size == plain.size
    assert np.abs(np.asarray(shown, int) - np.asarray(plain, int)).mean() < 2
    assert "frontal" in page.text or "lateral" in page.text


def test_a_gallery_is_spread_over_a_dataset_and_has_as_many_rows_as_asked_for(
    small_release: Path, cache: str
) -> None:
    rows = load("mimic_cxr_jpg", small_release, cache)
    page = page_of(rows)
    assert len(page.having("cxr-card")) == len(page.images()) == 6
    assert str(rows[0]["study_id"]) in page.text
    assert str(rows[len(rows) - 1]["study_id"]) in page.text
    assert len(page_of(rows, n=2).having("cxr-card")) == 2
    assert len(page_of(rows, n=10_000).having("cxr-card")) == len(rows)
    assert len(page_of(rows.select([])).having("cxr-card")) == 0
    assert repr(show(rows, n=3)) == "<3 rows of train; display it in a notebook>"


def test_a_gallery_tells_the_labels_of_each_state_in_a_line(
    small_release: Path, cache: str
) -> None:
    rows = load("mimic_cxr_jpg", small_release, cache, "reports")
    row = next(row for row in rows if row["labels"] and len(set(row["labels"].values())) > 2)
    text = page_of(rows.filter(lambda one: one["study_id"] == row["study_id"])).text
    for state in STATES:
        names = [name for name in LABELS if row["labels"][name] == state.value]
        assert not names or f"{state.sign} {state.name}: {', '.join(names)}" in text


@pytest.mark.parametrize("config", ["images", "studies", "reports"])
def test_a_gallery_of_a_stream_shows_its_first_rows(
    config: str, small_release: Path, cache: str
) -> None:
    built = load("mimic_cxr_jpg", small_release, cache, config)
    stream = load("mimic_cxr_jpg", small_release, cache, config, streaming=True)
    page = page_of(stream, n=3)
    ids = re.findall(r"study (\d+), patient", page.text)
    assert ids == [str(row["study_id"]) for row in built.remove_columns(
        [c for c in ("image", "images") if c in built.column_names]).select(range(3))]  # fmt: skip
    if config != "reports":
        assert len(page.images()) >= 3


def test_a_dataset_of_splits_and_core_columns_of_both_datasets_are_shown(
    small_release: Path, indiana_release: Path, cache: str
) -> None:
    both = datasets.concatenate_datasets(
        [
            load("mimic_cxr_jpg", small_release, cache).select_columns(list(CORE)),
            load("indiana_cxr", indiana_release, cache).select_columns(list(CORE)),
        ]
    )
    page = page_of(datasets.DatasetDict(train=both, test=both.select([])))
    assert len(page.images()) == 6


def test_hostile_text_in_every_column_is_shown_as_text() -> None:
    row = {
        "image": None, "image_id": HOSTILE, "study_id": HOSTILE, "subject_id": HOSTILE,
        "view": HOSTILE, "report": HOSTILE, "findings": HOSTILE, "impression": None,
        "labels": state_labels(Edema=1), "labels_of_<b>": state_labels(Edema=0),
        "procedure": [HOSTILE, None], HOSTILE: "x",
    }  # fmt: skip
    page = page_of(row)
    assert page.text.count("<script>alert(1)</script>") >= 7
    assert "\u202e" not in page.text
    assert "labels_of_<b>" in page.text


def test_marks_of_deidentification_stand_back() -> None:
    text = "Dr. ___ saw XXXX-XXXX on ____; xxxx and __ are text. <b>___</b>"
    html = marked_text(text)
    assert re.findall(r'<span class="cxr-mark">(\w+)</span>', html) == [
        "___", "XXXX", "XXXX", "____", "___",
    ]  # fmt: skip
    assert "&lt;b&gt;" in html
    page = page_of({"study_id": 1, "report": text, "labels": None})
    assert len(page.having("cxr-mark")) == 5


def test_a_row_of_nulls_is_shown_as_such() -> None:
    page = page_of({**dict.fromkeys(CORE), "images": None, "views": None})
    assert "no report" in page.text
    assert "no labels: labels" in page.text
    assert page.images() == []
    nulls = page_of({**dict.fromkeys(CORE), "labels": state_labels()})
    assert "no image" in nulls.text
    assert f"not mentioned: {', '.join(LABELS)}" in nulls.text


def test_an_absent_and_a_damaged_image_are_told_in_their_place(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole.png", tmp_path / "cut.png"
    Image.new("L", (40, 30), 90).save(whole)
    cut.write_bytes(whole.read_bytes()[:50])
    images = [{"bytes": None, "path": str(path)} for path in (whole, cut, tmp_path / "gone.png")]
    row = {"study_id": 1, "images": images, "views": [0, 1, 2], "labels": None, "report": None}
    page = page_of(row)
    assert len(page.images()) == 1
    assert len(page.having("cxr-no-image")) == 2
    assert "cut.png" in page.text
    assert "gone.png" in page.text
    for view in ("frontal", "lateral", "oblique"):
        assert view in page.text


@pytest.mark.parametrize("given", [3, [1], {"a": 1}, {}, None])
def test_what_is_neither_a_row_nor_a_dataset_is_an_error_that_says_what_to_give(given: Any) -> None:
    with pytest.raises(OptionError, match="show takes a row or a dataset"):
        show(given)


def test_a_batch_of_rows_and_a_wrong_number_are_errors(small_release: Path, cache: str) -> None:
    rows = load("mimic_cxr_jpg", small_release, cache)
    with pytest.raises(OptionError, match=r"a batch of rows. Give ds\[0\]"):
        show(rows[:2])
    for n in (0, -1, True, "6"):
        with pytest.raises(OptionError, match="is not a number of rows"):
            show(rows, n=n)  # type: ignore[arg-type]


# --- what pages share --------------------------------------------------------------------------


def _luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.1."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_colours_of_states_and_of_all_text_have_the_contrast_of_wcag_aa() -> None:
    for state in STATES:
        assert _contrast(state.light, LIGHT) >= 7
        assert _contrast(state.dark, DARK) >= 7
    html = show({"study_id": 1, "labels": None})._repr_html_()
    light, _, dark = html.partition("prefers-color-scheme:dark")
    for style, ground in ((light, LIGHT), (dark, DARK)):
        colours = re.findall(r"[;{]color:(#\w+)", style)
        assert len(colours) == 3 + len(STATES)
        assert min(_contrast(colour, ground) for colour in colours) >= 4.5


def test_each_state_has_a_sign_and_a_colour_of_its_own() -> None:
    assert [state.value for state in STATES] == [1, 0, -1, None]
    for name in ("sign", "light", "dark", "key", "name"):
        assert len({getattr(state, name) for state in STATES}) == len(STATES)


def test_states_are_those_of_the_values_in_any_format() -> None:
    states = states_of(
        {"Edema": np.int8(1), "Fracture": float("nan"), "Pneumonia": -1, "No Finding": 5}
    )
    assert list(states) == list(LABELS)
    names = [
        states[n].name for n in ("Edema", "Fracture", "Pneumonia", "No Finding", "Lung Lesion")
    ]
    assert names == ["positive", "not mentioned", "uncertain", "not mentioned", "not mentioned"]
    assert set(states_of(None).values()) == {STATES[3]}


@pytest.mark.parametrize("size", [(1000, 600), (600, 1000), (64, 32), (3000, 20)])
def test_a_thumbnail_keeps_the_aspect_and_is_not_enlarged(size: tuple[int, int]) -> None:
    content = BytesIO()
    Image.linear_gradient("L").resize(size).save(content, "PNG")
    stored = {"bytes": content.getvalue(), "path": None}
    for image in (stored, Image.open(content), np.asarray(Image.open(content))):
        small = thumbnail(image)
        assert max(small.width, small.height) == min(SIDE, max(size))
        assert small.width / small.height == pytest.approx(size[0] / size[1], rel=0.4)
        shown = Image.open(BytesIO(base64.b64decode(small.uri.partition(",")[2])))
        assert (shown.format, shown.mode, shown.size) == ("JPEG", "L", (small.width, small.height))


def test_a_thumbnail_of_no_image_is_an_error_of_ours() -> None:
    for image in (
        None,
        {"bytes": b"no image", "path": "a.jpg"},
        {"bytes": None, "path": None},
        "x",
    ):
        with pytest.raises(ImageError):
            thumbnail(image)
