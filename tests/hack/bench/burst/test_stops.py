"""The table of stops says what the audit log says, and the documented command prints it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hack.bench.burst.stops import Stop, rows, stops

ROOT = Path(__file__).parents[4]
COMMAND = ".venv/bin/python -m hack.bench.burst.stops"


def event(second: float, verb: str, resource: str, name: str, *, uri: str = "/x", agent: str = "", **more: Any) -> dict:
    """An answered write, half a second after it came."""
    reference = {"resource": resource, "name": name} | more
    times = {
        key: f"2026-01-02T12:00:{at:09.6f}Z"
        for key, at in (("requestReceivedTimestamp", second), ("stageTimestamp", second + 0.5))
    }
    return {
        "objectRef": reference,
        "verb": verb,
        "requestURI": uri,
        "userAgent": agent,
        "responseStatus": {"code": 200},
        **times,
    }


DECIDED = "/status?fieldManager=trainyard-operator-budget"
COST = "/status?fieldManager=trainyard-operator-budget&force=true"


def test_a_stop_is_read_from_edit_record_and_first_deletion() -> None:
    """What came before the bench began, a cost, and a second deletion count for nothing."""
    events = [
        event(1, "patch", "trainingjobs", "j00001"),
        event(11, "patch", "trainingjobs", "j00001"),
        event(12, "patch", "trainingjobs", "j00001", uri=COST, subresource="status"),
        event(13, "patch", "trainingjobs", "j00001", uri=DECIDED, subresource="status"),
        event(14, "delete", "pods", "j00001-1-abcde", agent="OpenAPI-Generator/35/python"),
        event(15, "delete", "pods", "j00001-1-abcde", agent="kube-controller-manager"),
        event(11, "patch", "trainingjobs", "j00002"),
    ]
    since = 1767355210.0
    assert stops(events, since) == {"j00001": Stop(since + 1, since + 3.5, since + 4.5, by_operator=True)}


def test_rows_show_the_middle_and_the_worst() -> None:
    """Of a hundred, the ninety-ninth."""
    found = [Stop(0.0, number / 2, float(number), by_operator=True) for number in range(100)]
    assert rows(found) == [
        ["edit to SIGTERM", "49.50", "99.00", "99.00"],
        ["decision to SIGTERM", "24.75", "49.50", "49.50"],
    ]
    assert rows([])[0] == ["edit to SIGTERM", "", "", ""]


@pytest.mark.nightly
def test_the_documented_command_prints_a_table() -> None:
    """A few jobs, all stopped."""
    assert f"\n{COMMAND}\n" in (ROOT / "docs" / "benchmarks.md").read_text()
    words = [sys.executable, *COMMAND.split()[1:], "--jobs", "3"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^\| decision to SIGTERM +\| +[0-9.]+ \|", done.stdout, flags=re.MULTILINE)
    assert "3 of 3 jobs stopped" in done.stdout
