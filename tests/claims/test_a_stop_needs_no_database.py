"""No stop waits for Postgres and no outage loses a row: what can't be written travels in checkpoints.

Real pods in processes of their own, with a real Postgres that hangs or is gone for a while. The next attempt, or
`write-rows` where there is none, writes what a checkpoint carries before anything else.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from signal import SIGKILL, SIGTERM
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from transformers import AutoModelForCausalLM

from tests import servers
from tests.claims.mortal_pods import Death, Deed, Pods
from tests.claims.mortal_runs import Result, World, assert_equal
from tests.equal_runs import TABLES
from tests.waiting import GUARD_SECONDS, until
from trainyard_api.termination import ExitCode

pytestmark = pytest.mark.learning

IMPATIENT = {"prompt": 2.0}
"""Rows are kept after two seconds: what hangs here never answers."""
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


def prefix_of(config: dict[str, Any]) -> Path:
    """The folder of all checkpoints of a run."""
    storage, run = config["checkpoints"]["storage"], config["run"]
    return Path(storage["folder"]["directory"], run["namespace"], run["name"], run["uid"])


def manifests(config: dict[str, Any]) -> dict[str, Any]:
    """The manifest of each checkpoint of a run, by the folder's name without the pod's uid."""
    found = prefix_of(config).glob("*/COMMIT")
    texts = {path.parent.name.rpartition("-")[0]: path.with_name("manifest.json").read_text() for path in found}
    return {name: json.loads(text) for name, text in texts.items()}


def once_committed(config: dict[str, Any], step: int) -> str:
    """A command that waits for the checkpoint of a step."""
    return f"until ls {prefix_of(config)}/step-{step}-*/COMMIT > /dev/null 2>&1; do sleep 0.05; done"


@pytest.mark.parametrize("how", ["hangs", "is gone"])
def test_a_pod_is_stopped_while_its_database_is_away(
    world: World, postgres: servers.Postgres, undisturbed: Result, how: str
) -> None:
    """It ends with 10 and names a checkpoint whose files have two steps' rows; the next attempt writes them first."""
    config = world.config()
    away = postgres.signal("STOP") if how == "hangs" else postgres.kill()
    code, termination, _ = world.attempt(
        config,
        Death("step", STOPPED_AT, after=True, signal=SIGTERM),
        deeds=[Deed("record", STOPPED_AT - 2, away, after=True)],
        patience=IMPATIENT if how == "hangs" else {},
    )
    if how == "hangs":
        subprocess.run(postgres.signal("CONT"), check=True)
    else:
        postgres.start()
    assert (code, termination.reason, termination.last_step) == (ExitCode.STOPPED, "Stopped", STOPPED_AT)
    committed = termination.committed
    assert (committed.uri, committed.step, committed.updates) == (termination.committed_uri, STOPPED_AT, None)
    manifest = manifests(config)[f"step-{STOPPED_AT}"]
    assert committed.unwritten_rows == manifest["unwrittenRows"] > 2 * 24
    named = {name.replace("/", "."): text for name, text in manifest["metrics"].items()}
    assert committed.metrics.items() <= named.items()
    assert committed.metrics["reward_mean"] == manifest["metrics"]["reward_mean"]
    assert AutoModelForCausalLM.from_pretrained(folder_of(committed.uri)).num_parameters() > 0
    steps = "SELECT count(DISTINCT step) FROM trainyard.trajectories WHERE run_uid = %s"
    assert world.database.rows(steps, config["run"]["uid"]) == [(STOPPED_AT - 2,)]
    assert_equal(world.finish(config), undisturbed)
    assert {claim[0] for claim in world.claims(config["run"]["uid"])} == {2, 4, STOPPED_AT, 6}


def stopped_away(world: World, postgres: servers.Postgres, config: dict[str, Any]) -> tuple[str, int, Path]:
    """A run whose pod was stopped while its database was gone: checkpoint, rows in its files, and the pod's folder."""
    code, termination, home = world.attempt(
        config,
        Death("step", STOPPED_AT, after=True, signal=SIGTERM),
        deeds=[Deed("record", STOPPED_AT - 2, postgres.kill(), after=True)],
    )
    postgres.start()
    assert code == ExitCode.STOPPED
    return termination.committed.uri, termination.committed.unwritten_rows, home


def write_rows(world: World, home: Path, *uri: str) -> subprocess.CompletedProcess[str]:
    """The short Job; its last line of output says whether torch was loaded, and how much memory it took, in KiB."""
    variables = {"TRAINYARD_RUN_CONFIG": str(home / "run.json"), "TRAINYARD_DATABASE_DSN": world.database.trainer}
    code = (
        "import sys; from trainyard_trainer.__main__ import main; code = main(sys.argv[1:])\n"
        "most = next(line for line in open('/proc/self/status') if line.startswith('VmHWM')).split()[1]\n"
        "print('torch' in sys.modules, most); sys.exit(code)"
    )
    return subprocess.run(
        [sys.executable, "-c", code, "write-rows", *uri],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=GUARD_SECONDS,
        check=False,
    )


def test_a_job_writes_the_rows_where_no_attempt_follows(
    world: World, postgres: servers.Postgres, undisturbed: Result
) -> None:
    """All rows of the finished steps are there, once, and every checkpoint is claimed; a second Job changes nothing."""
    config = world.config()
    uri, unwritten, home = stopped_away(world, postgres, config)
    for _ in range(2):
        done = write_rows(world, home, uri)
        assert done.returncode == 0, done.stderr
        assert f"done: {unwritten} rows of {uri} are written" in done.stderr
        rows = world.rows(config["run"]["uid"])
        assert rows["trajectories"] == [row for row in undisturbed.rows["trajectories"] if row[0] < STOPPED_AT]
        for table in TABLES:
            assert all(row in undisturbed.rows[table] for row in rows[table]), table
        assert {claim[0] for claim in world.claims(config["run"]["uid"])} == {2, 4, STOPPED_AT}
        torch_loaded, kibibytes = done.stdout.split()
        assert torch_loaded == "False"
        assert int(kibibytes) < 256 * 1024

    assert write_rows(world, home, uri.replace("step-5", "step-9")).returncode == ExitCode.REFUSED
    (folder_of(uri) / "rows" / "turns.jsonl.gz").write_bytes(b"no rows")
    assert write_rows(world, home, uri).returncode == ExitCode.REFUSED
    world.database.execute("UPDATE trainyard.runs SET attempt = 2 WHERE uid = %s", config["run"]["uid"])
    fenced = write_rows(world, home, uri)
    assert (fenced.returncode, "names attempt 2" in fenced.stderr) == (ExitCode.REFUSED, True)


FAILING = f"""
from trainyard_trainer.rewards.positions import positions


def failing(trajectory):
    if trajectory.id.step >= {STOPPED_AT}:
        raise ValueError("no reward")
    return positions(trajectory)
"""


@pytest.mark.parametrize("named", [True, False])
def test_a_run_that_is_refused_while_its_database_is_away_loses_no_committed_row(
    world: World, postgres: servers.Postgres, named: bool
) -> None:
    """It names its newest checkpoint, which has no claim; `write-rows` writes that one's rows, told which or not."""
    config = world.config()
    config["task"] |= {
        "module": {"name": "code", "key": "failing.py"},
        "rewards": [{"name": "failing"}, {"name": "turns", "weight": "-0.1"}],
    }
    gone = Deed("record", 3, postgres.kill(), after=True)
    code, termination, home = world.attempt(config, files={"failing.py": FAILING}, deeds=[gone])
    postgres.start()
    assert (code, termination.reason) == (ExitCode.REFUSED, "RewardFailed")
    committed = termination.committed
    assert (committed.uri, committed.step) == (termination.committed_uri, 4)
    assert committed.unwritten_rows == manifests(config)["step-4"]["unwrittenRows"] > 24
    assert 4 not in {claim[0] for claim in world.claims(config["run"]["uid"])}
    done = write_rows(world, home, *[committed.uri] * named)
    assert done.returncode == 0, done.stderr
    assert f"done: {committed.unwritten_rows} rows of {committed.uri} are written" in done.stderr
    steps = "SELECT DISTINCT step FROM trainyard.trajectories WHERE run_uid = %s ORDER BY step"
    assert world.database.rows(steps, config["run"]["uid"]) == [(step,) for step in range(4)]
    assert {claim[0] for claim in world.claims(config["run"]["uid"])} == {2, 4}


def test_training_goes_on_while_the_database_is_away(
    world: World, postgres: servers.Postgres, undisturbed: Result, tmp_path: Path
) -> None:
    """Steps are trained without it and a checkpoint takes their rows along; once it is back, the pod ends with all."""
    config, back = world.config(), tmp_path / "back"
    starter = threading.Thread(target=lambda: (until(back.exists, "the pod came so far"), postgres.start()))
    starter.start()
    gone = [*postgres.kill()[:2], f"{once_committed(config, 2)}; {postgres.kill()[2]}"]
    code, _, _ = world.attempt(
        config,
        deeds=[
            Deed("step", 3, gone, after=True),
            Deed("commit", 2, ["touch", str(back)], after=True),
        ],
    )
    starter.join(GUARD_SECONDS)
    assert code == ExitCode.DONE
    found = manifests(config)
    assert {name: "unwrittenRows" in manifest for name, manifest in found.items()}["step-4"]
    assert "unwrittenRows" not in found["step-2"]
    rows = world.rows(config["run"]["uid"])
    for table in TABLES:
        assert rows[table] == undisturbed.rows[table], table
    assert {claim[0] for claim in world.claims(config["run"]["uid"])} == {2, 4, 6}


def test_a_pod_that_is_killed_while_the_database_is_away_loses_no_row(
    world: World, postgres: servers.Postgres, undisturbed: Result
) -> None:
    """The newest checkpoint has the rows of its steps; its successor goes on from there, not from before the outage."""
    config = world.config()
    committed = ["sh", "-c", once_committed(config, 4)]
    code, _, _ = world.attempt(
        config,
        Death("update", STOPPED_AT, after=True, signal=SIGKILL),
        deeds=[Deed("record", 3, postgres.kill(), after=True), Deed("update", STOPPED_AT, committed)],
    )
    postgres.start()
    assert code == -SIGKILL
    result = world.finish(config)
    assert_equal(result, undisturbed)
    assert result.calls["update"] == 2


@pytest.mark.nightly
@pytest.mark.parametrize("how", ["hangs", "is gone"])
def test_a_minute_without_the_database_changes_no_row(
    world: World, postgres: servers.Postgres, undisturbed: Result, how: str
) -> None:
    """Away for 60 s after step 5, with the usual patience: the pod ends with all rows of the undisturbed run."""
    config = world.config()
    away, back = (postgres.signal("STOP"), lambda: None) if how == "hangs" else (postgres.kill(), postgres.start)
    later = threading.Timer(60, back)
    minute = [*away[:2], f"{away[2]}; (sleep 60; {postgres.signal('CONT')[2]}) > /dev/null 2>&1 &"]
    later.start()
    code, _, _ = world.attempt(config, deeds=[Deed("record", 5, minute if how == "hangs" else away, after=True)])
    later.join()
    assert code == ExitCode.DONE
    rows = world.rows(config["run"]["uid"])
    for table in TABLES:
        assert rows[table] == undisturbed.rows[table], table
