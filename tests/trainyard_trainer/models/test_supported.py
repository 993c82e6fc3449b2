"""What this trainer can't train is told by its config, before any weight is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from transformers import (
    BartConfig,
    BertConfig,
    CLIPConfig,
    Gemma3Config,
    LlavaConfig,
    Qwen2_5_VLConfig,
    T5Config,
    WhisperConfig,
)

from tests.trainyard_trainer.families import FAMILIES, config_of
from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.models.load import load_folder
from trainyard_trainer.models.supported import model_name, why_unsuitable

REFUSED = [
    (T5Config, "T5ForConditionalGeneration", "encoder-decoder"),
    (BartConfig, "BartForCausalLM", "encoder-decoder"),
    (WhisperConfig, "WhisperForConditionalGeneration", "encoder-decoder"),
    (Gemma3Config, "Gemma3ForConditionalGeneration", "multimodal"),
    (Qwen2_5_VLConfig, "Qwen2_5_VLForConditionalGeneration", "multimodal"),
    (LlavaConfig, "LlavaForConditionalGeneration", "multimodal"),
    (CLIPConfig, "CLIPModel", "multimodal"),
]


@pytest.mark.parametrize(("make", "name", "kind"), REFUSED, ids=[name for _, name, _ in REFUSED])
def test_encoder_decoders_and_multimodal_models_are_refused(tmp_path: Path, make: Any, name: str, kind: str) -> None:
    """With the class's name; the weights aren't even looked at, for there are none that could be."""
    make(architectures=[name]).save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"no weights at all")
    with pytest.raises(RefusedError) as caught:
        load_folder(tmp_path)
    assert caught.value.reason is TerminationReason.MODEL_UNSUITABLE
    assert name in str(caught.value)
    assert kind in str(caught.value)


@pytest.mark.parametrize("family", FAMILIES)
def test_causal_language_models_are_not(family: str) -> None:
    """All that the sampler is tested with."""
    assert why_unsuitable(config_of(family)) is None


def test_a_config_without_a_class_is_named_by_its_kind() -> None:
    """Older files have none."""
    assert model_name(BertConfig()) == "BertConfig"
