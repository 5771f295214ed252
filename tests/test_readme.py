"""What README and the dataset cards say is so: snippets are run, commands and tables checked.

The snippets of a page are run in their order, in one Python, in a folder where synthetic releases
stand at the places the page names. A block of a kind that is not known here fails.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import pytest

import cxr_datasets
from tests.fakes.hub import Account, Hub
from tests.fakes.physionet import PASSWORD, USER, PhysioNet
from tests.fakes.slurm import write_slurm

CHECKOUT = Path(cxr_datasets.__file__).parents[1]
README = "README.md"
CARDS = {"mimic_cxr_jpg": "mimic_cxr_jpg/README.md", "indiana_cxr": "indiana_cxr/README.md"}
PAGES = (README, *CARDS.values())

# Runs the steps it is given, in one namespace; says where it is when one of them fails.
DRIVER = """
import json, sys
from cxr_datasets.cli import main

names = {"__name__": "__main__"}
for step in json.load(open(sys.argv[1])):
    print("##", step["place"], flush=True)
    if "code" in step:
        exec(compile("\\n" * (step["line"] - 1) + step["code"], step["place"], "exec"), names)
    elif main(step["cxr"]):
        sys.exit(1)
"""


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its lines, and the number of its first line in the page."""

    page: str
    language: str
    text: str
    line: int

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"

    def commands(self) -> list[list[str]]:
        """The words of each command of a block of shell commands."""
        lines = [shlex.split(line, comments=True) for line in self.text.splitlines()]
        return [words for words in lines if words]


def blocks(page: str) -> list[Block]:
    text = (CHECKOUT / page).read_text(encoding="utf-8")
    found = [
        Block(page, match[1], match[2], text[: match.start(2)].count("\n") + 1)
        for match in re.finditer(r"^```(.*)\n((?:(?!```).*\n)*)```$", text, re.MULTILINE)
    ]
    assert 2 * len(found) == len(re.findall("^ *[`~]{3}", text, re.MULTILINE))
    return found


def of(language: str, pages: tuple[str, ...] = PAGES) -> list[Block]:
    return [block for page in pages for block in blocks(page) if block.language == language]


def tables(page: str) -> Iterator[tuple[list[str], list[list[str]]]]:
    """Header and rows of each table of a page."""
    text = (CHECKOUT / page).read_text(encoding="utf-8")
    for match in re.finditer(r"^\|.*\n\|[-|]+\n((?:\|.*\n)+)", text, re.MULTILINE):
        header, _, *rows = [
            [cell.strip() for cell in line.strip("|").split("|")]
            for line in match[0].strip().splitlines()
        ]
        assert {len(row) for row in rows} == {len(header)}
        yield header, rows


def table(page: str, first: str, header_too: str = "") -> list[list[str]]:
    """Rows of the one table whose first heading this is, and that has this other one."""
    (rows,) = [
        rows
        for header, rows in tables(page)
        if header[0] == first and (not header_too or header_too in header)
    ]
    return rows


def quoted(cell: str) -> list[str]:
    """What stands between backquotes."""
    return re.findall("`([^`]+)`", cell)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder such as the pages speak of, with synthetic releases in the places of real ones."""
    from indiana_cxr.synthetic import write_release as write_indiana
    from mimic_cxr_jpg.synthetic import write_release as write_mimic

    desk = tmp_path_factory.mktemp("desk")
    for package in CARDS:
        (desk / package).symlink_to(CHECKOUT / package)
    projects = desk / "physionet.org" / "files"
    write_mimic(projects / "mimic-cxr-jpg" / "2.1.0")
    archive = projects / "mimic-cxr" / "2.1.0" / "mimic-cxr-reports.zip"
    archive.parent.mkdir(parents=True)
    shutil.move(projects / "mimic-cxr-jpg" / "2.1.0" / archive.name, archive)
    write_indiana(desk / "chest-xrays-indiana-university")
    write_indiana(desk / "zipped", layout="zip")
    shutil.move(desk / "zipped" / "archive.zip", desk / "archive.zip")
    return desk


def run(words: list[str], cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )


# --- blocks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_of_a_kind_that_is_run_or_checked(page: str) -> None:
    assert [
        block.place
        for block in blocks(page)
        if block.language not in ("python", "sh", "text", "tree")
    ] == []


@pytest.fixture(scope="module")
def stores(desk: Path) -> Iterator[dict[str, str]]:
    """The stores that the pages speak of, on this machine; what tells a program where they are."""
    from moto.server import ThreadedMotoServer
    from s3fs import S3FileSystem

    projects = desk / "physionet.org" / "files"
    keys = {"AWS_ACCESS_KEY_ID": "invented", "AWS_SECRET_ACCESS_KEY": "invented"}
    bucket = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    folders = {f"files/{path.relative_to(projects)}": path for path in projects.glob("*/*")}
    users = {"you": Account("hf_you", orgs=("our-lab",))}
    with PhysioNet(folders, agents=("cxr-datasets/",)) as physionet, Hub(users) as hub:
        bucket.start()
        url = "http://{}:{}".format(*bucket.get_host_and_port())
        files = S3FileSystem(key="invented", secret="invented", endpoint_url=url)
        files.mkdir("our-lab")
        files.put(f"{projects}/mimic-cxr-jpg/", "our-lab/mimic-cxr-jpg/", recursive=True)
        files.put(str(next(projects.glob("mimic-cxr/*/*.zip"))), "our-lab/mimic-cxr-reports.zip")
        slurm = write_slurm(desk / "slurm")
        yield {
            **hub.environment(token="hf_you", home=desk / "home"),
            **keys,
            "AWS_ENDPOINT_URL": url,
            "HTTP_PROXY": physionet.url,
            "http_proxy": physionet.url,
            "PHYSIONET_USERNAME": USER, "PHYSIONET_PASSWORD": PASSWORD,
            "PATH": f"{slurm}:{os.environ['PATH']}",
            "DASK_JOBQUEUE__SLURM__INTERFACE": "lo",
            "DASK_JOBQUEUE__SLURM__SCHEDULER_OPTIONS": "{'dashboard_address': ':0'}",
        }  # fmt: skip
        bucket.stop()


@pytest.mark.parametrize("page", PAGES)
def test_the_snippets_run_in_order(
    page: str, desk: Path, stores: dict[str, str], tmp_path: Path
) -> None:
    steps: list[dict[str, object]] = []
    for block in blocks(page):
        if block.language == "python":
            # The loopback PhysioNet has no certificate.
            code = block.text.replace("https://physionet.org/files", "http://physionet.org/files")
            steps.append({"place": block.place, "line": block.line, "code": code})
        elif block.language == "sh":
            steps += [
                {"place": block.place, "cxr": words[1:]}
                for words in block.commands()
                if words[0] == "cxr"
            ]
    (tmp_path / "steps.json").write_text(json.dumps(steps))
    done = run([sys.executable, "-W", "error::DeprecationWarning:__main__", "-c", DRIVER,
                str(tmp_path / "steps.json")], desk, **stores)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    said = [line for line in re.split(r"[\r\n]+", done.stderr) if not line.startswith("export:")]
    assert "".join(said) == ""  # no warning, nothing but progress
    assert done.stdout.count("## ") == len(steps) > 0


def test_every_shell_command_is_one_that_can_be_checked() -> None:
    commands = [words for block in of("sh") for words in block.commands()]
    assert {words[0] for words in commands} == {"cxr", "make", "pip"}


def test_every_make_command_has_its_target() -> None:
    commands = [words for block in of("sh") for words in block.commands() if words[0] == "make"]
    for words in commands:
        dry = run([*words, "--dry-run", "--no-print-directory"], CHECKOUT)
        assert dry.returncode == 0, dry.stderr
        assert dry.stdout.strip()
    targets = re.findall(r"^([a-z]+):", (CHECKOUT / "Makefile").read_text(), re.MULTILINE)
    assert {words[1] for words in commands} <= set(targets)


def test_what_pip_is_told_to_install_is_this_project() -> None:
    commands = [words for block in of("sh") for words in block.commands() if words[0] == "pip"]
    assert commands == [["pip", "install", "."]]
    assert 'name = "cxr-datasets"' in (CHECKOUT / "pyproject.toml").read_text()


def test_output_that_is_shown_is_what_the_demo_prints(desk: Path, tmp_path: Path) -> None:
    done = run([sys.executable, "-m", "cxr_datasets.preview"], desk, HF_HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr
    shown = of("text")
    assert shown
    for block in shown:
        assert block.text in done.stdout, block.place


def test_the_folders_shown_are_those_of_a_release(desk: Path) -> None:
    trees = of("tree")
    assert len(trees) == 2
    for block in trees:
        parents: list[tuple[int, str]] = []
        for line in block.text.splitlines():
            name = re.sub(" +#.*", "", line)
            depth = len(name) - len(name.lstrip())
            parents = [parent for parent in parents if parent[0] < depth]
            path = "".join(parent for _, parent in parents) + name.strip()
            pattern = re.sub("<[^>]+>", "*", path).replace("pXX", "p??")
            assert list(desk.glob(pattern)), f"{block.place}: {path}"
            if name.endswith("/"):
                parents.append((depth, path[len("".join(p for _, p in parents)) :]))


@pytest.mark.parametrize("page", PAGES)
def test_links_within_the_project_lead_somewhere(page: str) -> None:
    text = (CHECKOUT / page).read_text(encoding="utf-8")
    headings = {
        re.sub("[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall("^#+ (.*)$", text, re.MULTILINE)
    }
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("#"):
            assert target[1:] in headings, target
        elif "://" not in target:
            assert (CHECKOUT / page).parent.joinpath(target).exists(), target


# --- tables ---------------------------------------------------------------------------------------


def test_every_config_is_described() -> None:
    from cxr_datasets.columns import CONFIGS

    for page in PAGES:
        assert tuple(quoted(row[0])[0] for row in table(page, "config")) == CONFIGS


def test_the_common_columns_are_described_in_order() -> None:
    from cxr_datasets.columns import CORE

    rows = table(README, "column")
    assert tuple(name for row in rows for name in quoted(row[0])) == CORE


@pytest.mark.parametrize("package", CARDS)
def test_every_column_is_described_in_order_with_its_type(package: str, desk: Path) -> None:
    import datasets

    from cxr_datasets.columns import LABELS

    release = {
        "mimic_cxr_jpg": "physionet.org/files/mimic-cxr-jpg/2.1.0",
        "indiana_cxr": "chest-xrays-indiana-university",
    }[package]
    __import__(package)
    features = {
        config: datasets.load_dataset_builder(
            package, config, data_dir=str(desk / release), cache_dir=str(desk / "cache")
        ).info.features
        for config in ("images", "studies", "reports")
    }

    def described(feature: object) -> str:
        if isinstance(feature, dict):
            assert tuple(feature) == LABELS
            return "struct of 14 int8"
        for kind in (datasets.Image, datasets.ClassLabel):
            if isinstance(feature, kind):
                return str(kind.__name__)
        if isinstance(feature, datasets.Value):
            return str(feature.dtype)
        inner = feature[0] if isinstance(feature, list) else feature.feature  # type: ignore[attr-defined]
        return f"list of {described(inner)}"

    rows = table(CARDS[package], "column", "of")
    said = {quoted(row[0])[0]: row[1] for row in rows}
    assert said == {name: described(feature) for name, feature in features["images"].items()}
    assert list(said) == list(features["images"])
    of_image = [quoted(row[0])[0] for row in rows if row[2] == "image"]
    assert set(features["reports"]) == set(said) - set(of_image)
    assert set(features["studies"]) == {f"{name}s" if name in of_image else name for name in said}


def test_every_option_described_is_there_with_its_default() -> None:
    from indiana_cxr import IndianaCxrConfig
    from mimic_cxr_jpg import MimicCxrJpgConfig

    options = {
        field.name: field.default
        for config in (MimicCxrJpgConfig, IndianaCxrConfig)
        for field in fields(config)
    }
    for name, _, default in table(README, "option"):
        assert quoted(name)[0] in options
        stated = quoted(default)[0].strip('"') if default.startswith("`") else None
        assert options[quoted(name)[0]] == stated


def test_every_error_is_described() -> None:
    from cxr_datasets import errors

    known = {name for name, kind in vars(errors).items() if isinstance(kind, type)} - {"CxrError"}
    rows = {quoted(row[0])[0] for row in table(README, "error")}
    assert rows == {name for name in known if issubclass(getattr(errors, name), errors.CxrError)}


def test_every_view_stands_where_it_belongs() -> None:
    from cxr_datasets.columns import VIEWS
    from mimic_cxr_jpg.views import VIEW_POSITIONS

    positions = re.compile(r"\b(?:(?:AP|PA) (?:AXIAL|LLD|RLD)|XTABLE LATERAL|[A-Z]{2,})\b")
    for rows in (table(README, "view"), table(CARDS["mimic_cxr_jpg"], "`view`")):
        assert tuple(quoted(row[0])[0] for row in rows) == VIEWS
        said = {raw: quoted(row[0])[0] for row in rows for raw in positions.findall(row[1])}
        assert said == VIEW_POSITIONS


def test_the_numbers_of_views_and_splits_add_up() -> None:
    def numbers(cell: str) -> list[int]:
        return [int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*", cell)]

    views = table(CARDS["mimic_cxr_jpg"], "`view`")
    assert sum(number for row in views for number in numbers(row[1])) == 377_110
    splits = table(README, "split")
    assert [sum(column) for column in zip(*(numbers(row[1]) for row in splits), strict=True)] == [
        377_110,
        227_835,
        65_379,
    ]
    for row in table(CARDS["mimic_cxr_jpg"], "config"):
        assert sum(numbers(" ".join(row[2:]))) == (377_110 if "images" in row[0] else 227_835)
    for row in table(CARDS["indiana_cxr"], "`split_by`"):
        assert sum(numbers(" ".join(row[1:]))) == 3_851


def test_the_splits_of_indiana_have_the_sizes_given() -> None:
    import pyarrow as pa
    import pyarrow.csv

    from indiana_cxr import splits

    listed = pa.csv.read_csv(CHECKOUT / "indiana_cxr" / "r2gen_split.csv")["split"].to_pylist()
    assert set(splits.SPLITTERS) == {"r2gen", "hash"}
    rows = {quoted(row[0])[0].strip('"'): row for row in table(CARDS["indiana_cxr"], "`split_by`")
            if row[0].startswith("`")}  # fmt: skip
    for name, said in zip(("train", "validation", "test"), rows["r2gen"][1:], strict=False):
        assert int(said.replace(",", "")) == listed.count(name)


def test_the_card_gives_every_rule_of_the_indiana_labels() -> None:
    from cxr_datasets.columns import LABELS
    from indiana_cxr.mesh import RULES

    rows = {row[0]: row[1] for row in table(CARDS["indiana_cxr"], "label")}
    assert tuple(rows) == LABELS
    for label, rule in RULES.items():
        words = {*rule.headings, *rule.containing, *rule.but_not}
        words |= {word for pair in rule.qualified for word in pair}
        assert set(quoted(rows[label])) == words
        assert {other for other in LABELS if other in rows[label]} == set(rule.labels)


# --- cards ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("card", CARDS.values())
def test_a_card_has_its_metadata_and_none_that_datasets_would_act_on(card: str) -> None:
    from huggingface_hub import DatasetCard

    data = DatasetCard.load(CHECKOUT / card).data.to_dict()
    assert {"pretty_name", "license", "language", "task_categories", "tags"} <= set(data)
    assert not {"configs", "dataset_info", "builder_config"} & set(data)


def test_the_card_of_credentialed_data_names_its_terms() -> None:
    text = (CHECKOUT / CARDS["mimic_cxr_jpg"]).read_text(encoding="utf-8")
    for page in (text, (CHECKOUT / README).read_text(encoding="utf-8")):
        assert "https://physionet.org/content/mimic-cxr-jpg/view-dua/2.1.0/" in page
    assert "https://physionet.org/content/mimic-cxr-jpg/view-license/2.1.0/" in text


def test_the_changelog_speaks_of_this_version() -> None:
    text = (CHECKOUT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## \[{re.escape(cxr_datasets.__version__)}\]", text, re.MULTILINE)
