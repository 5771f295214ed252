"""What the tests of the stores share: two tiny releases, and no login of this machine."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.helpers import made_once

pytest.register_assert_rewrite("tests.cxr_datasets.storage.stores.load_case")


@pytest.fixture(scope="session")
def tiny_releases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A release of each dataset, by package: a few dozen files. Read only."""
    import indiana_cxr.synthetic
    import mimic_cxr_jpg.synthetic

    writers: dict[str, Callable[[Path], object]] = {
        "indiana_cxr": partial(indiana_cxr.synthetic.write_release, studies=8),
        "mimic_cxr_jpg": partial(mimic_cxr_jpg.synthetic.write_release, patients=4),
    }
    return {
        package: made_once(tmp_path_factory, f"tiny-{package}", write)
        for package, write in writers.items()
    }


@pytest.fixture
def release(package: str, tiny_releases: dict[str, Path]) -> Path:
    """The package's tiny release on this machine's own disk."""
    return tiny_releases[package]


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No login that this machine has for any store counts."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "CLOUDSDK_CONFIG"):
        monkeypatch.setenv(name, str(tmp_path / "absent"))
    for name in (
        *("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
        *("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "GOOGLE_APPLICATION_CREDENTIALS"),
        *("STORAGE_EMULATOR_HOST", "SSH_AUTH_SOCK", "HTTP_PROXY", "http_proxy"),
    ):
        monkeypatch.delenv(name, raising=False)
