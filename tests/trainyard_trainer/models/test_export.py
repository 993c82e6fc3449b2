"""A snapshot's files: anybody's transformers and peft read them, and a run goes on from them bit for bit."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from pydantic import TypeAdapter
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.trainyard_trainer.families import FAMILIES
from tests.trainyard_trainer.saved_models import (
    ALPHABET,
    ROWS,
    logits,
    model_bytes,
    save_family,
    train_a_little,
    write_files,
)
from trainyard_api.algorithm import LoRA
from trainyard_api.checkpoint_manifest import RelativePath
from trainyard_api.model_source import HubModel, SecretReference
from trainyard_api.run_config import RunModel
from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.models import lora
from trainyard_trainer.models.export import take_weights
from trainyard_trainer.models.load import LoadedModel, load_folder

SETTINGS = LoRA(rank=4, alpha=8)
HUB = HubModel(repository="lab/tiny", revision="a" * 40, secret_ref=SecretReference(name="hub"))
ROOT = {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"}
ADAPTER = {"adapter/adapter_config.json", "adapter/adapter_model.safetensors", "adapter/base.json"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A saved base."""
    return save_family("qwen3", tmp_path / "base")


def adapted(folder: Path, source: RunModel | None = None) -> LoadedModel:
    """The base with an adapter that has learned something."""
    loaded = lora.apply(load_folder(folder), SETTINGS, 0, source)
    train_a_little(loaded)
    return loaded


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_survives_the_way_through_files(tmp_path: Path, family: str) -> None:
    """All weights trained: what is loaded again says the same, bit for bit."""
    loaded = load_folder(save_family(family, tmp_path / "base"))
    train_a_little(loaded, steps=1)
    files = model_bytes(loaded)
    assert ROOT | {"model.safetensors"} == files.keys()
    again = load_folder(write_files(files, tmp_path / "saved"))
    assert torch.equal(logits(again), logits(loaded))
    assert (again.stop_ids, again.context_length) == (loaded.stop_ids, loaded.context_length)
    taken = take_weights(load_folder(tmp_path / "base"), tmp_path / "saved")
    assert torch.equal(logits(taken), logits(loaded))


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma2", "qwen3_moe", "qwen3_next", "falcon_h1"])
def test_the_last_checkpoint_of_an_adapter_is_a_model(tmp_path: Path, family: str) -> None:
    """Transformers loads it as it is, merged; tied embeddings, transposed layers and experts too."""
    loaded = adapted(save_family(family, tmp_path / "base"))
    saved = write_files(model_bytes(loaded, final=True), tmp_path / "saved")
    model, report = AutoModelForCausalLM.from_pretrained(saved, output_loading_info=True, local_files_only=True)
    assert not any(report.values())
    trained = logits(loaded)
    with torch.no_grad():
        difference = (model.eval()(input_ids=ROWS, use_cache=False).logits - trained).abs().max()
    assert difference <= 1e-5 * trained.abs().max().clamp(min=1)
    assert AutoTokenizer.from_pretrained(saved, local_files_only=True).encode("aj") == [1, len(ALPHABET)]


def test_saving_changes_nothing_that_is_trained(folder: Path) -> None:
    """Bit for bit, and the same files come out again."""
    loaded = adapted(folder)
    before = copy.deepcopy(loaded.model.state_dict())
    files = model_bytes(loaded, final=True)
    assert all(torch.equal(tensor, before[name]) for name, tensor in loaded.model.state_dict().items())
    assert model_bytes(loaded, final=True) == files


def test_on_the_way_only_the_adapter_is_saved(folder: Path) -> None:
    """With config and tokenizer, and no weights but its own; every path is one that a manifest may hold."""
    loaded = adapted(folder)
    files, final = model_bytes(loaded, final=False), model_bytes(loaded, final=True)
    assert files.keys() == ROOT | ADAPTER
    assert final.keys() == files.keys() | {"model.safetensors"}
    assert sum(map(len, files.values())) < sum(map(len, final.values()))
    for path in final:
        TypeAdapter(RelativePath).validate_python(path)


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
def test_the_adapters_folder_is_one_of_peft(tmp_path: Path, folder: Path) -> None:
    """Peft itself puts it on the base."""
    loaded = adapted(folder)
    saved = write_files(model_bytes(loaded, final=False), tmp_path / "saved")
    model = PeftModel.from_pretrained(load_folder(folder).model, saved / "adapter").eval()
    with torch.no_grad():
        assert torch.equal(model(input_ids=ROWS, use_cache=False).logits, logits(loaded))


def test_an_adapters_files_say_where_its_base_is(folder: Path) -> None:
    """A repository by name, for peft and for us; never a folder of this machine unless the manifest named it."""
    files = model_bytes(adapted(folder, RunModel(hugging_face=HUB)), final=False)
    config, base = (json.loads(files[f"adapter/{name}.json"]) for name in ("adapter_config", "base"))
    assert (config["base_model_name_or_path"], config["revision"]) == ("lab/tiny", "a" * 40)
    assert base["model"]["huggingFace"] == {
        "repository": "lab/tiny",
        "revision": "a" * 40,
        "secretRef": {"name": "hub"},
    }
    assert config["target_modules"] == sorted(config["target_modules"])
    assert str(folder).encode() not in b"".join(files.values())
    assert json.loads(model_bytes(adapted(folder), final=False)["adapter/base.json"]).keys() == {"digest"}


def test_an_adapter_is_taken_back_bit_for_bit(tmp_path: Path, folder: Path) -> None:
    """Over the first weights that the run's seed drew."""
    loaded = adapted(folder)
    saved = write_files(model_bytes(loaded, final=False), tmp_path / "saved")
    taken = take_weights(lora.apply(load_folder(folder), SETTINGS, 0), saved)
    assert all(torch.equal(tensor, lora.weights(loaded)[name]) for name, tensor in lora.weights(taken).items())
    assert torch.equal(logits(taken), logits(loaded))


def test_what_an_adapter_went_on_from_is_saved_and_held_to(tmp_path: Path, folder: Path) -> None:
    """A run that began with an adapter keeps it frozen; it goes on only where it began with the same."""
    began = lora.apply(adapted(folder), SETTINGS, 0)
    train_a_little(began)
    files = model_bytes(began, final=False)
    assert files.keys() == ROOT | ADAPTER | {
        "adapter/reference/adapter_config.json",
        "adapter/reference/adapter_model.safetensors",
    }
    saved = write_files(files, tmp_path / "saved")
    taken = take_weights(lora.apply(adapted(folder), SETTINGS, 0), saved)
    assert torch.equal(logits(taken), logits(began))
    for other in (lora.apply(load_folder(folder), SETTINGS, 0), _begun_elsewhere(folder)):
        with pytest.raises(RefusedError, match="adapter that the run began with") as caught:
            take_weights(other, saved)
        assert caught.value.reason is TerminationReason.DIGEST_MISMATCH


def _begun_elsewhere(folder: Path) -> LoadedModel:
    loaded = adapted(folder)
    train_a_little(loaded)
    return lora.apply(loaded, SETTINGS, 0)


def test_a_base_that_has_changed_is_refused(tmp_path: Path, folder: Path) -> None:
    """By its digest, for the adapter would make another model of it."""
    loaded = adapted(folder)
    saved = write_files(model_bytes(loaded, final=False), tmp_path / "saved")
    other = lora.apply(load_folder(save_family("qwen3", tmp_path / "other", seed=1)), SETTINGS, 0)
    before = copy.deepcopy(other.model.state_dict())
    with pytest.raises(RefusedError, match="digest") as caught:
        take_weights(other, saved)
    assert caught.value.reason is TerminationReason.DIGEST_MISMATCH
    assert loaded.adapter is not None
    assert loaded.adapter.base_digest in str(caught.value)
    assert all(torch.equal(tensor, before[name]) for name, tensor in other.model.state_dict().items())


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("adapter/adapter_model.safetensors", b"torn"),
        ("adapter/adapter_model.safetensors", None),
        ("adapter/base.json", b"{}"),
        ("adapter/base.json", b"torn"),
        ("adapter/base.json", None),
    ],
)
def test_broken_files_of_an_adapter_are_unsuitable(
    tmp_path: Path, folder: Path, name: str, content: bytes | None
) -> None:
    """Torn, empty, or not there."""
    files = model_bytes(adapted(folder), final=False)
    del files[name]
    saved = write_files(files | ({} if content is None else {name: content}), tmp_path / "saved")
    with pytest.raises(RefusedError) as caught:
        take_weights(lora.apply(load_folder(folder), SETTINGS, 0), saved)
    assert caught.value.reason is TerminationReason.MODEL_UNSUITABLE


def test_weights_of_another_model_are_not_taken(tmp_path: Path, folder: Path) -> None:
    """Where all are trained: the refusal comes before anything is written over."""
    loaded = load_folder(folder)
    before = logits(loaded)
    with pytest.raises(RefusedError, match="must be the model that the checkpoint was taken of"):
        take_weights(loaded, save_family("llama", tmp_path / "other"))
    assert torch.equal(logits(loaded), before)
