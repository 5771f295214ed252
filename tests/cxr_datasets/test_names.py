"""Nothing that all datasets share names one of them, or a site that one comes from."""

from __future__ import annotations

import re
from pathlib import Path

import cxr_datasets

FOLDER = Path(cxr_datasets.__file__).parent
NAMES = re.compile("physionet|kaggle|mimic|indiana", re.IGNORECASE)


def test_no_file_names_a_dataset_or_a_site() -> None:
    files = sorted(FOLDER.rglob("*.py"))
    assert len(files) > 50
    found = [
        f"{file.relative_to(FOLDER)}:{number}: {line.strip()}"
        for file in files
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if NAMES.search(line)
    ]
    assert found == []
