"""Runs whose pods die, and what must be equal in the end: weights and state to the byte, rows in lasting columns."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote, urlsplit

import psycopg
import torch

from tests import servers
from tests.claims.mortal_pods import Death, Order, Pods
from tests.equal_runs import TABLES, plain, rows_of
from trainyard_api.termination import ExitCode, Termination, parse_termination

STEPS = 6
SCRATCH = {
    "hiddenSize": 32,
    "layers": 1,
    "attentionHeads": 2,
    "keyValueHeads": 1,
    "headDim": 16,
    "intermediateSize": 64,
}


@dataclass(frozen=True)
class Result:
    """What a run leaves: final weights as bytes, the trainer's state, and all rows without volatile columns."""

    weights: bytes
    state: dict[str, Any]
    rows: dict[str, list[tuple[Any, ...]]]
    calls: dict[str, int]


class World:
    """A database and a folder of checkpoints, with pods that train there; or buckets, which lie in a folder."""

    def __init__(
        self,
        pods: Pods,
        database: servers.Database,
        folder: Path,
        variables: Mapping[str, str] = MappingProxyType({}),
        buckets: Path = Path("/"),
    ) -> None:
        self.variables, self.buckets = dict(variables), buckets
        self._pods = pods
        self.database = database
        self.folder = folder

    def config(self, **updates: Any) -> dict[str, Any]:
        """The run config of a new run; its attempt is filled in for each pod."""
        grpo = {"steps": STEPS, "promptsPerStep": 6, "groupSize": 4, "learningRate": "1e-3", "maxTurns": 3, **updates}
        return {
            "version": 1,
            "run": {"namespace": "team-a", "name": "mortal", "uid": str(uuid.uuid4()), "attempt": 0},
            "model": {"scratch": SCRATCH},
            "algorithm": {"type": "GRPO", "seed": 3, "grpo": grpo},
            "task": {"name": "calculator", "rewards": [{"name": "positions"}, {"name": "turns", "weight": "-0.1"}]},
            "evaluation": {"questions": 2, "validation": {"everySteps": 2, "questions": 2}},
            "checkpoints": {"everySteps": 2, "storage": {"folder": {"directory": str(self.folder / "bucket")}}},
        }

    def attempt(
        self,
        config: dict[str, Any],
        death: Death | None = None,
        files: Mapping[str, str] = MappingProxyType({}),
        **order: Any,
    ) -> tuple[int, Termination | None, Path]:
        """The next pod of a run, with these files in its folder: its exit code, its message and its folder.

        `order` is what else it is told.
        """
        run = config["run"]
        run["attempt"] += 1
        self.database.execute(
            "INSERT INTO trainyard.runs (uid, namespace, name, attempt) VALUES (%s, %s, %s, 1) "
            "ON CONFLICT (uid) DO UPDATE SET attempt = runs.attempt + 1",
            *(run["uid"], run["namespace"], run["name"]),
        )
        home = self.folder / f"{run['uid']}-{run['attempt']}"
        home.mkdir()
        (home / "run.json").write_text(json.dumps(config))
        (home / "termination-log").touch()
        for name, content in files.items():
            (home / name).write_text(content)
        variables = self.variables | {
            "TRAINYARD_RUN_CONFIG": str(home / "run.json"),
            "TRAINYARD_POD_UID": str(uuid.uuid4()),
            "TRAINYARD_DATABASE_DSN": self.database.trainer,
        }
        grace = float(config["checkpoints"].get("stopGraceSeconds", 120))
        code = self._pods.run(Order(variables, str(home), death, grace_seconds=grace, **order))
        return code, parse_termination((home / "termination-log").read_text()), home

    def finish(self, config: dict[str, Any], files: Mapping[str, str] = MappingProxyType({})) -> Result:
        """Let the next pod go to the end; what the run has left then."""
        code, termination, home = self.attempt(config, files=files)
        assert (code, termination.reason) == (ExitCode.DONE, "Completed"), termination
        address = urlsplit(termination.committed_uri)
        folder = self.buckets / address.netloc / unquote(address.path).removeprefix("/" if address.netloc else "")
        state = torch.load(folder / "trainer_state.pt", weights_only=True)
        assert state["position"]["step"] == config["algorithm"]["grpo"]["steps"]
        calls = json.loads((home / "calls.json").read_text())
        return Result((folder / "model.safetensors").read_bytes(), state, self.rows(config["run"]["uid"]), calls)

    def rows(self, uid: str) -> dict[str, list[tuple[Any, ...]]]:
        """A run's rows of every table, in all columns but the volatile ones."""
        with psycopg.connect(self.database.owner) as connection:
            return {table: rows_of(connection, table, uid) for table in TABLES}

    def claims(self, uid: str) -> list[tuple[int, int | None, int]]:
        """Step, updates and attempt of every checkpoint that the run has claimed."""
        query = "SELECT step, updates, attempt FROM trainyard.checkpoints WHERE run_uid = %s ORDER BY committed_at"
        return self.database.rows(query, uid)


def assert_equal(result: Result, undisturbed: Result) -> None:
    """Weights byte for byte, every tensor and number of the trainer's state, every row."""
    assert result.weights == undisturbed.weights
    assert plain(result.state) == plain(undisturbed.state)
    for table in TABLES:
        assert result.rows[table] == undisturbed.rows[table], table
        assert result.rows[table], table
