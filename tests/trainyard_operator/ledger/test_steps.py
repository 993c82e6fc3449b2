"""Claims about the durations of training steps, on a real Postgres."""

from __future__ import annotations

import asyncio

import pytest

from tests.servers import Database
from tests.trainyard_operator.builders import UID
from trainyard_operator.ledger import runs
from trainyard_operator.ledger.connection import Ledger
from trainyard_operator.ledger.steps import Steps
from trainyard_operator.metrics import Metrics

pytestmark = pytest.mark.integration


def _step(database: Database, step: int, timings: str, measurements: str = "{}") -> None:
    database.execute(
        "INSERT INTO trainyard.training_metrics (run_uid, kind, step, attempt, policy_version, measurements, timings)"
        " VALUES (%s, 'step', %s, 1, 1, %s, %s)",
        *(UID, step, measurements, timings),
    )


def _shown(metrics: Metrics) -> dict[str, float]:
    families = [family for family in metrics.registry.collect() if family.name == "trainyard_step_measurement"]
    samples = [(sample.labels["measurement"], sample.value) for family in families for sample in family.samples]
    assert len(samples) == len(dict(samples)), "a name that comes twice makes a scrape invalid"
    return dict(samples)


def test_each_step_is_counted_once_from_when_this_process_began(database: Database, ledger: Ledger) -> None:
    """Earlier steps aren't; later ones are, each measurement that it has; a run that has ended is forgotten."""
    metrics = Metrics()
    steps = Steps(ledger, metrics)
    shown: list[dict[str, float]] = []

    async def go() -> None:
        await runs.begin_attempt(ledger, run_uid=UID, namespace="n", name="j", attempt=1, job_name="j-1", tags={})
        _step(database, 0, '{"step_seconds": 100, "rollout_seconds": 50, "update_seconds": 40}')
        await steps.count([UID])
        _step(database, 1, '{"step_seconds": 2.5, "rollout_seconds": 1.5, "update_seconds": 0.5}')
        _step(
            database,
            2,
            '{"step_seconds": 3.5}',
            '{"reward_mean": 0.5, "no word": 1, "kl": "text", "step": 7, "clip_ratio/low_mean": 0.25}',
        )
        await steps.count([UID])
        await steps.count([UID])
        shown.append(_shown(metrics))
        await steps.count([])
        shown.append(_shown(metrics))

    asyncio.run(go())
    values = {
        name: metrics.registry.get_sample_value(f"training_{name}_duration_seconds_sum")
        for name in ("iteration", "trajectory_generation", "policy_update")
    }
    assert values == {"iteration": 6.0, "trajectory_generation": 1.5, "policy_update": 0.5}
    assert metrics.registry.get_sample_value("training_iteration_duration_seconds_count") == 2
    measured = {"reward_mean": 0.5, "clip_ratio/low_mean": 0.25, "step": 2.0}
    assert shown == [measured, {}], "the newest step of a running job, numbers by plain names"
