"""`PackageCase` notices what an author forgets, and the room says what it needs."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from cxr_datasets.errors import PackageError
from cxr_datasets.export import card as card_module
from cxr_datasets.testing import PackageCase, package_case
from tests.helpers import run_python

CHECKOUT = Path(package_case.__file__).parents[2]


class Indiana(PackageCase):
    package = "indiana_cxr"


@pytest.mark.parametrize(
    "card",
    [
        pytest.param("# My dataset\n", id="no front matter"),
        pytest.param("---\nlicense: other\n---\n# My dataset\n", id="no name"),
        pytest.param("---\npretty_name: Mine\n---\n# My dataset\n", id="no licence"),
        pytest.param("---\npretty_name: M\nlicense: other\n---\n# M\n", id="no address of it"),
        pytest.param("---\npretty_name: M\nlicense: mit\n---\n", id="nothing but its head"),
    ],
)
def test_a_card_that_an_export_cannot_use_is_noticed(
    card: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "README.md").write_text(card)
    monkeypatch.setattr(card_module, "package_folder", lambda package: tmp_path)
    with pytest.raises((AssertionError, PackageError)):
        Indiana().test_the_card_begins_with_what_an_export_takes_over()


@pytest.mark.parametrize(
    "writer",
    [
        pytest.param("def write_release(out): ...", id="no seed"),
        pytest.param("def write_release(out, seed=0): ...", id="by position"),
        pytest.param("def write_release(to, *, seed=0): ...", id="another name"),
        pytest.param("def write_release(out, *, seed): ...", id="no default"),
        pytest.param("def write_release(out, *, seed=0, zip=False): ...", id="yes or no"),
    ],
)
def test_a_writer_that_the_command_line_cannot_call_is_noticed(
    writer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = ModuleType("indiana_cxr.synthetic")
    exec(writer, module.__dict__)
    monkeypatch.setitem(sys.modules, "indiana_cxr.synthetic", module)
    with pytest.raises(AssertionError):
        Indiana().test_the_synthetic_module_is_one_that_the_command_line_can_call()


def test_without_pytest_the_room_says_what_to_install(tmp_path: Path) -> None:
    code = "import sys; sys.modules['pytest'] = None; import cxr_datasets.testing"
    run = run_python(code, cwd=tmp_path, pythonpath=CHECKOUT, forked=True)
    assert run.returncode != 0
    *_, last = run.stderr.splitlines()
    assert last.startswith("ImportError: ")
    assert 'pip install "cxr-datasets[testing]"' in last


def test_no_other_room_needs_pytest(tmp_path: Path) -> None:
    rooms = sorted(
        path.stem
        for path in (CHECKOUT / "cxr_datasets").iterdir()
        if path.suffix in ("", ".py") and path.name not in ("testing", "__pycache__")
    )
    imports = "\n".join(f"import cxr_datasets.{room}" for room in rooms)
    code = f"import sys; sys.modules['pytest'] = None\n{imports}\nimport indiana_cxr, mimic_cxr_jpg"
    run = run_python(code, cwd=tmp_path, pythonpath=CHECKOUT, forked=True)
    assert run.returncode == 0, run.stderr
