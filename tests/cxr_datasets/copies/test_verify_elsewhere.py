"""Copies in stores and on servers, and exports: on a disk, served, and pushed to the Hub."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from cxr_datasets.cli import main
from cxr_datasets.copies import verify
from cxr_datasets.errors import ExportError, OptionError, StoreError
from cxr_datasets.export import export
from cxr_datasets.testing import copy_release, rewrite
from tests.cxr_datasets.copies.test_verify import images_of, problems
from tests.fakes.hub import Account, Hub
from tests.fakes.physionet import PhysioNet, Status
from tests.fakes.s3 import S3
from tests.fakes.sftp import Sftp
from tests.forked import run

ALL = {"sizes": True, "checksums": True, "decode": True}


@pytest.fixture(scope="module")
def exported(tiny_mimic: Path, export_cache: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two configs in one folder. Read only."""
    out = tmp_path_factory.mktemp("exported") / "out"
    for config in ("images", "reports"):
        export("mimic-cxr-jpg", tiny_mimic, out, config=config, image_size=16, rows_per_file=8,
               progress=False, cache_dir=export_cache)  # fmt: skip
    return out


# --- releases elsewhere ---------------------------------------------------------------------------


def test_a_bucket_is_listed_by_few_requests_and_its_files_are_read(
    mimic: Path, tmp_path: Path
) -> None:
    absent, empty, cut, *_ = images_of(mimic)
    absent.unlink()
    rewrite(empty, b"")
    rewrite(cut, cut.read_bytes()[:-60])
    with S3() as s3:
        s3.place("releases", "mimic/2.1.0", mimic)
        options = {"endpoint_url": s3.url, **s3.user("reader", read=["releases"])}
        del s3.requests[:]
        address = "s3://releases/mimic/2.1.0"
        assert problems(address, storage_options=options) == {"absent": 1, "unfinished": 1}  # type: ignore[arg-type]
        images = [asked for asked in s3.requests if asked.path.endswith(".jpg")]
        assert images == []
        del s3.requests[:]
        state = tmp_path / "state"
        for _ in range(2):
            verified = verify(address, **ALL, since=state, storage_options=options, progress=False)
            assert verified.findings.problems == {
                "absent": 1, "unfinished": 1, "damaged": 1, "wrong_checksum": 1,
            }  # fmt: skip
        asked = [asked.path for asked in s3.requests if asked.path.endswith(".jpg")]
        assert len(asked) == len(set(asked)) == len(images_of(mimic)) - 1  # each once, in both runs


def test_of_sizes_only_the_beginning_of_each_file_in_a_store_is_asked_for(mimic: Path) -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.put(str(mimic), "/sized", recursive=True)
    verified = verify("memory://sized", sizes=True, progress=False)
    assert verified.problems == 0
    assert verified.checks[0].right == len(images_of(mimic))
    memory.rm("/sized", recursive=True)


def test_a_web_server_is_listed_by_folders(mimic: Path) -> None:
    absent, cut, *_ = images_of(mimic)
    absent.unlink()
    rewrite(cut, cut.read_bytes()[:-60])
    folder = "files/mimic-cxr-jpg/2.1.0"
    with PhysioNet({folder: mimic}, open_access=True, encrypted=True) as server:
        assert problems(server.address(folder)) == {"absent": 1}  # type: ignore[arg-type]
        assert [one for one in server.requests if one.path.endswith(".jpg")] == []
        found = problems(server.address(folder), **ALL)  # type: ignore[arg-type]
        assert found == {"absent": 1, "damaged": 1, "wrong_checksum": 1}
        assert server.max_concurrent <= 8


def test_a_server_of_sftp_is_listed_by_folders_and_with_a_state_read_once(
    indiana: Path, tmp_path: Path
) -> None:
    images_of(indiana)[0].unlink()
    served = tmp_path / "served"
    served.mkdir()
    with Sftp(served) as sftp:
        place = sftp.place("copy")
        copy_release(indiana, place.folder)
        options = {"storage_options": sftp.options, "progress": False, "since": tmp_path / "state"}
        for _ in range(2):
            verified = verify(place.url, decode=True, **options)
            assert verified.findings.problems == {"absent": 1}
            assert verified.checks[0].right == len(images_of(indiana)) - 1
        images = [path for path in place.reads() if path.endswith(".png")]
        assert len(images) == len(set(images)) == len(images_of(indiana)) - 1


def test_what_a_server_refuses_is_an_error_and_no_absence(
    mimic: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = "files/mimic-cxr-jpg/2.1.0"
    with PhysioNet({folder: mimic}, open_access=True, encrypted=True) as server:
        server.fail(r"\.jpg$", Status(403))
        with pytest.raises(StoreError, match="may not be read"):
            verify(server.address(folder), checksums=True, progress=False)


# --- exports --------------------------------------------------------------------------------------


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 3] ^= 1
    rewrite(file, bytes(content))


def test_an_export_is_proven_by_its_manifest_with_rows_and_sha256(
    exported: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(exported), "--json", "--no-progress"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["kind"] == "export"
    assert told["files"]["proven"] == told["files"]["files"] > 4
    assert told["files"]["rows"] == 30 + 13


def test_what_is_wrong_in_an_export_is_listed(exported: Path, tmp_path: Path) -> None:
    out = copy_release(exported, tmp_path / "out")
    changed, gone, *_ = sorted((out / "images").glob("train-*"))
    flip(changed)
    gone.unlink()
    (out / "images" / "extra.parquet").write_bytes(b"PAR1")
    report = tmp_path / "report.csv"
    assert main(["verify", str(out), "--report", str(report), "--no-progress"]) == 1
    verified = verify(out, progress=False)
    assert verified.findings.problems == {"wrong_file": 2, "foreign_file": 1}
    assert f"images/{changed.name}" in report.read_text()


def test_rows_of_the_footers_are_compared_with_the_manifest(exported: Path, tmp_path: Path) -> None:
    from cxr_datasets.export import notes

    out = copy_release(exported, tmp_path / "out")
    manifest = out / ".cxr" / "reports.jsonl"
    header, line, *others = manifest.read_bytes().splitlines(keepends=True)
    wrong = notes.encoded({**notes.decoded(line), "rows": 99})
    rewrite(manifest, b"".join([header, wrong, *others]))
    verified = verify(out, progress=False)
    assert verified.findings.problems == {"wrong_file": 1}
    assert "rows, and 99 are noted" in str(verified)


def test_an_export_on_a_server_is_proven_too(exported: Path, tmp_path: Path) -> None:
    out = copy_release(exported, tmp_path / "out")
    with PhysioNet({"out": out}, open_access=True, encrypted=True) as server:
        verified = verify(server.address("out"), progress=False)
        assert verified.problems == 0
        flip(sorted((out / "images").glob("train-*"))[0])
        assert verify(server.address("out"), progress=False).findings.problems == {"wrong_file": 1}


def test_options_of_releases_are_refused_for_an_export(exported: Path) -> None:
    with pytest.raises(OptionError, match="are for releases"):
        verify(exported, checksums=True)
    assert main(["verify", str(exported), "--decode"]) == 2


def test_a_pushed_copy_is_compared_with_its_card(exported: Path, tmp_path: Path) -> None:
    copy = copy_release(exported, tmp_path / "copy")
    shutil.rmtree(copy / ".cxr")
    verified = verify(copy, progress=False)
    assert verified.problems == 0
    assert verified.files is not None
    assert verified.files.rows == 30 + 13
    gone, cut, *_ = sorted((copy / "images").glob("*.parquet"))
    gone.unlink()
    rewrite(cut, cut.read_bytes()[:-10])
    assert set(verify(copy, progress=False).findings.problems) == {"other_rows", "wrong_file"}
    (copy / "README.md").unlink()
    with pytest.raises(ExportError, match="is not there, or not as the export wrote it"):
        verify(copy, progress=False)


def test_a_copy_on_the_hub_is_compared_with_the_sha256_that_it_keeps(
    exported: Path, tmp_path: Path
) -> None:
    program = (
        "import json, sys\n"
        "from cxr_datasets.cli import main\n"
        "from cxr_datasets.push import push\n"
        f"push({str(exported)!r}, 'you/copy', i_have_signed_the_dua=True, verify=False)\n"
        "sys.exit(main(['verify', 'hf://datasets/you/copy', '--json', '--no-progress']))\n"
    )
    with Hub({"you": Account("hf_you")}) as hub:
        environment = {**os.environ, **hub.environment(token="hf_you", home=tmp_path / "home")}
        done = run(["-c", program], cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert (told["kind"], told["problems"]) == ("export", {})
    files = len(list(exported.glob("*/*.parquet")))
    assert told["files"]["proven"] == told["files"]["files"] == files
    assert told["files"]["rows"] == 30 + 13
