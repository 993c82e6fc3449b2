"""Claims about the operator as a process: what kopf leaves behind, what probes and metrics say."""

from __future__ import annotations

import json

import pytest

from tests.trainyard_operator.bench import NAMESPACE, Bench
from tests.waiting import until
from trainyard_api import names
from trainyard_operator.cluster.kube import JOBS, TRAINING_JOBS

pytestmark = pytest.mark.integration


def test_kopf_keeps_nothing_in_anybodys_metadata(bench: Bench) -> None:
    """No annotation on any object; on the TrainingJob our one finalizer."""
    pod = bench.running("spotless")
    for body in (bench.api.job("spotless"), bench.api.get(JOBS, "spotless-1"), bench.api.pod("spotless")):
        assert body is not None
        assert "kopf" not in json.dumps(body["metadata"])
    assert bench.api.job("spotless")["metadata"]["finalizers"] == [names.SETTLEMENT_FINALIZER]
    assert "annotations" not in bench.api.job("spotless")["metadata"]
    assert pod["metadata"]["finalizers"].count(names.ACCOUNTING_FINALIZER) == 1


def test_a_change_is_acted_on_by_the_watch_not_the_tick(bench: Bench) -> None:
    """Of an operator that ticks once a minute, one of five jobs at least has its pod without a tick in between."""

    def without_tick(name: str) -> bool:
        before = bench.operator.ticks()
        bench.submit(name)
        bench.api.pod(name)
        return bench.operator.ticks() == before

    _restart(bench, "60")
    try:
        assert any(without_tick(f"quick-{number}") for number in range(5))
    finally:
        _restart(bench, "1")


def _restart(bench: Bench, tick_seconds: str) -> None:
    bench.operator.stop()
    bench.operator.environment["TRAINYARD_TICK_SECONDS"] = tick_seconds
    bench.operator.start()


def test_probes_and_metrics_are_served(bench: Bench) -> None:
    """Alive, ready, and with the series of a job that vanish with it."""
    assert (bench.operator.probe("healthz"), bench.operator.probe("readyz")) == (200, 200)
    bench.submit("measured", budget={"maxCostUSD": "7.50"})
    series = f'training_budget_limit_dollars{{name="measured",namespace="{NAMESPACE}"}}'
    until(lambda: bench.operator.metrics().get(series), "no series of the job")
    assert bench.operator.metrics()[series] == 7.5
    assert bench.operator.metrics()["training_jobs_created_total"] >= 1
    bench.api.delete(TRAINING_JOBS, "measured")
    until(lambda: True if series not in bench.operator.metrics() else None, "the series stays")
