"""Rows of trainers, as the operator reads them.

Place in the data's way: from station 10 to stations 9 and 11. Pure: a pod in which user code runs has written them, so
each value is bounded or dropped here, and what it claims is judged elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from trainyard_api import names

_MEASUREMENT: Final = re.compile(r"[a-z][a-z0-9_/]{0,62}")
_LARGEST: Final = 1e300
_MOST_MEASUREMENTS: Final = 64


@dataclass(frozen=True)
class Claim:
    """A row of the ledger's table `checkpoints`."""

    uri: str
    run_uid: str
    attempt: int
    step: int
    digest: str
    size_bytes: int
    metrics: Mapping[str, str]
    committed_time: datetime
    updates: int | None = None
    """Updates done of the step after the finished ones; None: taken between steps."""

    def object_name(self, job: str, job_uid: str) -> str:
        """Names the Checkpoint object that stands for it."""
        return names.checkpoint(job, job_uid, self.attempt, self.step, self.updates)


@dataclass(frozen=True)
class StepRow:
    """What was measured of a step of a run; durations are in seconds, None: not measured."""

    run_uid: str
    namespace: str
    name: str
    step: int
    step_seconds: float | None
    rollout_seconds: float | None
    update_seconds: float | None
    measurements: Mapping[str, float]


def numbers_in(measurements: Any) -> dict[str, float]:
    """Keeps the first 64 finite numbers with a plain name, by name; anything but an object has none."""
    known = measurements.items() if isinstance(measurements, dict) else ()
    plain = [
        (name, float(value))
        for name, value in known
        if _MEASUREMENT.fullmatch(name) and isinstance(value, int | float) and abs(value) < _LARGEST
    ]
    return dict(sorted(plain)[:_MOST_MEASUREMENTS])


def texts_in(metrics: Any) -> dict[str, str]:
    """Keeps the texts of a JSON value, by name; anything but an object has none."""
    return {key: value for key, value in metrics.items() if isinstance(value, str)} if isinstance(metrics, dict) else {}
