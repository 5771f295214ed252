"""The third dataset of `examples/chexpert_small`, installed by pip as its author would install it.

Nothing in `cxr_datasets` knows of it. It passes its own tests, loads, streams, and every verb of
the command line and the demonstration work with it.
"""

from __future__ import annotations

import json
import re
import shutil
import textwrap
from pathlib import Path

import pytest

import cxr_datasets
from cxr_datasets.testing import files_under
from tests.helpers import pip, run_python

CHECKOUT = Path(cxr_datasets.__file__).parents[1]
OF_DATASETS_3 = "ignore:To copy construct from a tensor:UserWarning"
EXAMPLE = CHECKOUT / "examples" / "chexpert_small"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example, so that building it leaves nothing in the checkout."""
    ignore = shutil.ignore_patterns("__pycache__", "build", "*.egg-info")
    return Path(shutil.copytree(EXAMPLE, tmp_path_factory.mktemp("own") / "src", ignore=ignore))


@pytest.fixture(scope="module")
def installed(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that pip installed it in."""
    target = tmp_path_factory.mktemp("installed")
    pip("install", "--no-deps", "--no-build-isolation", "--target", str(target), str(source))
    return target


@pytest.fixture(scope="module")
def release(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An invented release, written by the command line."""
    folder = tmp_path_factory.mktemp("release")
    said = run(
        "from cxr_datasets.cli import main\n"
        "assert main(['synthesize', 'chexpert-small', 'made', '--patients', '12']) == 0",
        folder,
        installed,
    )
    assert said.strip() == "made"
    return folder / "made"


def run(code: str, cwd: Path, installed: Path, forked: bool = True) -> str:
    """What a program prints that finds the installed example."""
    done = run_python(
        textwrap.dedent(code), cwd=cwd, pythonpath=installed, timeout=240, forked=forked
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_passes_its_own_tests(source: Path, installed: Path, tmp_path: Path) -> None:
    # Away from the sources, so that what is tested is what was installed.
    shutil.copytree(source / "tests", tmp_path / "tests")
    # What it makes lies here: pytest would empty the folders of earlier runs first.
    words = ["-q", "-p", "no:cacheprovider", "--rootdir", ".", "--basetemp", "made"]
    words += ["-W", OF_DATASETS_3, "tests"]
    # Not forked: pytest warns of plugins whose modules are imported already.
    code = f"import sys, pytest; sys.exit(pytest.main({words}))"
    said = run(code, tmp_path, installed, forked=False)
    passed = re.search(r"^(\d+) passed(.*) in ", said, re.MULTILINE)
    assert passed is not None, said
    assert int(passed[1]) >= 70
    assert passed[2] == ""  # nothing skipped, no warning


def test_it_loads_by_name_and_by_path_built_and_streamed(
    installed: Path, release: Path, tmp_path: Path
) -> None:
    said = run(
        f"""
        import json
        import chexpert_small
        from datasets import load_dataset

        found = {{"place": chexpert_small.__file__}}
        for path in ("chexpert_small", {str(installed / "chexpert_small")!r}):
            splits = load_dataset(path, data_dir={str(release)!r}, cache_dir="cache")
            stream = load_dataset(path, data_dir={str(release)!r}, streaming=True)
            found[path] = {{name: split["image_id"][:] for name, split in splits.items()}}
            for name, split in splits.items():
                assert [row["image_id"] for row in stream[name]] == found[path][name]
            row = splits["validation"][0]
            found["mode"], found["report"] = row["image"].mode, row["report"]
        print(json.dumps(found))
        """,
        tmp_path,
        installed,
    )
    found = json.loads(said.splitlines()[-1])
    assert Path(found["place"]).is_relative_to(installed)
    by_name, by_path = found["chexpert_small"], found[str(installed / "chexpert_small")]
    assert by_name == by_path
    assert list(by_name) == ["train", "validation"]
    assert sum(map(len, by_name.values())) == len(list(release.rglob("*.jpg")))
    assert (found["mode"], found["report"]) == ("L", None)


def test_its_card_says_what_is_so(installed: Path, release: Path, tmp_path: Path) -> None:
    card = (installed / "chexpert_small" / "README.md").read_text()
    (code,) = re.findall(r"^```python\n(.*?)^```", card, re.MULTILINE | re.DOTALL)
    (tmp_path / "CheXpert-v1.0-small").symlink_to(release)
    said = run(code + "print(*images['train'].features, *studies.features)", tmp_path, installed)
    listed = re.findall(r"^\| (`.*?) \| .*\|.*\|.*\|$", card.split("## Splits")[0], re.MULTILINE)
    columns = [name for cell in listed for name in re.findall("`(.+?)`", cell)]
    assert said.split()[: len(columns)] == columns
    assert "view_positions" in said.split()[len(columns) :]


@pytest.fixture(scope="module")
def exported(installed: Path, release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an export of all configs in `all`, and one of PA views in `pa`."""
    folder = tmp_path_factory.mktemp("exported")
    run(
        f"""
        from cxr_datasets.cli import main
        words = ["export", "chexpert-small", "--data-dir", {str(release)!r}, "--no-progress"]
        for config in ("images", "studies", "reports"):
            assert main([*words, "--out", "all", "--config", config]) == 0
        assert main([*words, "--out", "pa", "--views", "PA"]) == 0
        """,
        folder,
        installed,
    )
    return folder


def test_an_export_of_it_loads_without_it(exported: Path, release: Path, tmp_path: Path) -> None:
    said = run(
        f"""
        import json
        from datasets import load_dataset

        def load(folder, config):
            return load_dataset({str(exported)!r} + "/" + folder, config, cache_dir="cache")

        found = {{}}
        for config in ("images", "studies", "reports"):
            found[config] = sum(map(len, load("all", config).values()))
        found["mode"] = load("all", "images")["train"][0]["image"].mode
        found["positions"] = sorted(set(load("pa", "images")["train"]["view_position"]))
        print(json.dumps(found))
        """,
        tmp_path,
        tmp_path,
    )
    files = list(release.rglob("*.jpg"))
    studies = len({file.parent for file in files})
    assert json.loads(said.splitlines()[-1]) == {
        "images": len(files),
        "studies": studies,
        "reports": studies,
        "mode": "L",
        "positions": ["PA"],
    }


def test_an_export_of_it_has_the_card_and_the_columns_of_the_dataset(exported: Path) -> None:
    card = (exported / "all" / "README.md").read_text()
    assert "pretty_name: CheXpert-v1.0-small" in card
    assert "Research Use Agreement" in card
    described = json.loads((exported / "all" / "croissant.json").read_text())
    fields = {
        field["name"].rpartition("/")[2]: field["dataType"]
        for field in described["recordSet"][0]["field"]
        if "dataType" in field
    }
    assert fields["age"] == "sc:Integer"
    assert fields["sex"] == fields["view_position"] == "sc:Text"


def test_a_push_of_it_asks_for_the_agreement_first(installed: Path, exported: Path) -> None:
    done = run_python(
        "from cxr_datasets.cli import main\nprint('code', main(['push', 'all', 'somebody/x']))",
        cwd=exported,
        pythonpath=installed,
        forked=True,
    )
    assert "code 1" in done.stdout, done.stderr
    assert "https://stanfordmlgroup.github.io/competitions/chexpert/" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.thorough
def test_the_demonstration_shows_it_without_being_told(installed: Path, tmp_path: Path) -> None:
    said = run(
        """
        import sys
        from cxr_datasets.preview.demo import main
        sys.exit(main(["shown"]))
        """,
        tmp_path,
        installed,
    )
    titles = re.findall(r"^== (\S+) ", said, re.MULTILINE)
    assert titles[:3] == ["chexpert-small", "indiana-cxr", "mimic-cxr-jpg"]
    part = said.split("== chexpert-small ")[1].split("\n== ")[0]
    assert 'load_dataset("chexpert_small", data_dir="shown/chexpert-small"' in part
    assert "no report" in part
    assert "the same rows in the same order" in part
    assert "No patient is in two splits." in part
    assert "train.csv" in files_under(tmp_path / "shown" / "chexpert-small")
