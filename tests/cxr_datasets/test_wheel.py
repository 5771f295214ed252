"""The wheel holds all that is needed, and works from a folder that is not the checkout."""

from __future__ import annotations

import json
import shutil
import textwrap
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import cxr_datasets
import indiana_cxr
from tests.helpers import pip, run_python

CHECKOUT = Path(indiana_cxr.__file__).parents[1]
PACKAGES = ("cxr_datasets", "indiana_cxr", "mimic_cxr_jpg")
SUFFIXES = (".py", ".csv", ".md", ".typed", ".html", ".css", ".js")
SOURCES = ("pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from a copy of the sources, so that the checkout stays as it is."""
    sources = tmp_path_factory.mktemp("sources")
    for name in SOURCES:
        shutil.copy(CHECKOUT / name, sources)
    for name in PACKAGES:
        shutil.copytree(
            CHECKOUT / name, sources / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    out = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(out), str(sources))
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the wheel is installed in."""
    target = tmp_path_factory.mktemp("installed")
    pip("install", "--no-deps", "--no-compile", "--target", str(target), str(wheel))
    return target


def test_the_wheel_is_for_every_machine_and_says_its_version(wheel: Path) -> None:
    assert wheel.name == f"cxr_datasets-{cxr_datasets.__version__}-py3-none-any.whl"


def test_the_wheel_holds_the_three_packages_whole_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        names = [name for name in file.namelist() if ".dist-info/" not in name]
    expected = [
        file.relative_to(CHECKOUT).as_posix()
        for package in PACKAGES
        for file in (CHECKOUT / package).rglob("*")
        if file.is_file() and file.suffix in SUFFIXES
    ]
    assert sorted(names) == sorted(expected)


@pytest.mark.parametrize(
    "file",
    [
        "indiana_cxr/indiana_cxr.py",
        "indiana_cxr/README.md",
        "indiana_cxr/r2gen_split.csv",
        "mimic_cxr_jpg/mimic_cxr_jpg.py",
        "mimic_cxr_jpg/README.md",
        "cxr_datasets/py.typed",
        "cxr_datasets/preview/page/page.html",
        "cxr_datasets/preview/page/page.css",
        "cxr_datasets/preview/page/page.js",
    ],
)
def test_the_wheel_holds_scripts_cards_and_data_files(wheel: Path, file: str) -> None:
    with zipfile.ZipFile(wheel) as members:
        assert members.read(file) == (CHECKOUT / file).read_bytes()


def test_the_wheel_says_what_it_needs_and_offers(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        (name,) = [name for name in file.namelist() if name.endswith("/METADATA")]
        metadata = Parser().parsestr(file.read(name).decode())
        (points,) = [name for name in file.namelist() if name.endswith("/entry_points.txt")]
        offered = file.read(points).decode()
        assert any(name.endswith("/LICENSE") for name in file.namelist())
    assert metadata["Name"] == "cxr-datasets"
    assert metadata["Requires-Python"] == ">=3.10"
    assert metadata["License-Expression"] == "Apache-2.0"
    needed = [need for need in metadata.get_all("Requires-Dist") if "extra ==" not in need]
    (on_datasets,) = [need for need in needed if need.startswith("datasets")]
    assert set(on_datasets.removeprefix("datasets").split(",")) == {">=3.6", "!=5.0.0", "!=5.0.1"}
    assert "cxr = cxr_datasets.cli:main" in offered
    assert "indiana-cxr = indiana_cxr" in offered
    assert "mimic-cxr-jpg = mimic_cxr_jpg" in offered


def test_the_installed_packages_load_both_datasets_by_path_and_by_name(
    installed: Path, indiana_release: Path, small_release: Path, tmp_path: Path
) -> None:
    releases = {"indiana_cxr": str(indiana_release), "mimic_cxr_jpg": str(small_release)}
    run = run_python(
        textwrap.dedent(
            f"""
            import json
            import cxr_datasets, indiana_cxr, mimic_cxr_jpg
            from cxr_datasets.cli import main
            from datasets import load_dataset

            releases = {releases!r}
            found = {{"places": [m.__file__ for m in (cxr_datasets, indiana_cxr, mimic_cxr_jpg)]}}
            for package, release in releases.items():
                for path in ({str(installed)!r} + "/" + package, package):
                    splits = load_dataset(path, data_dir=release, cache_dir="cache")
                    found[path] = [sum(map(len, splits.values())), splits["train"][0]["image"].mode]
            listed = load_dataset(
                "indiana_cxr", "reports", data_dir=releases["indiana_cxr"], cache_dir="cache",
                split_by="r2gen",
            )
            found["splits"] = list(listed)
            found["code"] = main(["synthesize", "indiana-cxr", "invented", "--studies", "5"])
            found["page"] = main(["preview", "invented", "--out", "preview.html"])
            print(json.dumps(found))
            """
        ),
        cwd=tmp_path,
        pythonpath=installed,
        forked=True,
    )
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout.splitlines()[-1])
    assert all(Path(place).is_relative_to(installed) for place in found["places"])
    for package, rows in (("indiana_cxr", 126), ("mimic_cxr_jpg", 44)):
        assert found[package] == found[f"{installed}/{package}"] == [rows, "L"]
    assert found["splits"] == ["train", "validation", "test"]
    assert found["code"] == found["page"] == 0
    assert (tmp_path / "invented" / "indiana_reports.csv").is_file()
    assert (tmp_path / "preview.html").is_file()
