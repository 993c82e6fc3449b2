"""No stop waits for Postgres and no outage loses a row: what can't be written travels in checkpoints.

Real pods in processes of their own, with a real Postgres that hangs or is gone for a while. The next attempt, or
`write-rows` where there is none, writes what a checkpoint carries before anything else.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from signal import SIGKILL, SIGTERM
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from tests import servers
from tests.claims.mortal_pods import Death, Deed, Pods
from tests.claims.test_resumes_exactly import TABLES, Result, World, assert_equal
from tests.waiting import GUARD_SECONDS, until
from trainyard_api.termination import ExitCode

pytestmark = pytest.mark.learning

IMPATIENT = {"prompt": 0.5}
"""Rows are kept after half a second: what hangs here never answers."""
STOPPED_AT = 5
"""Finished steps when the pod is told to stop."""


@pytest.fixture(scope="module")
def postgres() -> Iterator[servers.Postgres]:
    """A server that nobody else needs."""
    with servers.postgres() as server:
        yield server


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, postgres: servers.Postgres) -> Iterator[World]:
    """One database, one folder, and one process that forks pods."""
    folder = tmp_path_factory.mktemp("away")
    pods = Pods(folder)
    yield World(pods, postgres.database(), folder)
    pods.close()


@pytest.fixture(scope="module")
def undisturbed(world: World) -> Result:
    """The run whose database is always there."""
    return world.finish(world.config())


def folder_of(uri: str) -> Path:
    """Where a checkpoint of a folder lies."""
    return Path(unquote(urlsplit(uri).path))


def manifests(world: World, config: dict[str, Any]) -> dict[str, Any]:
    """The manifest of each checkpoint of a run, by the folder's name without the pod's uid."""
    found = Path(config["checkpoints"]["storage"]["folder"]["directory"]).glob(f"*/*/{config['run']['uid']}/*/COMMIT")
    texts = {path.parent.name.rpartition("-")[0]: path.with_name("manifest.json").read_text() for path in found}
    return {name: json.loads(text) for name, text in texts.items()}


@pytest.mark.parametrize("how", ["hangs", "is gone"])
def test_a_pod_is_stopped_while_its_database_is_away(
    world: World, postgres: servers.Postgres, undisturbed: Result, how: str
) -> None:
    """It ends with 10 and names a committed checkpoint; two steps' rows are in its files, and in the ledger afterwards."""
    config = world.config()
    away = postgres.signal("STOP") if how == "hangs" else postgres.kill()
    code, termination, _ = world.attempt(
        config,
        Death("update", STOPPED_AT, signal=SIGTERM),
        deeds=[Deed("record", STOPPED_AT - 2, away, after=True)],
        patience=IMPATIENT,
    )
    if how == "hangs":
        subprocess.run(postgres.signal("CONT"), check=True)
    else:
        postgres.start()
    assert (code, termination.reason, termination.last_step) == (ExitCode.STOPPED, "Stopped", STOPPED_AT)
    committed = termination.committed
    assert (committed.uri, committed.step, committed.updates) == (termination.committed_uri, STOPPED_AT, None)
    manifest = manifests(world, config)[f"step-{STOPPED_AT}"]
    assert committed.unwritten_rows == manifest["unwrittenRows"] > 2 * 24
    assert committed.metrics.items() <= manifest["metrics"].items()
    assert committed.metrics
    steps = "SELECT count(DISTINCT step) FROM trainyard.trajectories WHERE run_uid = %s"
    assert world.database.rows(steps, config["run"]["uid"]) == [(STOPPED_AT - 2,)]
    assert_equal(world.finish(config), undisturbed)
    assert {claim[0] for claim in world.claims(config["run"]["uid"])} == {2, 4, STOPPED_AT, 6}
