"""A trainer pod in one process: real Postgres, real S3, real training, from its variables to its exit code."""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from tests import servers
from tests.trainyard_trainer.saved_models import change_file
from tests.trainyard_trainer.stopping import Stop
from trainyard_api.checkpoint_manifest import canonical_json, digest_of
from trainyard_api.model_source import S3Location
from trainyard_api.names import COMMIT_FILE, MANIFEST_FILE
from trainyard_api.progress import Progress
from trainyard_api.run_config import RunIdentity
from trainyard_api.termination import Termination, parse_termination
from trainyard_trainer.checkpoints.files import all_committed
from trainyard_trainer.pod import pod
from trainyard_trainer.sinks import SavedCheckpoint
from trainyard_trainer.storage.storage_s3 import Credentials, Fields, S3Storage

pytestmark = pytest.mark.integration

SCRATCH = {
    "hiddenSize": 32,
    "layers": 1,
    "attentionHeads": 2,
    "keyValueHeads": 1,
    "headDim": 16,
    "intermediateSize": 64,
}
SFT = {"type": "SFT", "seed": 0, "sft": {"steps": 3, "batchSize": 8, "learningRate": "3e-3"}}
GRPO = {"type": "GRPO", "seed": 0, "grpo": {"steps": 2, "promptsPerStep": 2, "groupSize": 4, "learningRate": "1e-3"}}


class LineReporter:
    """A reporter that keeps what it is told: a pod outside of a cluster."""

    def __init__(self) -> None:
        self.reports: list[Progress] = []
        self.commits: list[SavedCheckpoint] = []
        self.seconds: list[float] = []
        self.closed = False

    def report(self, progress: Progress, *, at_once: bool = False) -> None:  # noqa: ARG002 (the protocol's)
        """Keep it."""
        self.reports.append(progress)

    def checkpoint(self, saved: SavedCheckpoint) -> None:
        """Keep it."""
        self.commits.append(saved)

    def saved_in(self, seconds: float) -> None:
        """Keep it."""
        self.seconds.append(seconds)

    def close(self) -> None:
        """Note it."""
        self.closed = True


@dataclass
class World:
    """A database, a bucket, and pods that train with them."""

    database: servers.Database
    s3: servers.S3Server
    bucket: str
    folder: Path
    reporter: LineReporter = field(default_factory=LineReporter)

    @property
    def location(self) -> dict[str, Any]:
        """Where checkpoints go."""
        return {
            "bucket": self.bucket,
            "prefix": "demo",
            "endpoint": self.s3.endpoint,
            "secretRef": {"name": "trainyard-s3"},
        }

    @property
    def storage(self) -> S3Storage:
        """The bucket, as a bystander reads it."""
        keys = Credentials(self.s3.access_key, self.s3.secret_key)
        return S3Storage(S3Location.model_validate(self.location), keys, Fields.below("spec"))

    def config(self, name: str, model: dict[str, Any], algorithm: dict[str, Any]) -> dict[str, Any]:
        """The run config of a new run."""
        return {
            "version": 1,
            "run": {"namespace": "team-a", "name": name, "uid": str(uuid.uuid4()), "attempt": 1},
            "model": model,
            "algorithm": algorithm,
            "task": {"name": "calculator", "rewards": [{"name": "exact", "weight": "1.0"}]},
            "evaluation": {"questions": 16, "temperature": "1.0"},
            "checkpoints": {"everySteps": 2, "storage": {"s3": self.location}},
            "databaseSecret": "trainyard-db",
        }

    def run(self, config: dict[str, Any], stop: Stop | None = None, **variables: str) -> tuple[int, Termination]:
        """One pod: its exit code and message."""
        run = config["run"]
        self.database.execute(
            "INSERT INTO trainyard.runs (uid, namespace, name, attempt) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
            *(run["uid"], run["namespace"], run["name"], run["attempt"]),
        )
        home = self.folder / secrets.token_hex(4)
        home.mkdir()
        (home / "run.json").write_text(json.dumps(config))
        (home / "termination-log").touch()
        self.reporter = LineReporter()
        keys = {"ACCESS_KEY_ID": self.s3.access_key, "SECRET_ACCESS_KEY": self.s3.secret_key}
        given = {f"TRAINYARD_{use}_{key}": value for use in ("CHECKPOINTS", "MODEL") for key, value in keys.items()}
        given |= {
            "TRAINYARD_RUN_CONFIG": str(home / "run.json"),
            "TRAINYARD_POD_UID": str(uuid.uuid4()),
            "TRAINYARD_DATABASE_DSN": self.database.trainer,
        }

        def reporter_of(identity: RunIdentity) -> LineReporter:
            assert identity.uid == run["uid"]
            return self.reporter

        code = pod.main(
            stop or Stop(),
            pod.Surroundings(
                variables=given | variables,
                termination_log=home / "termination-log",
                cache=home / "cache",
                make_reporter=reporter_of,
            ),
        )
        termination = parse_termination((home / "termination-log").read_text())
        assert termination is not None
        return code, termination


def keeping_the_log() -> Iterator[None]:
    """The process's log is as it was, afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """A pod takes the process's log over."""
    yield from keeping_the_log()


@pytest.fixture
def world(database: servers.Database, s3: servers.S3Server, tmp_path: Path) -> World:
    """A new one."""
    return World(database, s3, s3.make_bucket(), tmp_path)


def test_the_main_job_in_one_process(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    """SFT from random weights, then GRPO from its checkpoint: rows, files, claims and messages agree."""
    sft = world.config("calculator-sft", {"scratch": SCRATCH}, SFT)
    code, termination = world.run(sft)
    assert (code, termination.reason, termination.last_step) == (0, "Completed", 3)
    assert world.reporter.closed
    assert [saved.step for saved in world.reporter.commits] == [2, 3]
    assert len([seconds for seconds in world.reporter.seconds if seconds > 0]) == 2
    first = world.reporter.commits[-1]
    assert termination.committed_uri == first.uri
    assert termination.committed == first.as_committed()

    pinned = {"uri": first.uri, "digest": first.digest, "storage": {"s3": world.location}}
    grpo = world.config("calculator-grpo", {"checkpoint": pinned}, GRPO)
    code, termination = world.run(grpo)
    assert (code, termination.reason, termination.last_step) == (0, "Completed", 2)

    uid = grpo["run"]["uid"]
    rows = world.database.rows(
        "SELECT step, count(*), count(DISTINCT (prompt, sample)) FROM trainyard.trajectories WHERE run_uid = %s "
        "GROUP BY step ORDER BY step",
        uid,
    )
    assert [row[1:] for row in rows] == [(8, 8), (8, 8)]
    assert world.database.rows("SELECT count(*) FROM trainyard.trajectories WHERE run_uid <> %s", uid) == [(0,)]
    kinds = world.database.rows(
        "SELECT kind, count(*) FROM trainyard.training_metrics WHERE run_uid = %s GROUP BY 1", uid
    )
    assert dict(kinds) == {"step": 2, "evaluation": 2}
    claims = world.database.rows(
        "SELECT uri, digest, size_bytes, parent_uri FROM trainyard.checkpoints WHERE run_uid = %s", uid
    )
    (last,) = world.reporter.commits
    assert claims == [(last.uri, last.digest, last.size_bytes, first.uri)]
    assert termination.committed_uri == last.uri
    verify_files(world.storage, last)
    assert world.reporter.reports[-1].phase == "done"

    shown = capfd.readouterr().err
    prefix = f"demo/team-a/calculator-grpo/{uid}/"
    kept = world.storage.get(f"{prefix}logs/attempt-1.log").decode()
    assert kept.splitlines()[-1].endswith("done: all 2 steps are done")
    assert [one.step for one in all_committed(world.storage, prefix)] == [2], "the log is no checkpoint"
    for lines in (shown, kept):
        assert "checkpoint of step 2 committed" in lines
        assert servers.PASSWORD not in lines
        assert world.s3.secret_key not in lines


def verify_files(storage: S3Storage, saved: SavedCheckpoint) -> None:
    """What anybody can find out with the bucket alone: every file's hash, and that nothing is newer than COMMIT."""
    folder = storage.key_of(saved.uri)
    assert folder is not None
    text = storage.get(folder + MANIFEST_FILE)
    assert f"sha256:{hashlib.sha256(text).hexdigest()}" == saved.digest
    for entry in json.loads(text)["files"]:
        content = storage.get(folder + entry["path"])
        assert (len(content), hashlib.sha256(content).hexdigest()) == (entry["sizeBytes"], entry["sha256"])
    times = {found.key: found.modified for found in storage.list(folder)}
    assert max(times.values()) == times[folder + COMMIT_FILE]
    storage.close()


def test_a_stop_saves_and_exits_10(world: World) -> None:
    """Asked in the middle of a run: the newest state is committed, claimed and named."""
    config = world.config("calculator-sft", {"scratch": SCRATCH}, SFT | {"sft": {"steps": 1000, "batchSize": 8}})
    code, termination = world.run(config, Stop(lambda: any(report.step for report in world.reporter.reports)))
    assert (code, termination.reason) == (10, "Stopped")
    assert termination.last_step is not None
    assert 0 < termination.last_step < 1000
    newest = "SELECT uri, step, digest, size_bytes, metrics FROM trainyard.checkpoints ORDER BY step DESC LIMIT 1"
    told = termination.committed
    assert (told.uri, told.step) == (termination.committed_uri, termination.last_step)
    (row,) = world.database.rows(newest)
    assert row[:4] == (told.uri, told.step, told.digest, told.size_bytes)
    assert told.metrics.items() <= row[4].items()


def test_a_stop_before_there_is_anything_to_save_is_no_crash(world: World) -> None:
    """Exit 10 without a checkpoint; a pod that went on from one names that one, and writes no other."""
    config = world.config("calculator-sft", {"scratch": SCRATCH}, SFT)
    code, termination = world.run(config, Stop(lambda: True))
    assert (code, termination.reason, termination.committed_uri) == (10, "StoppedUnsaved", None)
    assert world.run(config)[0] == 0
    (*_, last) = world.reporter.commits
    loading = Stop(lambda: any(report.phase == "loading" for report in world.reporter.reports))
    code, termination = world.run(config, loading)
    assert (code, termination.committed_uri, termination.last_step) == (10, last.uri, 3)
    assert world.database.rows("SELECT count(*) FROM trainyard.checkpoints") == [(2,)]


def test_an_evaluation_compares_with_its_baseline_and_names_its_results(world: World) -> None:
    """No checkpoint; rows of both measurements, the conclusion in the ledger, its digest in the message."""
    world.run(world.config("calculator-sft", {"scratch": SCRATCH}, SFT))
    first, last = (
        {"uri": saved.uri, "digest": saved.digest, "storage": {"s3": world.location}}
        for saved in world.reporter.commits
    )
    config = world.config("compare", {"checkpoint": last}, {"type": "Evaluation"})
    config["evaluation"] |= {"baseline": {"checkpoint": "calculator-sft-12345-1-2"}}
    keys = {
        "TRAINYARD_BASELINE_ACCESS_KEY_ID": world.s3.access_key,
        "TRAINYARD_BASELINE_SECRET_ACCESS_KEY": world.s3.secret_key,
    }
    code, termination = world.run(config | {"baseline": first}, **keys)
    assert (code, termination.reason, termination.committed_uri) == (0, "Completed", None)
    uid = config["run"]["uid"]
    rows = world.database.rows(
        "SELECT kind, step, answers, result FROM trainyard.evaluations WHERE run_uid = %s ORDER BY kind", uid
    )
    assert [row[:3] for row in rows] == [("baseline", 0, 16), ("evaluation", 0, 16)]
    assert termination.results_digest == digest_of(canonical_json(rows[1][3]))
    assert world.database.rows("SELECT count(*) FROM trainyard.checkpoints WHERE run_uid = %s", uid) == [(0,)]

    code, termination = world.run(config | {"baseline": first})
    assert (code, termination.field_path) == (20, "spec.evaluation.baseline.checkpoint")


def change_state(storage: S3Storage, saved: SavedCheckpoint, folder: Path) -> None:
    """The trainer's state as another version would write it, with digests that hold."""
    prefix = storage.key_of(saved.uri)
    assert prefix is not None
    path = folder / "trainer_state.pt"
    storage.download(prefix + path.name, path)
    state = torch.load(path, weights_only=True)
    torch.save({"optimiser" if name == "optimizer" else name: part for name, part in state.items()}, path)
    change_file(storage, prefix, path.name, path.read_bytes())
    storage.close()


def test_a_state_that_it_can_not_read_gives_way_to_the_one_before(
    world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    """Said in the log, not a crash. Where there is none before, the run is refused: another version could go on."""
    config = world.config("calculator-sft", {"scratch": SCRATCH}, SFT)
    world.run(config)
    first, last = world.reporter.commits
    change_state(world.storage, last, world.folder)
    code, termination = world.run(config)
    assert (code, termination.reason, termination.last_step) == (0, "Completed", 3)
    assert termination.committed_uri != last.uri
    steps = "SELECT step FROM trainyard.training_metrics WHERE kind = 'step' ORDER BY step"
    assert world.database.rows(steps) == [(0,), (1,), (2,)]
    assert f"going on from step 2 instead of 3, {last.uri}: KeyError: 'optimizer'" in capfd.readouterr().err
    for saved in (first, *world.reporter.commits[-1:]):
        change_state(world.storage, saved, world.folder)
    code, termination = world.run(config)
    assert (code, termination.reason) == (20, "CheckpointNotFound")
    assert "must be a checkpoint that this trainer can read" in termination.message
    assert termination.field_path == world.reporter.commits[0].uri
    assert world.database.rows(steps) == [(0,), (1,), (2,)], "nothing is taken out that isn't made again"


def mistake(world: World, change: dict[str, Any], **variables: str) -> Termination:
    """The message of a pod that refuses to begin; it has kept nothing and shown nothing."""
    config = world.config("calculator-sft", {"scratch": SCRATCH}, SFT) | change
    code, termination = world.run(config, **variables)
    assert code == 20
    for table in ("trajectories", "training_metrics", "checkpoints"):
        assert world.database.rows(f"SELECT count(*) FROM trainyard.{table}") == [(0,)]
    return termination


def test_a_model_path_that_is_not_there(world: World) -> None:
    """The path is named."""
    termination = mistake(world, {"model": {"path": "/nowhere"}})
    assert (termination.reason, termination.field_path, termination.value) == (
        "ModelNotFound",
        "spec.model.path",
        "/nowhere",
    )


def test_a_run_config_of_a_later_release(world: World) -> None:
    """Nothing is contacted: the field is named."""
    termination = mistake(world, {"surprise": True})
    assert (termination.reason, termination.field_path, termination.value) == ("InvalidRunConfig", "surprise", "True")


def test_an_unreachable_bucket_is_a_crash(world: World) -> None:
    """Not the user's mistake: another attempt may fare better. The message says what happened."""
    config = world.config("calculator-sft", {"scratch": SCRATCH}, SFT)
    config["checkpoints"]["storage"]["s3"]["endpoint"] = "http://127.0.0.1:1"
    code, termination = world.run(config)
    assert (code, termination.reason) == (1, "Crashed")
    assert "127.0.0.1:1" in termination.message


class Exits(Stop):
    """A user's code in the middle of the loop that ends the process as if all were well."""

    def requested(self) -> bool:
        """Never returns."""
        raise SystemExit(0)


def test_an_exit_in_the_middle_is_a_crash(world: World) -> None:
    """Exit code 0 is for a run whose final checkpoint is committed, whoever calls `sys.exit`."""
    code, termination = world.run(world.config("calculator-sft", {"scratch": SCRATCH}, SFT), Exits())
    assert (code, termination.reason) == (1, "Crashed")
