"""Trackers: they get what the ledger got, and never cost a step."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import sys
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import wandb

from tests.trainyard_trainer import small
from tests.waiting import GUARD_SECONDS
from trainyard_api.run_config import RunConfig
from trainyard_api.tracking import WandbTracking
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.reporting import tracking
from trainyard_trainer.reporting.mlflow_tracker import RUN_TAG, MlflowTracker
from trainyard_trainer.reporting.tracking import MAX_WAITING, TrackedLedger, open_trackers
from trainyard_trainer.reporting.wandb_tracker import WandbTracker
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


def test_weights_and_biases_keeps_numbers_and_tags(tmp_path: Path) -> None:
    """The library's own run file, kept offline, holds them under the run's uid; and no key."""
    asked = WandbTracking.model_validate({"project": "agents", "secretRef": {"name": "wandb"}})
    tracker = WandbTracker(asked, CONFIG, KEY, tmp_path, mode="offline")
    tracker.log(1, {"reward_mean": 0.4242})
    tracker.close()
    wandb.teardown()  # the library's own process writes the file, and ends after the run has: this waits for it
    (file,) = tmp_path.rglob("run-run-1.wandb")
    content = file.read_bytes()
    for word in (b"agents", b"1a2b3c4", b"reward_mean", b"0.4242"):
        assert word in content
    assert all(b"0123456789" not in each.read_bytes() for each in tmp_path.rglob("*") if each.is_file())


@contextlib.contextmanager
def answering(status: int) -> Iterator[str]:
    """A server that answers everything with this status; its address."""

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            wandb.teardown()  # the library's own process would keep the run's id for itself
            server.shutdown()


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_weights_and_biases_refuses_is_the_users_mistake(status: int, tmp_path: Path) -> None:
    """The Secret's field is named, before any work; the key isn't."""
    with answering(status) as server, pytest.raises(RefusedError) as refused:
        open_trackers(asking_wandb(server), KEY, "", tmp_path)
    assert refused.value.field_path == "spec.tracking.wandb.secretRef.name"
    assert KEY not in str(refused.value)


def test_weights_and_biases_out_of_reach_costs_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Not the run: the ledger is the truth. The server's words aren't quoted."""
    with answering(404) as server:
        assert open_trackers(asking_wandb(server), KEY, "", tmp_path) == []
    assert [record.getMessage() for record in caplog.records if "is left out" in record.getMessage()] == [
        "tracking: Weights & Biases can't be reached and is left out: CommError"
    ]


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
