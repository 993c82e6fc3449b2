"""Weights & Biases gets numbers and tags, and its errors say whose they are."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import wandb

from tests.trainyard_trainer import small
from trainyard_api.run_config import RunConfig
from trainyard_api.tracking import WandbTracking
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.reporting.tracking import open_trackers
from trainyard_trainer.reporting.wandb_tracker import WandbTracker

CONFIG = small.config(tags={"commit": "1a2b3c4"})


KEY = "0123456789" * 4


def asking_wandb(server: str) -> RunConfig:
    """A run that Weights & Biases at this address is told of."""
    return small.config(tracking={"wandb": {"project": "agents", "endpoint": server, "secretRef": {"name": "wandb"}}})


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
