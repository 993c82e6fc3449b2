"""Claims about what Prometheus sees."""

from __future__ import annotations

from typing import Any

from prometheus_client import generate_latest

from tests.trainyard_operator.builders import job_body, reported, running_status, time_text
from trainyard_api.conditions import ConditionType
from trainyard_operator.metrics import Metrics


def _samples(metrics: Metrics) -> dict[str, float]:
    lines = generate_latest(metrics.registry).decode().splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}


def _status(status: str, reason: str, **fields: Any) -> dict[str, Any]:
    return {"conditions": [reported(ConditionType.SUCCEEDED, status, reason)]} | fields


def test_usage_and_limit_are_the_statuss_and_go_with_the_job() -> None:
    """Series by namespace and name; nothing is left of a job that is gone."""
    metrics = Metrics()
    metrics.listed([job_body(status=running_status(reported(ConditionType.SUCCEEDED, "Unknown", "Running")))])
    samples = _samples(metrics)
    labels = '{name="sums",namespace="team-a"}'
    assert samples[f"training_budget_usage_dollars{labels}"] == 0.01
    assert samples[f"training_budget_limit_dollars{labels}"] == 5.0
    assert samples["training_jobs_active"] == 1
    metrics.listed([])
    assert not any("sums" in name for name in _samples(metrics))
    assert _samples(metrics)["training_jobs_active"] == 0


def test_a_job_is_counted_once_at_its_beginning_and_once_at_its_end() -> None:
    """With the time from its first attempt to its end."""
    metrics = Metrics()
    running = running_status(reported(ConditionType.SUCCEEDED, "Unknown", "Running"))
    ended = running_status(reported(ConditionType.SUCCEEDED, "True", "Completed"))
    times = {"startTime": time_text(-100), "completionTime": time_text(0)}
    metrics.job_changed({}, _status("Unknown", "Starting"))
    metrics.job_changed(running, _status("Unknown", "Running"))
    metrics.job_changed(running, _status("True", "Completed", **times))
    metrics.job_changed(ended, _status("True", "Completed", **times))
    metrics.job_changed(running, _status("False", "Failed"))
    samples = _samples(metrics)
    assert samples["training_jobs_created_total"] == 1
    assert samples["training_jobs_completed_total"] == 1
    assert samples["training_jobs_failed_total"] == 1
    assert samples["training_job_duration_seconds_sum"] == 100
    assert samples["training_job_duration_seconds_count"] == 1


def test_passes_are_counted_by_result() -> None:
    """And timed, as the ticks are."""
    metrics = Metrics()
    metrics.pass_done("ok", 0.5)
    metrics.pass_done("conflict", 0.5)
    metrics.tick_done(0.25)
    samples = _samples(metrics)
    assert samples['trainyard_reconcile_passes_total{result="ok"}'] == 1
    assert samples['trainyard_reconcile_passes_total{result="conflict"}'] == 1
    assert samples["trainyard_reconcile_duration_seconds_sum"] == 1.0
    assert samples["trainyard_tick_duration_seconds_sum"] == 0.25
