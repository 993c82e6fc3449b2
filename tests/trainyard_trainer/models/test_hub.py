"""Weights of a Hub come from the pinned commit, as safetensors, whole; the token goes to the Hub alone."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub.errors import OfflineModeIsEnabled

from tests.trainyard_trainer.hub_server import REPOSITORY, REVISION, Hub, serving
from trainyard_api.model_source import HubModel, SecretReference
from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.models.hub import download_from_hub

WEIGHTS = bytes(range(256)) * 1000
TOKEN = "hf_correct-horse"


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A public repository with what a model's usually holds, and more."""
    files = {
        "config.json": b"{}",
        "tokenizer.json": b"[]",
        "tokenizer_config.json": b"{}",
        "model.safetensors": WEIGHTS,
        "README.md": b"# Tiny",
        "modeling_tiny.py": b"raise SystemExit",
        "pytorch_model.bin": b"pickle",
        "consolidated.safetensors": WEIGHTS,
        "onnx/model.safetensors": WEIGHTS,
    }
    with serving(Hub(files, large=frozenset({"model.safetensors"}))) as running:
        yield running


def source(hub: Hub, secret: str | None = None, **changes: str) -> HubModel:
    """The manifest's member for this Hub."""
    reference = SecretReference(name=secret) if secret else None
    fields = {"repository": REPOSITORY, "revision": REVISION, "endpoint": hub.endpoint} | changes
    return HubModel(secret_ref=reference, **fields)


def refusal(model: HubModel, folder: Path, token: str = "") -> RefusedError:
    """The refusal of a repository; no token is in it."""
    with pytest.raises(RefusedError) as caught:
        download_from_hub(model, token, folder)
    assert not token or token not in str(caught.value)
    return caught.value


def test_only_what_a_model_is_made_of_is_copied(hub: Hub, tmp_path: Path) -> None:
    """Neither code, nor pickles, nor the same weights in another layout; nothing is left beside the files."""
    size = download_from_hub(source(hub), "", tmp_path)
    names = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert (tmp_path / "model.safetensors").read_bytes() == WEIGHTS
    assert size == len(WEIGHTS) + 6
    assert sorted(hub.read()) == names
    assert {shown for _, _, shown in hub.requests} == {None}


def test_every_file_of_an_index_is_copied(hub: Hub, tmp_path: Path) -> None:
    """Weights in several files; one that the repository doesn't have is said."""
    shards = {"model-1-of-2.safetensors": b"one", "model-2-of-2.safetensors": b"two"}
    index = {"weight_map": {"a": "model-1-of-2.safetensors", "b": "model-2-of-2.safetensors"}}
    del hub.files["model.safetensors"]
    hub.files |= shards | {"model.safetensors.index.json": json.dumps(index).encode()}
    (tmp_path / "whole").mkdir()
    download_from_hub(source(hub), "", tmp_path / "whole")
    assert {name: (tmp_path / "whole" / name).read_bytes() for name in shards} == shards
    del hub.files["model-2-of-2.safetensors"]
    (tmp_path / "half").mkdir()
    error = refusal(source(hub), tmp_path / "half")
    assert (error.reason, error.field_path) == (
        TerminationReason.MODEL_UNSUITABLE,
        "spec.model.huggingFace.repository",
    )
    assert "model-2-of-2.safetensors" in str(error)


@pytest.mark.parametrize("named", ["../outside.safetensors", "pytorch_model.bin", 5])
def test_an_index_can_not_name_other_files(hub: Hub, tmp_path: Path, named: object) -> None:
    """Neither outside the folder, nor of another format."""
    del hub.files["model.safetensors"]
    hub.files["model.safetensors.index.json"] = json.dumps({"weight_map": {"a": named}}).encode()
    assert refusal(source(hub), tmp_path).reason is TerminationReason.MODEL_UNSUITABLE


@pytest.mark.parametrize("missing", ["model.safetensors", "config.json"])
def test_a_repository_without_safetensors_or_config_is_unsuitable(hub: Hub, tmp_path: Path, missing: str) -> None:
    """Other formats run code when they are loaded; no file was copied by then."""
    del hub.files[missing]
    error = refusal(source(hub), tmp_path)
    assert (error.reason, error.value) == (TerminationReason.MODEL_UNSUITABLE, REPOSITORY)
    assert missing in str(error)
    assert hub.read() == []


def test_a_missing_revision_is_the_revisions_fault(hub: Hub, tmp_path: Path) -> None:
    """With field and value."""
    error = refusal(source(hub, revision="f" * 40), tmp_path)
    assert error.reason is TerminationReason.MODEL_NOT_FOUND
    assert (error.field_path, error.value) == ("spec.model.huggingFace.revision", "f" * 40)


def test_an_answer_about_another_commit_is_refused(hub: Hub, tmp_path: Path) -> None:
    """What is pinned is what is loaded."""
    hub.revision = "e" * 40
    error = refusal(source(hub), tmp_path)
    assert (error.reason, error.value) == (TerminationReason.MODEL_NOT_FOUND, REVISION)


def test_a_missing_repository_is_not_found(hub: Hub, tmp_path: Path) -> None:
    """With field and value."""
    error = refusal(source(hub, repository="lab/absent"), tmp_path)
    assert error.reason is TerminationReason.MODEL_NOT_FOUND
    assert (error.field_path, error.value) == ("spec.model.huggingFace.repository", "lab/absent")


@pytest.mark.parametrize("gated", [False, True], ids=["private", "gated"])
def test_what_needs_a_token_is_read_with_it(hub: Hub, tmp_path: Path, gated: bool) -> None:
    """A private repository hides itself from others, a gated one its files; each error names what is to be changed."""
    hub.token, hub.gated = TOKEN, gated
    for name in ("none", "wrong", "right"):
        (tmp_path / name).mkdir()
    without = refusal(source(hub), tmp_path / "none")
    assert (without.reason, without.field_path) == (
        TerminationReason.MODEL_NOT_FOUND,
        "spec.model.huggingFace.repository",
    )
    assert "secretRef" in str(without)
    wrong = refusal(source(hub, "hub"), tmp_path / "wrong", "hf_wrong")
    assert (wrong.reason, wrong.field_path, wrong.value) == (
        TerminationReason.MODEL_NOT_FOUND,
        "spec.model.huggingFace.secretRef.name",
        "hub",
    )
    download_from_hub(source(hub, "hub"), TOKEN, tmp_path / "right")
    assert (tmp_path / "right" / "model.safetensors").read_bytes() == WEIGHTS


def test_the_token_goes_to_the_hub_alone(hub: Hub, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Large files lie on another host, which gets none; no log line has it."""
    hub.token = TOKEN
    with serving(Hub(dict(hub.files))) as store, caplog.at_level(logging.DEBUG):
        hub.elsewhere = store.endpoint
        download_from_hub(source(hub, "hub"), TOKEN, tmp_path)
        assert (tmp_path / "model.safetensors").read_bytes() == WEIGHTS
        assert store.requests
        assert {shown for _, _, shown in store.requests} == {None}
    assert {shown for _, _, shown in hub.requests} == {f"Bearer {TOKEN}"}
    assert TOKEN not in caplog.text


def test_a_token_of_the_environment_is_not_used(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the manifest's Secret is."""
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    download_from_hub(source(hub), "", tmp_path)
    assert {shown for _, _, shown in hub.requests} == {None}


def test_a_transfer_that_breaks_off_goes_on_where_it_was(hub: Hub, tmp_path: Path) -> None:
    """The first reply ends in the middle."""
    hub.cut = {"model.safetensors"}
    download_from_hub(source(hub), "", tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == WEIGHTS
    assert hub.read().count("model.safetensors") == 2


@pytest.mark.parametrize("promised", [WEIGHTS + b"more", WEIGHTS[:-1] + b"?"], ids=["truncated", "changed"])
def test_other_bytes_than_promised_are_a_crash(hub: Hub, tmp_path: Path, promised: bytes) -> None:
    """By length or by hash; another attempt may get them whole."""
    hub.promises = {"model.safetensors": promised}
    with pytest.raises(OSError, match=r"model\.safetensors"):
        download_from_hub(source(hub), "", tmp_path)


def test_a_small_file_has_a_hash_too(hub: Hub, tmp_path: Path) -> None:
    """As git takes it."""
    hub.promises = {"tokenizer.json": b"{}"}
    with pytest.raises(OSError, match=r"tokenizer\.json"):
        download_from_hub(source(hub), "", tmp_path)


def test_a_server_that_is_away_is_a_crash(hub: Hub, tmp_path: Path) -> None:
    """Not the user's mistake: another attempt may reach it."""
    with pytest.raises(Exception, match="Connection refused"):
        download_from_hub(source(hub, endpoint="http://127.0.0.1:9"), "", tmp_path)


def test_the_process_is_offline_again_afterwards(hub: Hub, tmp_path: Path) -> None:
    """Whatever else uses the library reaches nothing."""
    download_from_hub(source(hub), "", tmp_path)
    before = len(hub.requests)
    with pytest.raises(OfflineModeIsEnabled):
        huggingface_hub.HfApi(endpoint=hub.endpoint).model_info(REPOSITORY, revision=REVISION)
    assert len(hub.requests) == before
