"""A checkpoint that holds an adapter alone is a model source too, wherever its base can be read from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from tests.trainyard_trainer.hub_server import REPOSITORY, REVISION, Hub, serving
from tests.trainyard_trainer.saved_models import (
    in_memory,
    logits,
    model_bytes,
    save_family,
    train_a_little,
    write_files,
)
from trainyard_api.algorithm import Algorithm, LoRA
from trainyard_api.model_source import HubModel, S3Location, ScratchModel, SecretReference
from trainyard_api.run_config import Folder, PinnedCheckpoint, RunIdentity, RunModel, RunStorage
from trainyard_api.termination import TerminationReason
from trainyard_trainer.checkpoints.files import Origin, write_checkpoint
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.models import lora
from trainyard_trainer.models.base_model import load_saved
from trainyard_trainer.models.first_model import fetch_model, load_first
from trainyard_trainer.models.load import LoadedModel, load_folder
from trainyard_trainer.sinks import Snapshot
from trainyard_trainer.storage.storage_folder import FolderStorage

SETTINGS = LoRA(rank=4, alpha=8)
GRPO = {"type": "GRPO", "grpo": {"steps": 1}}


@dataclass
class Place:
    """A folder laid out like a bucket, a saved base, and where runs bring their models to."""

    root: Path

    @property
    def base(self) -> Path:
        """The saved base."""
        return self.root / "base"

    @property
    def storage(self) -> RunStorage:
        """As a run config names it."""
        return RunStorage(folder=Folder(directory=str(self.root / "bucket")))

    def checkpoint(self, files: dict[str, bytes], step: int) -> RunModel:
        """A committed checkpoint of these files, as a model source."""
        origin = Origin(RunIdentity(namespace="n", name="j", uid="u", attempt=1), "pod-uid-1", "n/j/u/", None)
        saved = write_checkpoint(
            FolderStorage(self.root / "bucket"), origin, Snapshot(step, 1, in_memory(files), {}, {})
        )
        return RunModel(checkpoint=PinnedCheckpoint(uri=saved.uri, digest=saved.digest, storage=self.storage))

    def adapted(self, source: RunModel | None) -> tuple[LoadedModel, RunModel]:
        """A model with an adapter that has learned something, and its checkpoint."""
        loaded = lora.apply(load_folder(self.base), SETTINGS, 0, source)
        train_a_little(loaded)
        return loaded, self.checkpoint(model_bytes(loaded, final=False), step=2)

    def first(self, source: RunModel, cache: str, settings: LoRA | None = None) -> LoadedModel:
        """What a run begins with, by the way a pod takes."""
        algorithm = Algorithm.model_validate(GRPO | ({"lora": settings.to_wire()} if settings else {}))
        return load_first(source, algorithm, fetch_model(source, None, self.root / cache), "")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """With a base in it."""
    save_family("qwen3", tmp_path / "base")
    return Place(tmp_path)


def test_the_base_of_a_folder_is_read_where_it_lies(place: Place) -> None:
    """A run without an adapter merges the two and trains all weights; one with an adapter goes on with that."""
    loaded, checkpoint = place.adapted(RunModel(path=str(place.base)))
    merged = place.first(checkpoint, "all")
    assert merged.adapter is None
    assert all(one.requires_grad for one in merged.model.parameters())
    assert torch.allclose(logits(merged), logits(loaded), atol=1e-5)
    continued = place.first(checkpoint, "adapter", SETTINGS)
    assert torch.equal(logits(continued), logits(loaded))
    assert continued.adapter is not None
    assert continued.adapter.reference is not None
    assert continued.adapter.base_model == RunModel(path=str(place.base))


def test_the_base_of_a_checkpoint_comes_from_the_same_storage(place: Place) -> None:
    """With its digests verified; a chain of adapters keeps naming the first base."""
    source = place.checkpoint(model_bytes(load_folder(place.base)), step=1)
    loaded, checkpoint = place.adapted(source)
    continued = place.first(checkpoint, "again", SETTINGS)
    assert torch.equal(logits(continued), logits(loaded))
    train_a_little(continued)
    further = place.checkpoint(model_bytes(continued, final=False), step=3)
    assert torch.equal(logits(place.first(further, "further", SETTINGS)), logits(continued))


def test_a_public_base_comes_from_its_hub(place: Place) -> None:
    """Without a secret; one that needs a secret can't be read by another job."""
    files = {path.name: path.read_bytes() for path in place.base.iterdir()}
    with serving(Hub(files)) as hub:
        public = HubModel(repository=REPOSITORY, revision=REVISION, endpoint=hub.endpoint)
        loaded, checkpoint = place.adapted(RunModel(hugging_face=public))
        assert torch.equal(logits(place.first(checkpoint, "again", SETTINGS)), logits(loaded))
        files["model.safetensors"] = (save_family("qwen3", place.root / "other", 1) / "model.safetensors").read_bytes()
        hub.files = files
        with pytest.raises(RefusedError, match="digest") as caught:
            place.first(checkpoint, "changed", SETTINGS)
    assert caught.value.reason is TerminationReason.DIGEST_MISMATCH
    assert caught.value.field_path == "spec.model.checkpoint"


SECRET = SecretReference(name="hub")
UNREACHABLE: dict[str, Callable[[], RunModel | None]] = {
    "unknown": lambda: None,
    "random weights": lambda: RunModel(scratch=ScratchModel()),
    "lab/tiny at 0123": lambda: RunModel(
        hugging_face=HubModel(repository=REPOSITORY, revision=REVISION, secret_ref=SECRET)
    ),
    "s3://others/tiny": lambda: RunModel(s3=S3Location(bucket="others", prefix="tiny", secret_ref=SECRET)),
    "file:///elsewhere/": lambda: RunModel(
        checkpoint=PinnedCheckpoint(
            uri="file:///elsewhere/",
            digest="sha256:" + "0" * 64,
            storage=RunStorage(folder=Folder(directory="/elsewhere")),
        )
    ),
}


@pytest.mark.parametrize("described", UNREACHABLE)
def test_a_base_that_this_job_can_not_read_is_refused(place: Place, described: str) -> None:
    """With where it lies, and the checkpoint that can be used instead."""
    _, checkpoint = place.adapted(UNREACHABLE[described]())
    with pytest.raises(RefusedError, match=rf"spec\.model\.checkpoint: .*{described}.*final checkpoint") as caught:
        place.first(checkpoint, "cache")
    assert caught.value.reason is TerminationReason.MODEL_NOT_FOUND


def test_the_last_checkpoint_needs_no_base(place: Place) -> None:
    """It holds the merged model, which a new adapter may be put on; of any kind."""
    loaded, _ = place.adapted(None)
    final = place.checkpoint(model_bytes(loaded, final=True), step=9)
    again = place.first(final, "again", LoRA(rank=2, alpha=4))
    assert torch.allclose(logits(again), logits(loaded), atol=1e-5)
    assert again.adapter is not None
    assert again.adapter.reference is None


def test_an_adapters_folder_without_its_base_is_not_found(place: Place) -> None:
    """A path in the container is read as it is: nothing is fetched for it."""
    loaded, _ = place.adapted(RunModel(path=str(place.root / "gone")))
    folder = write_files(model_bytes(loaded, final=False), place.root / "adapter-alone")
    with pytest.raises(RefusedError, match=r"spec\.model\.path: .*gone.* isn't here") as caught:
        load_saved(folder, field_path="spec.model.path")
    assert caught.value.reason is TerminationReason.MODEL_NOT_FOUND


@pytest.mark.parametrize("content", [None, b"torn", b"{}", b'{"r": 0, "lora_alpha": 1, "target_modules": ["q_proj"]}'])
def test_an_adapter_without_its_settings_is_unsuitable(place: Place, content: bytes | None) -> None:
    """Peft's file must say rank, scale and layers."""
    loaded, _ = place.adapted(RunModel(path=str(place.base)))
    files = model_bytes(loaded, final=False)
    del files["adapter/adapter_config.json"]
    folder = write_files(files | ({"adapter/adapter_config.json": content} if content else {}), place.root / "alone")
    with pytest.raises(RefusedError, match=r"adapter_config\.json") as caught:
        load_saved(folder, field_path="spec.model.path")
    assert caught.value.reason is TerminationReason.MODEL_UNSUITABLE


def test_an_adapter_of_which_a_weight_is_no_number_is_unsuitable(place: Place) -> None:
    """The base is sound, what is put on it isn't."""
    loaded = lora.apply(load_folder(place.base), SETTINGS, 0, RunModel(path=str(place.base)))
    with torch.no_grad():
        next(iter(lora.weights(loaded).values())).fill_(float("nan"))
    source = place.checkpoint(model_bytes(loaded, final=False), step=2)
    for settings in (SETTINGS, None):
        with pytest.raises(RefusedError, match=r"must hold finite weights; .*lora") as caught:
            place.first(source, f"cache-{settings is None}", settings)
        assert (caught.value.reason, caught.value.field_path) == (TerminationReason.MODEL_UNSUITABLE, "spec.model")
