"""Trackers: they get what the ledger got, and never cost a step."""

from __future__ import annotations

import asyncio
import concurrent.futures
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.trainyard_trainer import small
from tests.waiting import GUARD_SECONDS
from trainyard_api.run_config import RunConfig
from trainyard_trainer.reporting import tracking
from trainyard_trainer.reporting.tracking import MAX_WAITING, TrackedLedger, open_trackers
from trainyard_trainer.sinks import StepMetrics

CONFIG = small.config(tags={"commit": "1a2b3c4"})
METRICS = StepMetrics("step", 0, 1, {"reward_mean": 0.5, "step_seconds": 1.0})


KEY = "0123456789" * 4


def asking_wandb(server: str) -> RunConfig:
    """A run that Weights & Biases at this address is told of."""
    return small.config(tracking={"wandb": {"project": "agents", "endpoint": server, "secretRef": {"name": "wandb"}}})


class Kept:
    """A tracker that keeps what it is told, once it may."""

    def __init__(self, broken: BaseException | None = None) -> None:
        self.told: list[tuple[int, Mapping[str, float]]] = []
        self.may, self.ended, self._broken = threading.Event(), False, broken

    def log(self, step: int, values: Mapping[str, float]) -> None:
        assert self.may.wait(GUARD_SECONDS)
        if self._broken:
            raise self._broken
        self.told.append((step, values))

    def close(self) -> None:
        self.ended = True
        if self._broken:
            raise self._broken


class OwnError(BaseException):
    """No Exception at all, and without a text."""

    def __str__(self) -> str:
        raise OwnError


ERRORS = [
    ConnectionError("no route to the tracker"),
    SystemExit(1),
    KeyboardInterrupt(),
    GeneratorExit(),
    asyncio.CancelledError(),
    concurrent.futures.CancelledError(),
    OwnError(),
]


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of a run waits for its trackers however busy this machine is."""
    monkeypatch.setattr(tracking, "CLOSE_SECONDS", GUARD_SECONDS)


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_trackers_get_what_the_ledger_got(error: BaseException) -> None:
    """Steps count from 1 there; an evaluation's numbers carry their kind; one that breaks doesn't keep the others."""
    outside, broken, good = small.Outside(), Kept(error), Kept()
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


@pytest.mark.usefixtures("patient")
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


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
@pytest.mark.parametrize("error", ["SystemExit", "KeyboardInterrupt", "AttributeError"])
def test_a_library_that_cant_be_imported_costs_a_warning(
    name: str, error: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever it raises on its way in; only one that isn't there is refused."""
    (tmp_path / f"{name}.py").write_text(f"raise {error}('no tracker today')")
    monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    server = "https://tracker.example"
    asked = {"mlflow": {"endpoint": server, "experiment": "agents"}}
    config = asking_wandb(server) if name == "wandb" else small.config(tracking=asked)
    assert open_trackers(config, KEY, "", tmp_path) == []
    (told,) = (record.getMessage() for record in caplog.records if "is left out" in record.getMessage())
    assert told.endswith(error)
