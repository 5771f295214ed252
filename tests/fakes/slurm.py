"""A SLURM of one machine: `sbatch` runs the job at once, in the background; `scancel` ends it."""

from __future__ import annotations

import sys
from pathlib import Path

_SBATCH = """\
#!{python}
import os, pathlib, subprocess, sys

folder = pathlib.Path(__file__).parent
script = pathlib.Path(sys.argv[-1])
job = os.getpid()
(folder / f"{{job}}.sh").write_bytes(script.read_bytes())
output = (folder / f"{{job}}.out").open("wb")
process = subprocess.Popen(["bash", folder / f"{{job}}.sh"], stdin=subprocess.DEVNULL,
                           stdout=output, stderr=output, start_new_session=True)
(folder / f"{{job}}.job").write_text(str(process.pid))
print("Submitted batch job", job)
"""

_SCANCEL = """\
#!{python}
import os, pathlib, signal, sys

for job in sys.argv[1:]:
    try:
        os.killpg(int((pathlib.Path(__file__).parent / f"{{job}}.job").read_text()), signal.SIGTERM)
    except ProcessLookupError:
        pass
"""


def write_slurm(folder: Path) -> Path:
    """Write both commands.

    Args:
        folder: To be put into `PATH`; scripts, output and process ids of jobs are kept there, as
            `<job>.sh`, `<job>.out` and `<job>.job`.

    Returns:
        The folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (("sbatch", _SBATCH), ("scancel", _SCANCEL)):
        (folder / name).write_text(text.format(python=sys.executable))
        (folder / name).chmod(0o755)
    return folder
