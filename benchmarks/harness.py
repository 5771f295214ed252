"""Run contenders in turn, each in a process of its own, and print medians and ratios.

A benchmark is a file with functions that do one contender's work once. `main` warms up, runs all
of them in turn several times, and prints the machine, the median time and peak memory of each, and
the ratios that answer the benchmark's question.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

ROUNDS = 5


@dataclass(frozen=True)
class Ratio:
    """A question: the median of one contender over that of another.

    Attributes:
        name: What it says.
        over: Contender above the line.
        under: Contender below the line.
        bound: The bound it should keep, such as `<= 2.0`; empty if there is none.
    """

    name: str
    over: str
    under: str
    bound: str = ""


@dataclass(frozen=True)
class Run:
    """One run of one contender: its time, and the peak memory of its process and children.

    Beside them is the processor time of these, with their start: it says more where other programs
    take turns on the machine.
    """

    seconds: float
    megabytes: float
    busy: float = 0.0


def main(
    question: str,
    contenders: Mapping[str, Callable[[], object]],
    ratios: Sequence[Ratio],
    rounds: int = ROUNDS,
) -> dict[str, float]:
    """Run a benchmark, or one contender if the command line says so.

    Args:
        question: First line of the output.
        contenders: Name -> its work. It may return a float, the seconds of the part that counts.
        ratios: What to print of their medians.
        rounds: How often each is run after the warm-up.

    Returns:
        Median seconds of each contender.
    """
    options = _options(rounds)
    if options.run:
        _run_here(contenders[options.run])
        raise SystemExit
    contenders = {name: work for name, work in contenders.items() if options.only in name}
    ratios = [one for one in ratios if {one.over, one.under} <= contenders.keys()]
    print(f"# {question}\n{machine()}\n", flush=True)
    runs: dict[str, list[Run]] = {name: [] for name in contenders}
    for number in range(options.rounds + 1):
        for name in contenders:
            run = _run_in_process(name)
            if number:  # the first round warms up the caches
                runs[name].append(run)
    medians = {name: statistics.median(run.seconds for run in some) for name, some in runs.items()}
    _print(runs, medians, ratios)
    return medians


def _options(rounds: int) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--run", help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=rounds, help=f"default: {rounds}")
    parser.add_argument("--only", default="", help="only contenders that have this in their name")
    return parser.parse_args()


def _run_here(work: Callable[[], object]) -> None:
    start = time.perf_counter()
    part = work()
    seconds = part if isinstance(part, float) else time.perf_counter() - start
    used = list(map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))
    peak = sum(usage.ru_maxrss for usage in used)
    busy = sum(usage.ru_utime + usage.ru_stime for usage in used)
    print("\n" + json.dumps({"seconds": seconds, "megabytes": peak / 1024, "busy": busy}))


def _run_in_process(name: str) -> Run:
    command = [sys.executable, sys.argv[0], "--run", name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    # Libraries of some peers crash as their process ends, after its figures.
    is_told = done.returncode < 0 and done.stdout.endswith("}\n")
    if done.returncode and not is_told:
        raise RuntimeError(f"{name} failed:\n{done.stderr}")
    return Run(**json.loads(done.stdout.splitlines()[-1]))


def clock() -> float:
    """Seconds, to time a part by; processor time where `CXR_BENCH_CLOCK` is `processor`.

    That of this process and its children. It sees no waiting, and says more where other programs
    take turns on the machine.
    """
    if os.environ.get("CXR_BENCH_CLOCK") == "processor":
        running = multiprocessing.active_children()  # this also waits for those that have ended
        return sum(os.times()[:4]) + sum(_used_by(child.pid) for child in running)
    return time.perf_counter()


def _used_by(process: int | None) -> float:
    """Seconds of processor time of a running process."""
    stat = Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2].split()
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


def machine() -> str:
    """What the figures were measured on."""
    model = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as file:
            names = [line.split(":")[1].strip() for line in file if line.startswith("model name")]
        model = names[0] if names else model
    packages = " ".join(f"{name} {version(name)}" for name in ("datasets", "pyarrow", "pillow"))
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}, {packages}"


def _print(
    runs: Mapping[str, list[Run]], medians: Mapping[str, float], ratios: Sequence[Ratio]
) -> None:
    busy = {name: statistics.median(run.busy for run in some) for name, some in runs.items()}
    width = max(map(len, [*runs, *(ratio.name for ratio in ratios)]))
    print(f"{'':{width}}  median s     min     max  peak MB   busy s")
    for name, some in runs.items():
        seconds = [run.seconds for run in some]
        peak = max(run.megabytes for run in some)
        times = f"{medians[name]:8.3f} {min(seconds):7.3f} {max(seconds):7.3f}"
        print(f"{name:{width}}  {times} {peak:8.0f} {busy[name]:8.2f}")
    print(f"\n{'':{width}}     ratio  of busy")
    for ratio in ratios:
        value = medians[ratio.over] / medians[ratio.under]
        of_busy = busy[ratio.over] / busy[ratio.under]
        print(f"{ratio.name:{width}}  {value:8.2f} {of_busy:8.2f}  {ratio.bound}")
    print(flush=True)
