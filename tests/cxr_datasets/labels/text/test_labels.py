from __future__ import annotations

import pyarrow as pa
import pytest

from cxr_datasets.columns import LABELS
from cxr_datasets.errors import OptionError
from cxr_datasets.labels import label_text, label_texts

TEXT = "Heart size is normal. No pneumothorax or pleural effusion; however a nodule is seen."


def test_a_text_has_the_14_labels_in_their_order():
    labels = label_text(TEXT)
    assert tuple(labels) == LABELS
    said = {label: value for label, value in labels.items() if value is not None}
    assert said == {"Cardiomegaly": 0, "Lung Lesion": 1, "Pleural Effusion": 0, "Pneumothorax": 0}


@pytest.mark.parametrize(
    "make", [list, pa.array, lambda texts: pa.chunked_array([texts[:1], texts[1:]])]
)
def test_a_column_says_what_each_text_says_and_null_is_null(make):
    column = label_texts(make([TEXT, None, ""]))
    assert column.type == pa.struct({label: pa.int8() for label in LABELS})
    assert column.to_pylist() == [label_text(TEXT), None, dict.fromkeys(LABELS)]


def test_what_is_no_text_is_refused():
    with pytest.raises(OptionError, match="text is a bytes"):
        label_text(b"no")
    with pytest.raises(OptionError, match="int64"):
        label_texts(pa.array([1]))
    with pytest.raises(OptionError, match="column is one text"):
        label_texts("No effusion.")
    with pytest.raises(OptionError, match="column is a list"):
        label_texts([1.5, "x"])
