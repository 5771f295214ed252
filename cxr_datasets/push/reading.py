"""Loading a copy back from the Hub, like a user who has `datasets` alone.

This happens in a process of its own. Its caches are empty: from a cache, `datasets` loads even what
the Hub refuses. Its folder is empty too: `load_dataset` would take a folder in it for the
repository.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from huggingface_hub import get_token

from cxr_datasets.errors import HubError

_CACHES = (
    "HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_ASSETS_CACHE", "HF_XET_CACHE",
    "HF_DATASETS_CACHE", "HF_MODULES_CACHE",
)  # fmt: skip

_CLOSED = 0o077

_PROGRAM = Path(__file__).with_name("loading.py")


def load_back(repo: str, configs: list[str]) -> dict[str, dict[str, int]]:
    """Load a dataset from the Hub and count its rows, without fetching all of it.

    `load_dataset(repo, config, streaming=True)` must give the first row of every split. The rows
    are counted from the footers of the Parquet files that it reads.

    Args:
        repo: `user/repo`.
        configs: Which configs to load.

    Returns:
        Number of rows of each split of each config.

    Raises:
        HubError: The dataset does not load.
    """
    asked = {"repo": repo, "configs": configs, "token": get_token()}
    with tempfile.TemporaryDirectory(prefix="cxr-push-") as folder:
        done = subprocess.run(
            # By its path, this package's folder would come first on the path for imports.
            [sys.executable, "-c", _PROGRAM.read_text(encoding="utf-8")],
            input=json.dumps(asked),  # everybody can see a command line
            env=_environment(folder),
            cwd=folder,
            umask=_CLOSED,  # what it fetches is closed to others, not only the folder around it
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # may hold signed addresses
            text=True,
            check=False,
        )
    try:
        answer = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        answer = {"failed": f"its process ended with code {done.returncode}"}
    if "failed" in answer:
        raise HubError(
            f"All files of {repo} have arrived, but load_dataset({repo!r}) failed: "
            f"{answer['failed']}. Call it yourself to see more. To look again, run the command "
            "again: nothing is sent twice."
        )
    return answer["rows"]


def _environment(folder: str) -> dict[str, str]:
    quiet = {"HF_DATASETS_OFFLINE": "0", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
             "HF_HUB_DISABLE_PROGRESS_BARS": "1"}  # fmt: skip
    # Else `datasets` imports torch for a stream, which takes longer than all else here.
    quick = {"USE_TORCH": "0"}
    caches = {name: os.path.join(folder, name.lower()) for name in _CACHES}
    return {**os.environ, **caches, **quiet, **quick}
