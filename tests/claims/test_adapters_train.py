"""A run that trains an adapter is a run like any other: it learns, is cut off and goes on exactly, and its result is a
model that the next job begins with.

Whole runs in this process, on a base in a folder, with checkpoints in a folder and nothing simulated but the world
outside, which keeps nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from trainyard_api.model_source import ScratchModel
from trainyard_api.run_config import RunConfig, RunModel
from trainyard_trainer.algorithms.scored_batch import ScoredBatch
from trainyard_trainer.checkpoints.files import Origin
from trainyard_trainer.checkpoints.resumable import Resumed
from trainyard_trainer.checkpoints.writer import CheckpointWriter
from trainyard_trainer.errors import StoppedError
from trainyard_trainer.models.digest import weights_digest
from trainyard_trainer.models.first_model import fetch_model
from trainyard_trainer.models.load import load_folder, scratch
from trainyard_trainer.sinks import SavedCheckpoint
from trainyard_trainer.stop import NeverStopped
from trainyard_trainer.storage.storage_folder import FolderStorage
from trainyard_trainer.tasks.calculator import CalculatorTask
from trainyard_trainer.training.inputs import RunInputs
from trainyard_trainer.training.restore import find_restorable
from trainyard_trainer.training.run import run

LORA = {"rank": 4, "alpha": 8}
SHORT = {"steps": 3, "batchSize": 8, "learningRate": "1e-2"}
PENALISED = {
    "steps": 3,
    "promptsPerStep": 4,
    "groupSize": 4,
    "learningRate": "1e-2",
    "maxTurns": 3,
    "minibatches": 2,
    "kl": {"coefficient": "0.1"},
}
ALGORITHMS: dict[str, dict[str, Any]] = {
    "SFT": {"type": "SFT", "sft": SHORT},
    "GRPO with a penalty": {"type": "GRPO", "grpo": PENALISED},
}


@dataclass
class Outside(NeverStopped):
    """A world that keeps nothing, and asks for a stop once so many steps are recorded."""

    stop_after: int | None = None
    recorded: int = 0

    def record_step(self, *_: object) -> None:
        self.recorded += 1

    def requested(self) -> bool:
        return self.stop_after is not None and self.recorded >= self.stop_after

    def rewind(self, finished: int) -> None:
        """Nothing is kept."""

    def report(self, *_: object, **__: object) -> None:
        """Nobody looks."""


@dataclass
class Place:
    """A base in a folder, and a folder of checkpoints."""

    root: Path

    @property
    def storage(self) -> FolderStorage:
        """Of checkpoints."""
        return FolderStorage(self.root / "bucket")

    def config(self, name: str, algorithm: dict[str, Any], model: RunModel | None = None) -> RunConfig:
        """A run of this name; it begins with the base, unless a model is given."""
        base = RunModel(path=str(self.root / "base"))
        body = {
            "version": 1,
            "run": {"namespace": "team-a", "name": "adapted", "uid": name, "attempt": 1},
            "model": (model or base).to_wire(),
            "algorithm": {"seed": 0, "microBatchTokens": 4096, **algorithm},
            "task": {"name": "calculator", "rewards": [{"name": "positions"}, {"name": "turns", "weight": "-0.1"}]},
            "checkpoints": {"everySteps": 1, "storage": {"folder": {"directory": str(self.root / "bucket")}}},
        }
        return RunConfig.model_validate(body, extra="forbid")

    def train(self, config: RunConfig, stop_after: int | None = None) -> Path:
        """The next pod of a run; the folder of its last checkpoint."""
        prefix = f"team-a/adapted/{config.run.uid}/"
        cache = self.root / f"cache-{config.run.uid}-{stop_after}"
        resumed: Resumed | None = find_restorable(
            self.storage, prefix, config.run.uid, cache / "resumed", read_batch=ScoredBatch.from_state
        )
        origin = Origin(config.run, f"pod-{config.run.uid}-{stop_after}"[::-1], prefix, None)
        saved_before = resumed.saved if resumed and resumed.whole else None
        outside = Outside(stop_after)
        writer = CheckpointWriter(self.storage, origin, _nothing, _nothing, resumed=saved_before)
        inputs = RunInputs(model=fetch_model(config.model, None, cache), resumed=resumed)
        try:
            saved = run(config, inputs, ledger=outside, reporter=outside, checkpointer=writer, stop=outside).saved
        except StoppedError as error:
            return _folder(error.committed_uri)
        finally:
            writer.close()
        return _folder(saved.uri)

    def source(self, folder: Path) -> RunModel:
        """A checkpoint's folder as the model of another job."""
        commit = json.loads((folder / "COMMIT").read_text())
        pinned = {"uri": f"{folder.as_uri()}/", "digest": commit["manifestDigest"]}
        pinned["storage"] = {"folder": {"directory": str(self.root / "bucket")}}
        return RunModel.model_validate({"checkpoint": pinned})


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """With a base in it."""
    base = scratch(ScratchModel(), CalculatorTask.alphabet, 0)
    base.model.save_pretrained(tmp_path / "base")
    base.tokenizer.save_pretrained(tmp_path / "base")
    return Place(tmp_path)


def _nothing(_: SavedCheckpoint) -> None:
    """Nobody is told."""


def _folder(uri: str | None) -> Path:
    assert uri is not None
    return Path(unquote(urlsplit(uri).path))


def _adapter(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "adapter" / "adapter_model.safetensors")


@pytest.mark.parametrize("algorithm", ALGORITHMS.values(), ids=ALGORITHMS.keys())
def test_a_run_of_an_adapter_goes_on_exactly(place: Place, algorithm: dict[str, Any]) -> None:
    """Stopped in the middle, it comes to the same adapter and the same merged model, byte for byte; checkpoints on the
    way hold the adapter alone, and name the base by its digest.
    """
    settings = algorithm | {"lora": LORA}
    whole = place.train(place.config("run-1", settings))
    stopped = place.train(place.config("run-2", settings), stop_after=1)
    assert not (stopped / "model.safetensors").exists()
    digest = weights_digest(load_folder(place.root / "base").model)
    assert json.loads((stopped / "manifest.json").read_text())["adapterBase"] == digest
    again = place.train(place.config("run-2", settings))
    for name in ("model.safetensors", "adapter/adapter_model.safetensors", "adapter/base.json"):
        assert (again / name).read_bytes() == (whole / name).read_bytes(), name
    assert any(tensor.abs().sum() > 0 for name, tensor in _adapter(whole).items() if "lora_B" in name)


def test_the_result_is_the_next_jobs_model(place: Place) -> None:
    """The final checkpoint is a model for transformers and for the next job, with all weights or with a new adapter; a
    checkpoint on the way is one too: its adapter goes on, and what it began with is kept.
    """
    settings = ALGORITHMS["SFT"] | {"lora": LORA}
    final = place.train(place.config("run-1", settings))
    merged = AutoModelForCausalLM.from_pretrained(final, local_files_only=True).state_dict()
    base = load_folder(place.root / "base").model.state_dict()
    changed = {name for name, tensor in merged.items() if not torch.equal(tensor, base[name])}
    assert {name.split(".")[-2] for name in changed} == {
        f"{part}_proj" for part in ("q", "k", "v", "o", "gate", "up", "down")
    }
    for name, algorithm in (("run-2", ALGORITHMS["SFT"]), ("run-3", settings)):
        assert (place.train(place.config(name, algorithm, place.source(final))) / "model.safetensors").exists()

    on_the_way = place.train(place.config("run-4", settings), stop_after=2)
    continued = place.train(place.config("run-5", settings, place.source(on_the_way)))
    frozen = load_file(continued / "adapter" / "reference" / "adapter_model.safetensors")
    assert all(torch.equal(tensor, frozen[name]) for name, tensor in _adapter(on_the_way).items())
    assert any(not torch.equal(tensor, frozen[name]) for name, tensor in _adapter(continued).items())
