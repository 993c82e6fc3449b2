"""A run's first weights are on this machine, verified, before any work."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests import servers
from tests.trainyard_trainer.hub_server import REPOSITORY, REVISION, Hub, serving
from tests.trainyard_trainer.saved_models import in_memory, logits, save_family
from trainyard_api.algorithm import Algorithm
from trainyard_api.model_source import HubModel, S3Location, ScratchModel, SecretReference
from trainyard_api.run_config import Folder, PinnedCheckpoint, RunIdentity, RunModel, RunStorage
from trainyard_api.termination import TerminationReason
from trainyard_trainer.checkpoints.files import Origin, write_checkpoint
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.models.first_model import fetch_model, load_first
from trainyard_trainer.models.load import load_folder
from trainyard_trainer.sinks import Snapshot
from trainyard_trainer.storage.storage_folder import FolderStorage
from trainyard_trainer.storage.storage_s3 import Credentials, Fields, S3Storage


def test_random_weights_need_nothing(tmp_path: Path) -> None:
    """The run makes them."""
    assert fetch_model(RunModel(scratch=ScratchModel()), None, tmp_path) is None


def test_a_folder_in_the_container_must_be_there(tmp_path: Path) -> None:
    """It is read where it lies; a path that isn't there is named."""
    assert fetch_model(RunModel(path=str(tmp_path)), None, tmp_path) is None
    with pytest.raises(RefusedError, match=r"spec\.model\.path: .*; got '/nowhere'") as refused:
        fetch_model(RunModel(path="/nowhere"), None, tmp_path)
    assert refused.value.reason == TerminationReason.MODEL_NOT_FOUND


def test_a_pinned_checkpoint_is_copied_and_verified(tmp_path: Path) -> None:
    """With the digest that the run was pinned to; another one is refused."""
    storage = FolderStorage(tmp_path / "bucket")
    origin = Origin(RunIdentity(namespace="n", name="j", uid="u", attempt=1), "pod-uid-1", "n/j/u/", None)
    saved = write_checkpoint(storage, origin, Snapshot(1, 1, in_memory({"config.json": b"{}"}), {}, {}))
    where = RunStorage(folder=Folder(directory=str(tmp_path / "bucket")))

    pinned = PinnedCheckpoint(uri=saved.uri, digest=saved.digest, storage=where)
    folder = fetch_model(RunModel(checkpoint=pinned), None, tmp_path / "cache")
    assert folder is not None
    assert (folder / "config.json").read_bytes() == b"{}"

    other = pinned.model_copy(update={"digest": "sha256:" + "0" * 64})
    with pytest.raises(RefusedError) as refused:
        fetch_model(RunModel(checkpoint=other), None, tmp_path / "again")
    assert refused.value.reason == TerminationReason.DIGEST_MISMATCH


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_unsuitable(tmp_path: Path, value: float) -> None:
    """The first of them is named, rather than what training makes of it later."""
    save_family("qwen3", tmp_path)
    loaded = load_folder(tmp_path)
    with torch.no_grad():
        loaded.model.lm_head.weight[1, 2] = value
    loaded.model.save_pretrained(tmp_path)
    algorithm = Algorithm.model_validate({"type": "SFT", "sft": {"steps": 1}})
    with pytest.raises(RefusedError, match=r"must hold finite weights; .*weight holds infinity") as refused:
        load_first(RunModel(path=str(tmp_path)), algorithm, None, "")
    assert (refused.value.reason, refused.value.field_path) == (TerminationReason.MODEL_UNSUITABLE, "spec.model.path")


@pytest.mark.integration
def test_a_folder_in_a_bucket_is_copied(s3: servers.S3Server, tmp_path: Path) -> None:
    """With the model's own credentials; without them the Secret is named."""
    location = S3Location(
        bucket=s3.make_bucket(), prefix="llama", endpoint=s3.endpoint, secret_ref=SecretReference(name="models")
    )
    keys = Credentials(s3.access_key, s3.secret_key)
    storage = S3Storage(location, keys, Fields.below("spec"))
    for name in ("config.json", "model.safetensors"):
        storage.put(f"llama/{name}", name.encode())
    storage.close()

    folder = fetch_model(RunModel(s3=location), keys, tmp_path)
    assert folder is not None
    assert (folder / "model.safetensors").read_bytes() == b"model.safetensors"
    with pytest.raises(RefusedError, match=r"spec\.model\.s3\.secretRef\.name: .*; got 'models'"):
        fetch_model(RunModel(s3=location), None, tmp_path)
    with pytest.raises(RefusedError, match=r"spec\.model\.s3\.bucket: .*; got 'nowhere'"):
        fetch_model(RunModel(s3=location.model_copy(update={"bucket": "nowhere"})), keys, tmp_path)


def test_a_repository_of_a_hub_is_copied_and_loaded(tmp_path: Path) -> None:
    """With the token that the pod was given; its files are a model like any other."""
    base = save_family("llama", tmp_path / "base")
    files = {path.name: path.read_bytes() for path in base.iterdir()}
    with serving(Hub(files, token="hf_right")) as hub:
        secret = SecretReference(name="hub")
        source = HubModel(repository=REPOSITORY, revision=REVISION, endpoint=hub.endpoint, secret_ref=secret)
        model = RunModel(hugging_face=source)
        folder = fetch_model(model, None, tmp_path, "hf_right")
    algorithm = Algorithm.model_validate({"type": "GRPO", "grpo": {"steps": 1}})
    loaded = load_first(model, algorithm, folder, "")
    assert torch.equal(logits(loaded), logits(load_folder(base)))


def test_an_unfit_repository_is_named(tmp_path: Path) -> None:
    """The field and the value of the manifest, though it is found out from the files."""
    files = {"config.json": b'{"model_type": "t5"}', "model.safetensors": b""}
    with serving(Hub(files)) as hub:
        model = RunModel(hugging_face=HubModel(repository=REPOSITORY, revision=REVISION, endpoint=hub.endpoint))
        folder = fetch_model(model, None, tmp_path)
    algorithm = Algorithm.model_validate({"type": "GRPO", "grpo": {"steps": 1}})
    with pytest.raises(RefusedError, match=r"spec\.model\.huggingFace\.repository: .*encoder-decoder; got 'lab/tiny'"):
        load_first(model, algorithm, folder, "")
