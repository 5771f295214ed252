"""What the pages speak of, on this machine: releases at their places, and the stores."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.docs.pages import CARDS, CHECKOUT
from tests.fakes.hub import Account, Hub
from tests.fakes.physionet import PASSWORD, USER, PhysioNet
from tests.fakes.slurm import write_slurm
from tests.helpers import made_once


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder such as the pages speak of, with synthetic releases in the places of real ones."""
    return made_once(tmp_path_factory, "desk", make_desk)


def make_desk(desk: Path) -> None:
    from indiana_cxr.synthetic import write_release as write_indiana
    from mimic_cxr_jpg.synthetic import write_release as write_mimic

    desk.mkdir()
    for package in CARDS:
        (desk / package).symlink_to(CHECKOUT / package)
    projects = desk / "physionet.org" / "files"
    write_mimic(projects / "mimic-cxr-jpg" / "2.1.0", mimic_iv=str(projects / "mimiciv" / "3.1"))
    archive = projects / "mimic-cxr" / "2.1.0" / "mimic-cxr-reports.zip"
    archive.parent.mkdir(parents=True)
    shutil.move(projects / "mimic-cxr-jpg" / "2.1.0" / archive.name, archive)
    (desk / "mimic-cxr-512").mkdir()
    for file in projects.rglob("*.jpg"):
        with Image.open(file) as image:
            image.save(desk / "mimic-cxr-512" / f"{file.stem}.png", compress_level=0)
    write_indiana(desk / "chest-xrays-indiana-university")
    write_indiana(desk / "zipped", layout="zip")
    shutil.move(desk / "zipped" / "archive.zip", desk / "archive.zip")


@pytest.fixture
def own_desk(desk: Path, tmp_path: Path) -> Path:
    """The same for one page alone, which may write beside the releases."""
    for thing in desk.iterdir():
        (tmp_path / thing.name).symlink_to(thing)
    return tmp_path


@pytest.fixture(scope="module")
def stores(desk: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The stores that the pages speak of; what tells a program where they are."""
    projects = desk / "physionet.org" / "files"
    own = tmp_path_factory.mktemp("stores")
    folders = {f"files/{path.relative_to(projects)}": path for path in projects.glob("*/*")}
    users = {"you": Account("hf_you", orgs=("our-lab",))}
    with (
        PhysioNet(folders, agents=("cxr-datasets/", "Wget/"), encrypted=True) as physionet,
        Hub(users) as hub,
    ):
        yield {
            **hub.environment(token="hf_you", home=own / "home"),
            "PHYSIONET_HOST": physionet.url.removeprefix("https://"),
            "PHYSIONET_USERNAME": USER, "PHYSIONET_PASSWORD": PASSWORD,
            "PATH": f"{write_slurm(own / 'slurm')}:{os.environ['PATH']}",
            "DASK_JOBQUEUE__SLURM__INTERFACE": "lo",
        }  # fmt: skip


@pytest.fixture(scope="module")
def bucket(desk: Path) -> Iterator[dict[str, str]]:
    """The bucket that a few pages speak of; what tells a program where it is."""
    from moto.server import ThreadedMotoServer
    from s3fs import S3FileSystem

    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    projects = desk / "physionet.org" / "files"
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    files = S3FileSystem(key="invented", secret="invented", endpoint_url=url)
    files.mkdir("our-lab")
    files.put(f"{projects}/mimic-cxr-jpg/", "our-lab/mimic-cxr-jpg/", recursive=True)
    files.put(str(next(projects.glob("mimic-cxr/*/*.zip"))), "our-lab/mimic-cxr-reports.zip")
    keys = {"AWS_ACCESS_KEY_ID": "invented", "AWS_SECRET_ACCESS_KEY": "invented"}
    yield {**keys, "AWS_ENDPOINT_URL": url}
    server.stop()
