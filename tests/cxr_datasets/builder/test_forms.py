"""Forms of image files, as datasets declare them."""

from __future__ import annotations

import pyarrow as pa
import pytest

from cxr_datasets.builder import ImageForms
from cxr_datasets.packages import builder_class

FORMS = ImageForms(
    path="all/(p[0-9]+)/(.*)",
    layouts={"all/<p>/<id>": r"all/\1/\2", "<id>": r"\2"},
    suffixes=(".x.png", ".jpg"),
    others={r"notes\.txt": "These are notes.", "old.*": "This is the old release."},
)


def test_the_release_s_own_form_comes_first_and_leaves_paths_as_they_are() -> None:
    own, *others = FORMS
    paths = pa.array(["all/p1/a.x.png", None])
    assert own.is_own
    assert own.files(paths) is paths
    assert not any(form.is_own for form in others)
    assert own.suffix == ".x.png"


def test_every_layout_comes_with_every_suffix() -> None:
    paths = pa.array(["all/p1/a.b.x.png", None])
    assert {form.told: form.files(paths).to_pylist() for form in FORMS} == {
        "all/<p>/<id>.x.png": ["all/p1/a.b.x.png", None],
        "all/<p>/<id>.jpg": ["all/p1/a.b.jpg", None],
        "<id>.x.png": ["a.b.x.png", None],
        "<id>.jpg": ["a.b.jpg", None],
    }


def test_a_path_that_is_none_of_the_release_s_stays() -> None:
    for form in FORMS:
        assert form.files(pa.array(["else/p1/a.x.png"])).to_pylist() == ["else/p1/a.x.png"]


@pytest.mark.parametrize(
    ("suffix", "others"),
    [(".jpg", [".jpeg", ".png"]), (".png", [".jpg", ".jpeg"]), (".tif", [".jpg", ".jpeg", ".png"])],
)
def test_without_a_declaration_the_usual_suffixes_are_known(suffix: str, others: list[str]) -> None:
    own, *found = ImageForms.of_suffix(suffix)
    assert own.is_own
    paths = pa.array([f"a/b.c{suffix}"])
    assert [form.files(paths)[0].as_py() for form in found] == [f"a/b.c{other}" for other in others]


def test_a_folder_is_recognised_by_whole_names() -> None:
    assert FORMS.recognised(["a", "notes.txt"]) == "These are notes."
    assert FORMS.recognised(["older"]) == "This is the old release."
    assert FORMS.recognised(["my notes.txt", "not old", ""]) == ""


@pytest.mark.parametrize("package", ["mimic_cxr_jpg", "indiana_cxr"])
def test_a_dataset_s_own_suffix_is_the_same_in_both_declarations(package: str) -> None:
    kind = builder_class(package)
    assert kind.IMAGE_FORMS is not None
    own = next(iter(kind.IMAGE_FORMS))
    assert own.suffix == kind.IMAGE_SUFFIX
    assert len({form.told for form in kind.IMAGE_FORMS}) == len(list(kind.IMAGE_FORMS))
