"""Trackers: they get what the ledger got, and never cost a step."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import wandb

from tests.trainyard_trainer import small
from trainyard_api.training_job_spec import WandbTracking
from trainyard_trainer.outlets import StepMetrics
from trainyard_trainer.reporting.mlflow_tracker import RUN_TAG, MlflowTracker
from trainyard_trainer.reporting.tracking import MAX_WAITING, TrackedLedger, open_trackers
from trainyard_trainer.reporting.wandb_tracker import WandbTracker

CONFIG = small.config(tags={"commit": "1a2b3c4"})
METRICS = StepMetrics("step", 0, 1, {"reward_mean": 0.5, "step_seconds": 1.0})


class Kept:
    """A tracker that keeps what it is told, once it may."""

    def __init__(self, *, broken: bool = False) -> None:
        self.told: list[tuple[int, Mapping[str, float]]] = []
        self.may, self.ended, self._broken = threading.Event(), False, broken

    def log(self, step: int, values: Mapping[str, float]) -> None:
        assert self.may.wait(60)
        if self._broken:
            raise ConnectionError("no route to the tracker")
        self.told.append((step, values))

    def close(self) -> None:
        self.ended = True


def test_trackers_get_what_the_ledger_got() -> None:
    """Steps count from 1 there; an evaluation's numbers carry their kind; one that breaks doesn't keep the others."""
    outside, broken, good = small.Outside(), Kept(broken=True), Kept()
    broken.may.set()
    good.may.set()
    ledger = TrackedLedger(outside, [broken, good])
    ledger.record_step([], METRICS)
    ledger.record_evaluation(StepMetrics("evaluation", 1, 1, {"success_rate": 0.9}), [])
    ledger.close()
    assert good.told == [(1, METRICS.values), (1, {"evaluation/success_rate": 0.9})]
    assert len(outside.steps) == len(outside.evaluations) == 1
    assert broken.ended
    assert good.ended


def test_a_slow_tracker_costs_measurements_but_no_step() -> None:
    """What waits is bounded; the ledger keeps all."""
    outside, slow = small.Outside(), Kept()
    ledger = TrackedLedger(outside, [slow])
    for _ in range(MAX_WAITING + 5):
        ledger.record_step([], METRICS)
    slow.may.set()
    ledger.close()
    assert (len(outside.steps), len(slow.told)) == (MAX_WAITING + 5, MAX_WAITING)


def test_nobody_is_told_unless_a_manifest_says_so(tmp_path: Path) -> None:
    """No tracker without its field."""
    assert open_trackers(CONFIG, "", "", tmp_path) == []


def test_weights_and_biases_keeps_numbers_and_tags(tmp_path: Path) -> None:
    """The library's own run file, kept offline, holds them under the run's uid; and no key."""
    asked = WandbTracking.model_validate({"project": "agents", "secretRef": {"name": "wandb"}})
    tracker = WandbTracker(asked, CONFIG, "0123456789" * 4, tmp_path, mode="offline")
    tracker.log(1, {"reward_mean": 0.4242})
    tracker.close()
    wandb.teardown()  # the library's own process writes the file, and ends after the run has: this waits for it
    (file,) = tmp_path.rglob("run-run-1.wandb")
    content = file.read_bytes()
    for word in (b"agents", b"1a2b3c4", b"reward_mean", b"0.4242"):
        assert word in content
    assert all(b"0123456789" not in each.read_bytes() for each in tmp_path.rglob("*") if each.is_file())


def test_a_later_attempt_goes_on_in_the_same_mlflow_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers by step, tags of the manifest, one run for one uid."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    uri = f"file://{tmp_path}/store"
    for step in (1, 2):
        tracker = MlflowTracker(uri, "agents", CONFIG, "")
        tracker.log(step, {"reward_mean": step / 4})
        tracker.close()
    client: Any = tracker._client
    (run,) = client.search_runs([client.get_experiment_by_name("agents").experiment_id])
    history = client.get_metric_history(run.info.run_id, "reward_mean")
    assert sorted((metric.step, metric.value) for metric in history) == [(1, 0.25), (2, 0.5)]
    assert {RUN_TAG: "run-1", "commit": "1a2b3c4"}.items() <= run.data.tags.items()
