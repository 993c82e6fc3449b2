"""Claims about the operator as a process: what kopf leaves behind, what probes and metrics say."""

from __future__ import annotations

import json
import time

import pytest

from tests.trainyard_operator.bench import NAMESPACE, Bench, until
from trainyard_api import names
from trainyard_operator.kube import JOBS, TRAINING_JOBS

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
    """From create to pod in well under a tick of a second, most times of five."""
    spans = []
    for number in range(5):
        begun = time.monotonic()
        bench.submit(f"quick-{number}")
        bench.api.pod(f"quick-{number}")
        spans.append(time.monotonic() - begun)
    assert sorted(spans)[2] < 1.0, spans


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
