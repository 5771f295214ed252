"""Forms, hooks, hosted CI and the page for contributors say what is so."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.project.files import CHECKOUT, read, read_toml, read_yaml

PROJECT = read_toml("pyproject.toml")
FORMS = sorted(
    str(file.relative_to(CHECKOUT))
    for file in (CHECKOUT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")
    if file.name != "config.yml"
)
KINDS = {"markdown", "textarea", "input", "dropdown", "checkboxes"}


# --- issues and pull requests ---------------------------------------------------------------------


def test_there_is_a_form_for_each_kind_of_issue() -> None:
    names = [name.rpartition("/")[2] for name in FORMS]
    assert names == ["bug.yml", "data_question.yml", "feature.yml"]


@pytest.mark.parametrize("name", FORMS)
def test_a_form_is_one_that_github_takes(name: str) -> None:
    form = read_yaml(name)
    assert {"name", "description", "body"} <= set(form)
    ids = [part["id"] for part in form["body"] if "id" in part]
    assert len(ids) == len(set(ids))
    for part in form["body"]:
        assert part["type"] in KINDS
        needed = "value" if part["type"] == "markdown" else "label"
        assert part["attributes"][needed]
        if part["type"] in ("dropdown", "checkboxes"):
            assert part["attributes"]["options"]
        if part["type"] == "dropdown":
            assert all(isinstance(option, str) for option in part["attributes"]["options"])


@pytest.mark.parametrize("name", [name for name in FORMS if "feature" not in name])
def test_who_reports_is_warned_to_paste_no_data(name: str) -> None:
    first, second = read_yaml(name)["body"][:2]
    assert first["type"] == "markdown"
    for word in ("Paste nothing of MIMIC", "report", "id", "image"):
        assert word in first["attributes"]["value"]
    assert second["attributes"]["options"][0]["required"] is True


def test_blank_issues_do_not_pass_the_warning_by() -> None:
    assert read_yaml(".github/ISSUE_TEMPLATE/config.yml")["blank_issues_enabled"] is False


def test_a_pull_request_is_asked_for_tests_and_no_data() -> None:
    text = read(".github/PULL_REQUEST_TEMPLATE.md")
    assert "- [ ] Tests" in text
    assert "No data of a patient" in text


# --- hooks and hosted CI --------------------------------------------------------------------------


def test_hooks_are_local_and_use_the_environment_of_the_project() -> None:
    (repo,) = read_yaml(".pre-commit-config.yaml")["repos"]
    assert repo["repo"] == "local"
    assert [hook["id"] for hook in repo["hooks"]] == ["ruff", "ruff-format", "mypy"]
    lint = re.findall(r"\$\(PY\) -m (ruff check|ruff format|mypy)", read("Makefile"))
    for hook, words in zip(repo["hooks"], lint, strict=True):
        assert hook["language"] == "system"
        assert hook["entry"].startswith(f".venv/bin/python -m {words}")


def jobs() -> dict[str, Any]:
    return read_yaml(".github/workflows/ci.yml")["jobs"]


def steps(job: str) -> list[str]:
    return [step["run"] for step in jobs()[job]["steps"] if "run" in step]


def test_hosted_ci_runs_what_make_has() -> None:
    targets = set(re.findall(r"^([a-z]+):", read("Makefile"), re.MULTILINE))
    assert steps("lint") == ["make lint"]
    assert steps("macos") == ["make test"]
    for job in jobs():
        for command in steps(job):
            assert command.split()[0] == "make"
            assert command.split()[1] in targets


def test_hosted_ci_has_every_python_and_the_oldest_datasets() -> None:
    matrix = jobs()["test"]["strategy"]["matrix"]
    pythons = [
        line.rpartition(" ")[2]
        for line in PROJECT["project"]["classifiers"]
        if re.search(r":: 3\.\d+$", line)
    ]
    assert matrix["python"] == pythons
    (needs,) = (need for need in PROJECT["project"]["dependencies"] if need.startswith("datasets>"))
    lowest = re.findall(r">=([\d.]+)", needs)[0]
    (oldest,) = (row for row in matrix["include"])
    assert oldest["datasets"].removesuffix(".0") == lowest.removesuffix(".0")


# --- the page for contributors --------------------------------------------------------------------

CONTRIBUTING = read("CONTRIBUTING.md")


def test_the_map_shows_every_room_in_the_order_of_the_contract() -> None:
    rooms = re.findall(r"^\| `(\w+)` \|", CONTRIBUTING, re.MULTILINE)
    order = PROJECT["tool"]["importlinter"]["contracts"][0]["layers"]
    assert rooms == [room for room in order if not room.startswith("(")]
    house = CHECKOUT / "cxr_datasets"
    there = {path.stem for path in house.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert set(rooms) == there - {"__init__", "_version", "__pycache__"}


def test_every_make_command_has_its_target() -> None:
    targets = set(re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", CONTRIBUTING, re.MULTILINE))
    assert {"test", "lint"} <= named <= targets


def test_coverage_is_stated() -> None:
    assert re.search(r"^Coverage: \S", CONTRIBUTING, re.MULTILINE)
