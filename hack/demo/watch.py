"""Watches the two jobs until both have ended: a live table on a terminal, a line per change elsewhere."""

from __future__ import annotations

import time
from typing import Any

from rich.live import Live
from rich.table import Table

from hack.demo.phases import Story
from hack.kubectl import Kubectl, condition

COLUMNS = ("NAME", "STATUS", "STEP", "PROGRESS", "REWARD", "COST", "BUDGET")


def row(job: dict[str, Any]) -> tuple[str, ...]:
    """Writes a job as `kubectl get` shows it."""
    status = job.get("status", {})
    progress = status.get("progress", {})
    return (
        job["metadata"]["name"],
        condition(job, "Succeeded").get("reason", ""),
        progress.get("steps", ""),
        str(progress.get("percent", "")),
        progress.get("reward", ""),
        status.get("cost", {}).get("spentUSD", ""),
        status.get("budget", {}).get("limitUSD", ""),
    )


def ended(job: dict[str, Any]) -> bool:
    """Says whether a job's outcome is final."""
    return str(condition(job, "Succeeded").get("status", "Unknown")) != "Unknown"


def _table(rows: list[tuple[str, ...]]) -> Table:
    table = Table(*COLUMNS, box=None, pad_edge=False)
    for cells in rows:
        table.add_row(*cells)
    return table


def watch(kubectl: Kubectl, namespace: str, names: list[str], story: Story, *, seconds: float) -> list[dict[str, Any]]:
    """Follows the jobs until all have ended; returns them as last seen.

    Raises:
        SystemExit: the time is over.
    """
    deadline = time.monotonic() + seconds
    shown: list[tuple[str, ...]] = []
    live = Live(console=story.console, refresh_per_second=4) if story.console.is_terminal else None
    if live:
        live.start()
    try:
        while time.monotonic() < deadline:
            jobs = [kubectl.json("get", "trainingjobs.trainyard.dev", name, "-n", namespace) for name in names]
            rows = [row(job) for job in jobs]
            if live:
                live.update(_table(rows))
            else:
                for cells in rows:
                    if cells not in shown:
                        story.say("  ".join(cell or "-" for cell in cells), keep=False)
                shown = rows
            if all(ended(job) for job in jobs):
                return jobs
            time.sleep(2)
    finally:
        if live:
            live.stop()
    raise SystemExit(f"the jobs had not ended after {seconds:.0f} s; look at `kubectl -n {namespace} describe tj`")
