"""First weights: seeded random ones, or a folder, or a refusal that says what is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, BertConfig, BertLMHeadModel, BertModel, LlamaConfig, LlamaForCausalLM

from tests.trainyard_trainer.saved_models import save_family
from trainyard_api.model_source import ScratchModel
from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.models.char_tokenizer import char_tokenizer
from trainyard_trainer.models.load import load_folder, scratch

ALPHABET = "0123456789+-*QCRA;$"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A saved scratch model with its tokenizer."""
    loaded = scratch(ScratchModel(), ALPHABET, 0)
    loaded.model.save_pretrained(tmp_path)
    loaded.tokenizer.save_pretrained(tmp_path)
    return tmp_path


def refusal(path: Path) -> RefusedError:
    """The refusal of a folder, with field and value checked."""
    with pytest.raises(RefusedError) as caught:
        load_folder(path)
    assert (caught.value.field_path, caught.value.value) == ("spec.model.path", str(path))
    return caught.value


def test_scratch_models_are_seeded_and_have_the_size_asked_for() -> None:
    """Equal seeds give equal weights, others don't; torch's own generator isn't touched."""
    torch.manual_seed(1)
    before = torch.get_rng_state()
    one, same, other = (scratch(ScratchModel(), ALPHABET, seed).model.state_dict() for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["lm_head.weight"], other["lm_head.weight"])
    assert sum(tensor.numel() for tensor in one.values()) == 76_800


def test_a_saved_folder_is_loaded_bit_for_bit(folder: Path) -> None:
    """In float32, with its own tokenizer."""
    loaded = load_folder(folder)
    fresh = scratch(ScratchModel(), ALPHABET, 0).model.state_dict()
    assert all(torch.equal(tensor, fresh[name]) for name, tensor in loaded.model.state_dict().items())
    assert loaded.tokenizer.encode("Q1;") == char_tokenizer(ALPHABET).encode("Q1;")


def test_other_model_classes_are_loaded_with_tied_weights_too(tmp_path: Path) -> None:
    """A Llama whose head is its embedding, in half precision, without a padding token."""
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    LlamaForCausalLM(LlamaConfig(vocab_size=21, tie_word_embeddings=True, **sizes)).half().save_pretrained(tmp_path)
    tokenizer = char_tokenizer(ALPHABET)
    tokenizer.pad_token = None
    tokenizer.save_pretrained(tmp_path)
    loaded = load_folder(tmp_path)
    assert type(loaded.model) is LlamaForCausalLM
    assert {parameter.dtype for parameter in loaded.model.parameters()} == {torch.float32}
    assert loaded.pad_id == 0


def test_half_precision_loses_nothing(tmp_path: Path) -> None:
    """Weights of bfloat16 files are in float32 what they were."""
    model = scratch(ScratchModel(), ALPHABET, 0).model.to(torch.bfloat16)
    model.save_pretrained(tmp_path)
    char_tokenizer(ALPHABET).save_pretrained(tmp_path)
    loaded = load_folder(tmp_path).model.state_dict()
    assert {tensor.dtype for tensor in loaded.values()} == {torch.float32}
    assert all(torch.equal(tensor.float(), loaded[name]) for name, tensor in model.state_dict().items())


def test_every_id_that_ends_a_turn_is_known(folder: Path) -> None:
    """Those of the generation config, of which a chat model has several, and the tokenizer's."""
    generation = json.loads((folder / "generation_config.json").read_text())
    for named, expected in (([3, 5], (3, 5, 20)), (4, (4, 20)), (20, (20,))):
        (folder / "generation_config.json").write_text(json.dumps(generation | {"eos_token_id": named}))
        assert load_folder(folder).stop_ids == expected


def test_without_any_id_that_ends_a_turn_there_is_none(folder: Path) -> None:
    """Whoever needs one says so."""
    for name in ("config.json", "generation_config.json", "tokenizer_config.json"):
        content = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps(content | {"eos_token_id": None, "eos_token": None}))
    assert load_folder(folder).stop_ids == ()


@pytest.mark.parametrize("named", [[20, 21], -1])
def test_a_stop_id_outside_the_vocabulary_is_unsuitable(folder: Path, named: object) -> None:
    """It could never be sampled, so no turn would end."""
    generation = json.loads((folder / "generation_config.json").read_text())
    (folder / "generation_config.json").write_text(json.dumps(generation | {"eos_token_id": named}))
    error = refusal(folder)
    assert error.reason is TerminationReason.MODEL_UNSUITABLE
    assert "0 to 20" in str(error)
    assert str(named[-1] if isinstance(named, list) else named) in str(error)


def test_a_pad_token_without_an_embedding_pads_nothing(folder: Path) -> None:
    """It was added to the tokenizer and the model wasn't resized; a batch of rows would end the run."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens({"pad_token": "<|new pad|>"})
    tokenizer.save_pretrained(folder)
    loaded = load_folder(folder)
    assert loaded.tokenizer.pad_token_id >= loaded.model.get_input_embeddings().num_embeddings
    assert loaded.pad_id == 0


def test_the_context_is_as_long_as_the_config_says(folder: Path) -> None:
    """Under whatever name the model's kind has for it; some have no limit."""
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 77}))
    assert load_folder(folder).context_length == 77
    assert load_folder(save_family("gpt2", folder / "gpt2")).context_length == 256
    unlimited = save_family("mamba2", folder / "mamba2") / "config.json"
    unlimited.write_text(unlimited.read_text().replace('"max_position_embeddings"', '"unused"'))
    assert load_folder(folder / "mamba2").context_length is None


def test_a_missing_folder_is_not_found(tmp_path: Path) -> None:
    """With field and value."""
    assert refusal(tmp_path / "absent").reason is TerminationReason.MODEL_NOT_FOUND


def test_an_empty_folder_is_unsuitable(tmp_path: Path) -> None:
    """Weights must be safetensors: other formats run code when they are loaded."""
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    error = refusal(tmp_path)
    assert error.reason is TerminationReason.MODEL_UNSUITABLE
    assert "safetensors" in str(error)


@pytest.mark.parametrize("make", [BertModel, BertLMHeadModel])
def test_an_encoder_is_unsuitable(tmp_path: Path, make: Any) -> None:
    """Transformers would make up the missing head; with a head, every token would see those after it."""
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    make(BertConfig(vocab_size=21, initializer_range=1.0, **sizes)).save_pretrained(tmp_path)
    char_tokenizer(ALPHABET).save_pretrained(tmp_path)
    assert refusal(tmp_path).reason is TerminationReason.MODEL_UNSUITABLE


def test_a_missing_weight_is_named_instead_of_made_up(folder: Path) -> None:
    """Transformers would fill it with random numbers."""
    weights = load_file(folder / "model.safetensors")
    del weights["model.norm.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    error = refusal(folder)
    assert error.reason is TerminationReason.MODEL_UNSUITABLE
    assert "model.norm.weight" in str(error)


def test_a_weight_of_another_shape_is_unsuitable(folder: Path) -> None:
    """Config and weights must belong together."""
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"intermediate_size": 64}))
    assert refusal(folder).reason is TerminationReason.MODEL_UNSUITABLE


def test_damaged_weights_are_unsuitable(folder: Path) -> None:
    """A cut-off file doesn't crash the trainer."""
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    assert refusal(folder).reason is TerminationReason.MODEL_UNSUITABLE


def test_a_folder_without_a_tokenizer_is_unsuitable(folder: Path) -> None:
    """Nothing is fetched from the network in its place."""
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    error = refusal(folder)
    assert error.reason is TerminationReason.MODEL_UNSUITABLE
    assert "tokenizer" in str(error)


def test_code_in_a_models_folder_is_not_run(folder: Path) -> None:
    """A config that asks for its own class is refused; its module isn't imported."""
    config = json.loads((folder / "config.json").read_text())
    own = {"model_type": "mine", "auto_map": {"AutoConfig": "evil.C", "AutoModelForCausalLM": "evil.M"}}
    (folder / "config.json").write_text(json.dumps(config | own))
    (folder / "evil.py").write_text(f"open({str(folder / 'ran')!r}, 'w')\n")
    assert refusal(folder).reason is TerminationReason.MODEL_UNSUITABLE
    assert not (folder / "ran").exists()
