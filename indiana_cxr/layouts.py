"""The forms in which people have the images: other folders and names, other releases."""

from __future__ import annotations

from collections.abc import Sequence

from cxr_datasets.builder.forms import SUFFIXES, ImageForms

IMAGE_FOLDER = "images/images_normalized/"
"""Where the PNGs are in Kaggle's archive."""

PNG_SUFFIX = ".dcm.png"

_FOLDERS = (
    IMAGE_FOLDER,
    "images/",
    "",
    "images_normalized/",
    # Some programs unpack an archive into a folder of its name, or of its only folder's.
    "images/images_normalized/images_normalized/",
    "images_normalized/images_normalized/",
    "images/images/images_normalized/",
    "images/images/",
)

_ANOTHER = (
    "Pass the release on Kaggle, raddar/chest-xrays-indiana-university, which has its own names of "
    "files and two tables."
)

IMAGE_FORMS = ImageForms(
    path=f"{IMAGE_FOLDER}(.*)",
    layouts={f"{folder}<uid>_IM-<number>": rf"{folder}\1" for folder in _FOLDERS},
    suffixes=(PNG_SUFFIX, *SUFFIXES, *(f".dcm{suffix}" for suffix in SUFFIXES[:2])),
    others={
        r"NLMCXR.*|ecgen-radiology|CXR\d+_\S*\.(png|dcm|jpg)": (
            f"This is another release of the collection: NLMCXR, that of Open-i. {_ANOTHER}"
        ),
        r"annotation\.json|iu_xray|CXR\d+(_\d+)?_IM-[\d-]+": (
            "This is another release of the collection: iu_xray, the folder that R2Gen made of it "
            f"(annotation.json and images/). {_ANOTHER} Its lists are split_by='r2gen'."
        ),
    },
)


def name_of_study(uid: int, image_ids: Sequence[str]) -> str:
    """Give the name that R2Gen's list has for a study, such as `CXR1_IM-0001`.

    Args:
        uid: Its uid; an id of an image begins with it.
        image_ids: The ids of its images, such as `1_IM-0001-4001`; without any, `CXR1`.
    """
    return f"CXR{image_ids[0].rpartition('-')[0] if image_ids else uid}"
