"""Plugin of pytest that names the tests whose cases take long, for costly.txt: `make costs`.

It counts the processor time of each case, and of the processes that it waited for or had forked.
"""

from __future__ import annotations

import resource
from collections import defaultdict

import pytest

from tests import forked

COSTLY = 1 / 3
"""Seconds of processor time a case."""

_seconds: dict[str, list[float]] = defaultdict(list)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Send the time along with the last report of a case, from the process that ran it."""
    if call.when == "setup":
        # The work of its fixtures is not its own: another test may have asked for them.
        item.user_properties.append(("began", _processor_time()))
    if call.when == "teardown":
        began = dict(item.user_properties)["began"]
        item.user_properties.append(("seconds", _processor_time() - began))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note the time of a case."""
    if report.when == "teardown" and "[" in report.nodeid:
        name = report.nodeid.partition("[")[0]
        _seconds[name].append(dict(report.user_properties)["seconds"])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the names."""
    terminalreporter.section("tests whose cases take long")
    for name, times in sorted(_seconds.items()):
        if sum(times) > COSTLY * len(times):
            terminalreporter.write_line(f"{sum(times) / len(times):6.2f} {len(times):4} {name}")


def _processor_time() -> float:
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return forked.seconds + sum(usage.ru_utime + usage.ru_stime for usage in usages)
