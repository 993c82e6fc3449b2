"""`python -m hack.tiers TIER...`: run tiers in order, stop at the first that fails, print counts and seconds."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from hack.tiers.counts import Count, read_report, required_end_to_end
from hack.tiers.selection import SELECTIONS, files_of

ROOT = Path(__file__).parent.parent.parent
BIN = Path(sys.executable).parent
SIDE_BY_SIDE = ("--numprocesses=auto", "--maxprocesses=4", "--dist=loadfile")
"""One process per core, a file's tests in one of them."""
WITH_WAITS = (f"--numprocesses={min(4, (os.cpu_count() or 1) + 1)}", "--dist=loadfile")
"""One process more than cores, for tests of the operator and of stops mostly wait."""
ON_THE_CLUSTER = ("--numprocesses=4", "--dist=loadfile", "--override-ini=faulthandler_timeout=1200")
"""They wait for the cluster, whose pods do the work."""


def _tool(*command: str) -> bool:
    return subprocess.run([str(BIN / command[0]), *command[1:]], cwd=ROOT, check=False).returncode == 0


def _lint() -> Count:
    passed = (
        _tool("ruff", "check", ".") and _tool("ruff", "format", "--check", "--quiet", ".") and _tool("lint-imports")
    )
    return Count(passed=3) if passed else Count(failed=1)


def _types() -> Count:
    return Count(passed=1) if _tool("mypy") else Count(failed=1)


def _pytest(tier: str, *options: str, only: str = "") -> Count:
    selection = f"({SELECTIONS[tier]}) and {only}" if only else SELECTIONS[tier]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        always = ("-q", "--durations=5", "-p", "no:cacheprovider", f"--junitxml={report}")
        command = ["pytest", *always, "-m", selection, *options, *files_of(tier, ROOT)]
        passed = _tool(*command)
        return read_report(report, passed=passed)


def _integration() -> Count:
    # All programs in one go: built one by one, each would compile anew what they share.
    if not _tool("python", "-m", "hack.cluster", "build"):
        return Count(failed=1)
    return _pytest("integration", *WITH_WAITS)


def _end_to_end() -> Count:
    count = _pytest("e2e", *ON_THE_CLUSTER, only="not alone").plus(_pytest("e2e", only="alone"))
    missing = required_end_to_end(ROOT / "tests/e2e/required.txt") - count.names
    for name in sorted(missing):
        print(f"required end-to-end test didn't run: {name}")
    return count.with_failures(len(missing))


TIERS: dict[str, Callable[[], Count]] = {
    "lint": _lint,
    "types": _types,
    "unit": lambda: _pytest("unit", *SIDE_BY_SIDE),
    "integration": _integration,
    "learning": lambda: _pytest("learning", *WITH_WAITS),
    "e2e": _end_to_end,
    # Alone and not captured: what is drawn anew is shown as it goes, with the seed that gives it again.
    "nightly": lambda: _pytest("nightly", "--capture=no", "--override-ini=faulthandler_timeout=1800"),
}


def main(names: list[str]) -> int:
    """Runs the tiers; returns 0 only if every one passed and nothing was skipped."""
    unknown = [name for name in names if name not in TIERS]
    if unknown or not names:
        print(f"usage: python -m hack.tiers {' '.join(TIERS)}; got {' '.join(names) or 'nothing'}")
        return 2
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    rows: list[tuple[str, Count, float]] = []
    for name in names:
        print(f"\n== {name} ==", flush=True)
        began = time.monotonic()
        count = TIERS[name]()
        rows.append((name, count, time.monotonic() - began))
        if not count.good:
            break
    print(f"\n{'tier':<12} {'passed':>7} {'failed':>7} {'skipped':>8} {'seconds':>8}")
    for name, count, seconds in rows:
        print(f"{name:<12} {count.passed:>7} {count.failed:>7} {count.skipped:>8} {seconds:>8.1f}")
    total = [sum(getattr(count, what) for _, count, _ in rows) for what in ("passed", "failed", "skipped")]
    print("\n{} passed, {} failed, {} skipped".format(*total))
    return 0 if all(count.good for _, count, _ in rows) and len(rows) == len(names) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
