"""The table of the burst says what was measured, and the documented command prints it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from hack.bench.burst.__main__ import HEADER, OURS, PEER, rows
from hack.bench.burst.follow import Burst, Sample, Usage

ROOT = Path(__file__).parents[4]
COMMAND = ".venv/bin/python -m hack.bench.burst"
SMALL = ("--jobs", "3", "--rounds", "1", "--settle", "0", "--watch", "1")


def burst(seconds: float, *, running: int = 10, cpu: float = 0.0) -> Burst:
    """A burst of ten."""
    first, last = Usage(1.0, 90.0, 95.0), Usage(1.0 + cpu, 110.0, 120.0)
    return Burst(10, [Sample(0, 0, 0, first), Sample(seconds, 10, running, last)], 0.25, 60)


def test_ratios_are_taken_round_by_round() -> None:
    """Shows medians, and no process's figures for bare Jobs."""
    peers, own = [burst(1), burst(2), burst(4)], [burst(4, cpu=5), burst(4, cpu=1), burst(8, cpu=2)]
    bare, ours = rows({PEER: peers, OURS: own})
    assert bare == [PEER, "2.0 (1.0-4.0)", "5.0", "1.00", "", "", "", ""]
    assert ours == [OURS, "4.0 (4.0-8.0)", "2.5", "2.00", "0.200", "6.0", "90 (120)", "25 %"]


def test_a_burst_that_was_given_up_has_no_figures() -> None:
    """Says how many pods ran in the worst round, for the peer too."""
    bare, ours = rows({PEER: [burst(1), burst(1)], OURS: [burst(9, running=4), burst(2)]})
    assert bare[1] == "1.0 (1.0-1.0)"
    assert ours == [OURS, "only 4 of 10 ran", *[""] * (len(HEADER) - 2)]


@pytest.mark.nightly
def test_the_documented_command_prints_a_table() -> None:
    """Prints our row and the machine; runs each night and not each day, for it builds kwok where the cache lacks it."""
    assert f"\n{COMMAND}\n" in (ROOT / "docs" / "benchmarks.md").read_text()
    words = [sys.executable, *COMMAND.split()[1:], *SMALL]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^\| ours +\| +[0-9.]+ \(", done.stdout, flags=re.MULTILINE)
    assert "threads: 1, Python" in done.stdout
