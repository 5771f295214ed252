"""`load_dataset` answers for our folders and names, and for nothing else."""

from __future__ import annotations

import csv
import importlib
import json
import shutil
import textwrap
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import load_dataset
from PIL import Image

import cxr_datasets.hooks.loading
import indiana_cxr
import mimic_cxr_jpg
from cxr_datasets import packages
from cxr_datasets.builder.config import option_help
from cxr_datasets.errors import OptionError, ScriptError
from tests.helpers import run_python

CHECKOUT = Path(indiana_cxr.__file__).parents[1]
PACKAGES = ("cxr_datasets", "indiana_cxr", "mimic_cxr_jpg")
SCRIPTS_ARE_SUPPORTED = int(datasets.__version__.split(".")[0]) < 4


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A folder with a copy of the three packages."""
    return copy_packages(tmp_path / "copied")


def copy_packages(to: Path) -> Path:
    for package in PACKAGES:
        shutil.copytree(
            CHECKOUT / package, to / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    return to


def uids(path: str, release: Path, cache: str, **options: Any) -> list[int]:
    rows = load_dataset(
        path, "reports", data_dir=str(release), cache_dir=cache, split="train", **options
    )
    return list(rows["study_id"])


@pytest.fixture(scope="module")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    """For ways to write one path: the first builds, and others find what it built."""
    return str(tmp_path_factory.mktemp("loading"))


@pytest.fixture(scope="module")
def expected(indiana_release: Path) -> list[int]:
    with open(indiana_release / "indiana_projections.csv", newline="") as file:
        return list(dict.fromkeys(int(row["uid"]) for row in csv.DictReader(file)))


# Our folders and names.


@pytest.mark.parametrize(
    "path",
    [
        "./indiana_cxr",
        "indiana_cxr",
        "indiana_cxr/",
        "./indiana_cxr/",
        "mimic_cxr_jpg/../indiana_cxr",
        "./indiana_cxr/indiana_cxr.py",
        "indiana_cxr/indiana_cxr.py",
        str(CHECKOUT / "indiana_cxr"),
        str(CHECKOUT / "indiana_cxr") + "/",
        str(CHECKOUT / "indiana_cxr" / "indiana_cxr.py"),
    ],
)
def test_the_folder_loads_however_its_path_is_written(
    path: str,
    indiana_release: Path,
    shared_cache: str,
    expected: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(CHECKOUT)
    assert uids(path, indiana_release, shared_cache) == expected


@pytest.mark.parametrize("path", [".", "./", "../indiana_cxr"])
def test_the_folder_loads_from_within(
    path: str,
    indiana_release: Path,
    shared_cache: str,
    expected: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(CHECKOUT / "indiana_cxr")
    assert uids(path, indiana_release, shared_cache) == expected


def test_the_name_loads_from_anywhere(
    indiana_release: Path,
    mimic_release: Path,
    cache: str,
    tmp_path: Path,
    expected: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert uids("indiana_cxr", indiana_release, cache) == expected
    splits = load_dataset("mimic_cxr_jpg", data_dir=str(mimic_release), cache_dir=cache)
    assert list(splits) == ["train", "validation", "test"]


@pytest.mark.parametrize(
    "path",
    [
        *("./indiana_cxr", "indiana_cxr/", "./indiana_cxr/", "indiana_cxr/indiana_cxr.py"),
        *("../indiana_cxr", "../../indiana_cxr/", "./somewhere/indiana_cxr"),
        *("indiana-cxr", "./indiana-cxr", "indiana-cxr/", "/not/there/indiana_cxr"),
        Path("indiana_cxr"),
    ],
)
def test_a_path_means_the_installed_package_where_there_is_no_such_folder(
    path: Any,
    indiana_release: Path,
    shared_cache: str,
    tmp_path: Path,
    expected: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    assert uids(path, indiana_release, shared_cache) == expected
    names = datasets.get_dataset_config_names(str(path), data_dir="any")
    assert names == ["images", "studies", "reports"]


def test_both_spellings_give_one_dataset_from_the_cache(indiana_release: Path, cache: str) -> None:
    options = {"data_dir": str(indiana_release), "cache_dir": cache, "split": "train"}
    one, other = (load_dataset(name, **options) for name in ("indiana_cxr", "indiana-cxr"))
    assert one.cache_files == other.cache_files


@pytest.mark.parametrize("path", ["indiana-cxr", "./indiana-cxr", "indiana-cxr/"])
def test_a_folder_of_data_in_the_other_spelling_is_left_to_datasets(
    path: str, tmp_path: Path, cache: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "indiana-cxr").mkdir()
    pq.write_table(pa.table({"a": [1, 2, 3]}), tmp_path / "indiana-cxr" / "train.parquet")
    monkeypatch.chdir(tmp_path)
    assert load_dataset(path, cache_dir=cache, split="train")["a"][:] == [1, 2, 3]


def test_a_relative_data_dir_is_read_from_where_one_stands(
    indiana_release: Path, cache: str, expected: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(indiana_release.parent)
    assert uids("indiana_cxr", Path(indiana_release.name), cache) == expected


def test_a_link_to_the_folder_is_the_folder(
    indiana_release: Path, cache: str, tmp_path: Path, expected: list[int]
) -> None:
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "indiana_cxr").symlink_to(CHECKOUT / "indiana_cxr")
    assert uids(str(tmp_path / "linked" / "indiana_cxr"), indiana_release, cache) == expected


def test_arguments_of_load_dataset_work_together(mimic_release: Path, cache: str) -> None:
    options: dict[str, Any] = {
        "data_dir": str(mimic_release), "views": ["frontal"], "cache_dir": cache,
    }  # fmt: skip
    whole = load_dataset("mimic_cxr_jpg", "studies", split="train", num_proc=2, **options)
    some = load_dataset("mimic_cxr_jpg", "studies", split="train[:10]", **options)
    assert some["paths"][:] == whole["paths"][:10]
    shares = load_dataset("mimic_cxr_jpg", "studies", split=["train[:50%]", "test"], **options)
    assert shares[0].num_rows == pytest.approx(whole.num_rows / 2, abs=1)
    both = load_dataset("mimic_cxr_jpg", "studies", split="train+test", **options)
    assert both.num_rows == whole.num_rows + shares[1].num_rows
    streamed = load_dataset("mimic_cxr_jpg", "studies", split="train", streaming=True, **options)
    assert next(iter(streamed))["paths"] == whole["paths"][0]


def test_name_given_as_keyword_and_dataset_builder_work(indiana_release: Path, cache: str) -> None:
    options = {"data_dir": str(indiana_release), "cache_dir": cache}
    builder = datasets.load_dataset_builder("indiana_cxr", name="studies", **options)
    assert builder.config.name == "studies"
    assert builder.info.homepage
    assert builder.info.citation
    assert load_dataset(path="indiana_cxr", name="studies", **options)["train"].num_rows == 60


def test_inspection_of_the_dataset_works(indiana_release: Path, cache: str) -> None:
    configs = ["images", "studies", "reports"]
    assert datasets.get_dataset_config_names(str(CHECKOUT / "indiana_cxr")) == configs
    assert datasets.get_dataset_config_names("mimic_cxr_jpg", data_dir="any") == configs
    assert datasets.get_dataset_default_config_name("indiana_cxr") == "images"
    options = {"data_dir": str(indiana_release), "cache_dir": cache}
    assert datasets.get_dataset_split_names("indiana_cxr", "images", **options) == ["train"]


def test_save_infos_changes_no_file_of_the_package(
    indiana_release: Path, cache: str, expected: list[int]
) -> None:
    before = snapshot(CHECKOUT / "indiana_cxr")
    assert uids("indiana_cxr", indiana_release, cache, save_infos=True) == expected
    assert snapshot(CHECKOUT / "indiana_cxr") == before


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    files = (file for file in folder.iterdir() if file.is_file())
    return {file.name: (file.stat().st_size, file.stat().st_mtime_ns) for file in files}


def test_the_classes_work_without_load_dataset(
    indiana_release: Path, mimic_release: Path, cache: str
) -> None:
    for builder_class, release in (
        (indiana_cxr.IndianaCxr, indiana_release),
        (mimic_cxr_jpg.MimicCxrJpg, mimic_release),
    ):
        builder = builder_class(data_dir=str(release), cache_dir=cache)
        builder.download_and_prepare()
        direct = builder.as_dataset(split="train")
        loaded = load_dataset(builder.name, data_dir=str(release), cache_dir=cache, split="train")
        assert direct.cache_files == loaded.cache_files
        assert direct[0]["image"].mode == "L"


def test_the_class_streams_without_being_prepared(mimic_release: Path, cache: str) -> None:
    builder = mimic_cxr_jpg.MimicCxrJpg(
        config_name="studies", data_dir=str(mimic_release), cache_dir=cache, views="lateral"
    )
    rows = list(builder.as_streaming_dataset(split="test").remove_columns("images"))
    assert rows
    assert {view for row in rows for view in row["views"]} == {1}


# Copies of our folders.


def test_an_identical_copy_of_the_folder_is_accepted(
    copied: Path, indiana_release: Path, cache: str, expected: list[int]
) -> None:
    assert uids(str(copied / "indiana_cxr"), indiana_release, cache) == expected


@pytest.mark.parametrize("file", ["indiana_cxr.py", "release.py", "r2gen_split.csv"])
def test_a_copy_with_one_changed_byte_is_refused_and_both_are_named(
    copied: Path, indiana_release: Path, cache: str, file: str
) -> None:
    changed = copied / "indiana_cxr" / file
    content = bytearray(changed.read_bytes())
    content[len(content) // 2] ^= 1
    changed.write_bytes(content)
    with pytest.raises(ScriptError) as caught:
        uids(str(copied / "indiana_cxr"), indiana_release, cache)
    for mention in (copied / "indiana_cxr", CHECKOUT / "indiana_cxr", file, "by name"):
        assert str(mention) in str(caught.value)
    assert not Path(cache).exists()


def test_a_copy_with_a_file_more_is_refused(
    copied: Path, indiana_release: Path, cache: str
) -> None:
    (copied / "indiana_cxr" / "more.py").write_text("# of a later version\n")
    with pytest.raises(ScriptError, match=r"more\.py"):
        uids(str(copied / "indiana_cxr"), indiana_release, cache)


def test_an_identical_script_alone_is_accepted(
    indiana_release: Path, cache: str, tmp_path: Path, expected: list[int]
) -> None:
    (tmp_path / "indiana_cxr").mkdir()
    shutil.copy(CHECKOUT / "indiana_cxr" / "indiana_cxr.py", tmp_path / "indiana_cxr")
    assert uids(str(tmp_path / "indiana_cxr"), indiana_release, cache) == expected


def test_a_copy_is_judged_by_its_code_alone(
    copied: Path, indiana_release: Path, cache: str, expected: list[int]
) -> None:
    (copied / "indiana_cxr" / "README.md").write_text("Another card.\n")
    assert uids(str(copied / "indiana_cxr"), indiana_release, cache) == expected


def test_the_copy_that_was_imported_is_the_one_that_loads(
    copied: Path, indiana_release: Path, tmp_path: Path
) -> None:
    """In a process that imports the copy, it is the checkout that is another version."""
    with open(copied / "indiana_cxr" / "release.py", "a") as file:
        file.write("# of a later version\n")
    run = run_python(
        textwrap.dedent(
            f"""
            import indiana_cxr, json
            from datasets import load_dataset
            from cxr_datasets.errors import ScriptError

            def rows(path):
                return load_dataset(
                    path, "reports", data_dir={str(indiana_release)!r},
                    cache_dir={str(tmp_path / "cache")!r}, split="train",
                ).num_rows

            found = [rows("indiana_cxr"), rows("./indiana_cxr")]
            try:
                rows({str(CHECKOUT / "indiana_cxr")!r})
            except ScriptError as error:
                found.append(str(error))
            print(json.dumps(found))
            """
        ),
        cwd=copied,
        pythonpath=copied,
        forked=True,
    )
    assert run.returncode == 0, run.stderr
    by_name, by_path, error = json.loads(run.stdout)
    assert by_name == by_path == 60
    assert str(copied / "indiana_cxr") in error
    assert str(CHECKOUT / "indiana_cxr") in error


# Everything else.


def test_a_folder_of_our_name_without_our_script_is_left_to_datasets(
    tmp_path: Path, cache: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "indiana_cxr").mkdir()
    pq.write_table(pa.table({"a": [1, 2, 3]}), tmp_path / "indiana_cxr" / "train.parquet")
    monkeypatch.chdir(tmp_path)
    for path in ("./indiana_cxr", "indiana_cxr", str(tmp_path / "indiana_cxr")):
        assert load_dataset(path, cache_dir=cache, split="train")["a"][:] == [1, 2, 3]


def test_with_data_dir_the_bare_name_is_ours_even_beside_such_a_folder(
    indiana_release: Path,
    tmp_path: Path,
    cache: str,
    expected: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("indiana_cxr", "indiana-cxr"):
        (tmp_path / name).mkdir()
        pq.write_table(pa.table({"a": [1]}), tmp_path / name / "train.parquet")
        assert uids(name, indiana_release, cache) == expected


def test_somebody_elses_script_of_our_name_is_left_to_datasets(tmp_path: Path, cache: str) -> None:
    (tmp_path / "indiana_cxr").mkdir()
    (tmp_path / "indiana_cxr" / "indiana_cxr.py").write_text(
        textwrap.dedent(
            """
            import datasets

            class Another(datasets.GeneratorBasedBuilder):
                def _info(self):
                    return datasets.DatasetInfo(
                        features=datasets.Features({"another": datasets.Value("int64")})
                    )

                def _split_generators(self, dl_manager):
                    return [datasets.SplitGenerator(name="train")]

                def _generate_examples(self):
                    yield 0, {"another": 1}
            """
        )
    )
    path = str(tmp_path / "indiana_cxr")
    if SCRIPTS_ARE_SUPPORTED:
        run = run_python(
            f"import indiana_cxr, datasets; print(datasets.load_dataset({path!r}, split='train', "
            f"cache_dir={cache!r}, trust_remote_code=True)['another'])",
            cwd=tmp_path, pythonpath=CHECKOUT, forked=True,
        )  # fmt: skip
        assert run.stdout.strip() == "[1]", run.stderr
    else:
        with pytest.raises(RuntimeError, match="scripts are no longer supported"):
            load_dataset(path, cache_dir=cache)


def test_a_name_that_only_looks_like_ours_is_left_to_datasets(cache: str) -> None:
    for path in (
        *("someone/indiana_cxr", "someone/indiana-cxr", "some-one/indiana_cxr/"),
        *("indiana_cxr_2", "indiana cxr", "Indiana_CXR", "hf://indiana_cxr"),
    ):
        with pytest.raises(Exception) as caught:  # which one varies by version
            load_dataset(path, cache_dir=cache)
        assert "cxr_datasets" not in type(caught.value).__module__


def test_every_other_way_to_load_is_as_before(tmp_path: Path, cache: str) -> None:
    (tmp_path / "rows.json").write_text('{"a": 1}\n{"a": 2}\n')
    (tmp_path / "rows.csv").write_text("a\n1\n2\n")
    (tmp_path / "rows.txt").write_text("1\n2\n")
    pq.write_table(pa.table({"a": [1, 2]}), tmp_path / "rows.parquet")
    for kind in ("json", "csv", "parquet"):
        rows = load_dataset(
            kind, data_files=str(tmp_path / f"rows.{kind}"), cache_dir=cache, split="train"
        )
        assert rows["a"][:] == [1, 2]
    text = load_dataset("text", data_files=str(tmp_path / "rows.txt"), cache_dir=cache)
    assert text["train"]["text"][:] == ["1", "2"]
    streamed = load_dataset(
        "json", data_files=str(tmp_path / "rows.json"), cache_dir=cache, streaming=True
    )
    assert [row["a"] for row in streamed["train"]] == [1, 2]
    (tmp_path / "images" / "cat").mkdir(parents=True)
    Image.fromarray(np.zeros((4, 6), np.uint8)).save(tmp_path / "images" / "cat" / "0.png")
    images = load_dataset("imagefolder", data_dir=str(tmp_path / "images"), cache_dir=cache)
    assert images["train"][0]["image"].size == (6, 4)
    folder = load_dataset(str(tmp_path / "images"), cache_dir=cache)
    assert folder["train"].num_rows == 1


# Importing.


def test_importing_again_or_reloading_installs_the_hook_once() -> None:
    hooks = [datasets.load.dataset_module_factory, datasets.inspect.dataset_module_factory]
    for package in (indiana_cxr, mimic_cxr_jpg):
        importlib.reload(package)
        cxr_datasets.hooks.loading.register(package.__name__)
    again = [datasets.load.dataset_module_factory, datasets.inspect.dataset_module_factory]
    assert [one is other for one, other in zip(hooks, again, strict=True)] == [True, True]
    for hook in hooks:
        assert not hasattr(hook.__wrapped__, "__cxr_hook__")
        assert hook.__wrapped__.__module__ == "datasets.load"


def test_a_package_is_answered_for_from_its_import_on_and_not_before(
    indiana_release: Path, small_release: Path, tmp_path: Path
) -> None:
    releases = {"indiana_cxr": str(indiana_release), "mimic_cxr_jpg": str(small_release)}
    run = run_python(
        textwrap.dedent(
            f"""
            from datasets import load_dataset

            def load(package):
                release = {releases!r}[package]
                try:
                    return list(load_dataset(package, "reports", data_dir=release, cache_dir="c"))
                except Exception as error:
                    return type(error).__module__.split(".")[0]

            print(load("indiana_cxr"), load("mimic_cxr_jpg"))
            import mimic_cxr_jpg
            print(load("indiana_cxr"), load("mimic_cxr_jpg"))
            import indiana_cxr, mimic_cxr_jpg
            print(load("indiana_cxr"), load("mimic_cxr_jpg"))
            """
        ),
        cwd=tmp_path,
        pythonpath=CHECKOUT,
        forked=True,
    )
    neither, mimic, both = run.stdout.splitlines()
    assert both == "['train'] ['train', 'validation', 'test']", run.stderr
    assert mimic.endswith(" ['train', 'validation', 'test']")
    refusal = mimic.split()[0]
    assert neither == f"{refusal} {refusal}"
    assert refusal in ("builtins", "datasets", "huggingface_hub")


@pytest.mark.skipif(SCRIPTS_ARE_SUPPORTED, reason="datasets 3 runs scripts")
def test_without_the_import_datasets_itself_refuses_the_script(
    indiana_release: Path, tmp_path: Path
) -> None:
    run = run_python(
        f"import datasets; datasets.load_dataset('./indiana_cxr', "
        f"data_dir={str(indiana_release)!r}, cache_dir={str(tmp_path)!r})",
        cwd=CHECKOUT, pythonpath=CHECKOUT, forked=True,
    )  # fmt: skip
    assert run.returncode == 1
    assert "RuntimeError: Dataset scripts are no longer supported" in run.stderr


@pytest.mark.skipif(not SCRIPTS_ARE_SUPPORTED, reason="datasets 4 runs no scripts")
@pytest.mark.parametrize("package", ["indiana_cxr", "mimic_cxr_jpg"])
def test_without_the_import_datasets_3_runs_the_same_file_as_a_script(
    package: str, indiana_release: Path, mimic_release: Path, tmp_path: Path
) -> None:
    release = indiana_release if package == "indiana_cxr" else mimic_release
    run = run_python(
        textwrap.dedent(
            f"""
            import json
            from datasets import load_dataset
            arguments = dict(
                path="./{package}", data_dir={str(release)!r},
                cache_dir={str(tmp_path / "cache")!r}, trust_remote_code=True,
            )
            built = load_dataset(**arguments)
            streamed = load_dataset(**arguments, streaming=True)
            studies = load_dataset(**arguments, name="studies", views=["frontal"], num_proc=2)
            print(json.dumps([
                {{name: split.num_rows for name, split in built.items()}},
                {{name: len(list(split)) for name, split in streamed.items()}},
                built["train"][0]["image"].mode,
                studies["train"][0]["views"],
            ]))
            """
        ),
        cwd=CHECKOUT,
        pythonpath=CHECKOUT,
        forked=True,
    )
    assert run.returncode == 0, run.stderr
    built, streamed, mode, views = json.loads(run.stdout)
    assert built == streamed
    assert sum(built.values()) > 100
    assert mode == "L"
    assert set(views) == {0}


def test_a_wrong_config_name_lists_the_right_ones(indiana_release: Path, cache: str) -> None:
    with pytest.raises(OptionError, match="'images', 'studies', 'reports'"):
        load_dataset("indiana_cxr", "image", data_dir=str(indiana_release), cache_dir=cache)


@pytest.mark.parametrize("package", ["indiana_cxr", "mimic_cxr_jpg"])
def test_a_wrong_option_lists_every_right_one(package: str, cache: str) -> None:
    config = packages.builder_class(package).BUILDER_CONFIG_CLASS
    right = ["data_dir", *option_help(config), "storage_options"]
    assert {"connections", "missing", "image_size", "views"} < set(right)
    with pytest.raises(OptionError) as caught:
        load_dataset(package, data_dir="any", cache_dir=cache, conections=3)
    listed = ", ".join(map(repr, right))
    assert str(caught.value).endswith(f"Choose from: {listed}. Did you mean 'connections'?")
