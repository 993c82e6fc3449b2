"""Runs without a cluster in processes of their own, and what they leave, for comparing with a run nobody disturbed."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.claims.mortal_pods import Death, Order, Pods
from trainyard_api.ledger import VOLATILE
from trainyard_api.termination import ExitCode

STEPS = 4
SCRATCH = {
    "hiddenSize": 32,
    "layers": 1,
    "attentionHeads": 2,
    "keyValueHeads": 1,
    "headDim": 16,
    "intermediateSize": 64,
}
GRPO = {"steps": STEPS, "promptsPerStep": 6, "groupSize": 4, "learningRate": "1e-3", "minibatches": 2, "maxTurns": 3}
LEDGER = ("trajectories", "metrics", "evaluations", "answers")


def job(**changes: Any) -> dict[str, Any]:
    """A manifest of a small run with a checkpoint after each step; `changes` replace members of its spec."""
    spec = {
        "model": {"scratch": SCRATCH},
        "algorithm": {"type": "GRPO", "seed": 3, "grpo": GRPO},
        "task": {"name": "calculator", "rewards": [{"name": "positions"}, {"name": "turns", "weight": "-0.1"}]},
        "evaluation": {"questions": 2, "validation": {"everySteps": 2, "questions": 2}},
        "trainer": {"cpu": "1", "memory": "1Gi"},
        "database": {"secretRef": {"name": "db"}},
        "budget": {"maxCostUSD": "1.00"},
        "checkpoints": {"everySteps": 1, "storage": {"s3": {"bucket": "unused", "secretRef": {"name": "s3"}}}},
    }
    wanted = {name: part for name, part in (spec | changes).items() if part is not None}
    return {
        "apiVersion": "trainyard.dev/v1alpha1",
        "kind": "TrainingJob",
        "metadata": {"name": "tiny", "namespace": "team-a"},
        "spec": wanted,
    }


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit code, all that it said, and how often it came by each edge."""

    code: int
    said: str
    calls: dict[str, int]


class Runs:
    """A process that forks runs, and folders for what they write."""

    def __init__(self, folder: Path) -> None:
        self._pods = Pods(folder)
        self._folder = folder
        self._count = 0

    def folder(self) -> Path:
        """A folder of its own."""
        self._count += 1
        made = self._folder / str(self._count)
        made.mkdir()
        return made

    def run(
        self, output: Path, manifest: dict[str, Any] | None = None, *more: str, death: Death | None = None
    ) -> Ended:
        """The command, from its first line to its last."""
        home = self.folder()
        (home / "job.yaml").write_text(json.dumps(manifest or job()))
        command = ("run", str(home / "job.yaml"), "--output", str(output), *more)
        code = self._pods.run(Order({}, str(home), death, command))
        calls = home / "calls.json"
        counted = json.loads(calls.read_text()) if calls.exists() else {}
        return Ended(code, (home / "said").read_text(), counted)

    def resume(self, output: Path, manifest: dict[str, Any] | None = None, *, death: Death | None = None) -> Ended:
        """The command with --resume."""
        return self.run(output, manifest, "--resume", death=death)

    def copy(self, output: Path) -> Path:
        """An output folder once more, with the times that its files have."""
        return Path(shutil.copytree(output, self.folder() / "out"))

    def close(self) -> None:
        """End the process."""
        self._pods.close()


@dataclass(frozen=True)
class Undisturbed:
    """A run that nothing happened to, and what it left."""

    output: Path
    ended: Ended
    rows: dict[str, list[Any]]
    weights: bytes


def undisturbed_run(runs: Runs, manifest: dict[str, Any] | None = None) -> Undisturbed:
    """From its beginning to its end."""
    output = runs.folder() / "out"
    ended = runs.run(output, manifest)
    assert ended.code == ExitCode.DONE, ended.said
    return Undisturbed(output, ended, rows(output), weights(ended))


def only_run(output: Path) -> Path:
    """The folder of the only run that has begun; one that died before it wrote anything holds nothing."""
    (folder,) = [path.parent for path in (output / "team-a" / "tiny").glob("*/run.json")]
    for other in set(folder.parent.iterdir()) - {folder}:
        assert [path.name for path in other.iterdir()] == [".lock"]
    return folder


def lines(path: Path) -> list[bytes]:
    """Of a file, with their ends; none where there is no file."""
    return path.read_bytes().splitlines(keepends=True) if path.exists() else []


def rows(output: Path) -> dict[str, list[Any]]:
    """All lines of a run's ledger, without what may differ."""
    folder = only_run(output)
    return {name: [_steady(json.loads(line)) for line in lines(folder / f"{name}.jsonl")] for name in LEDGER}


def _steady(value: Any) -> Any:
    """Without what the clock measured, and without which run it is."""
    if isinstance(value, dict):
        return {
            name: _steady(item)
            for name, item in value.items()
            if name not in VOLATILE | {"run"} and not name.endswith(("_seconds", "_per_second"))
        }
    return [_steady(item) for item in value] if isinstance(value, list) else value


def weights(ended: Ended) -> bytes:
    """Of the checkpoint that a run names at its end."""
    uri = ended.said.rsplit("model in ", 1)[1].split(";")[0]
    return (Path(unquote(urlsplit(uri).path)) / "model.safetensors").read_bytes()


def assert_equal(output: Path, ended: Ended, whole: Undisturbed) -> None:
    """Every row and every weight are the undisturbed run's, and its newest checkpoint is claimed."""
    assert ended.code == ExitCode.DONE, ended.said
    assert "Traceback" not in ended.said
    assert rows(output) == whole.rows
    assert weights(ended) == whole.weights
    claimed = [json.loads(line)["uri"] for line in lines(only_run(output) / "checkpoints.jsonl")]
    assert len(set(claimed)) == len(claimed)
    assert ended.said.rsplit("model in ", 1)[1].split(";")[0] in claimed
