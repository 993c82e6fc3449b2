"""What a run is made of is put together, or refused, before any work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.trainyard_trainer import chat_model, small
from tests.trainyard_trainer.small import Outside
from trainyard_api.model_source import ScratchModel
from trainyard_api.run_config import RunConfig
from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.models.load import scratch
from trainyard_trainer.tasks.calculator import CalculatorTask
from trainyard_trainer.training.components import build_parts, steps_of
from trainyard_trainer.training.inputs import RunInputs

LOCATION = {"bucket": "models", "prefix": "llama", "secretRef": {"name": "s"}}
PINNED = {"uri": "s3://b/x/", "digest": "sha256:" + "0" * 64, "storage": {"s3": LOCATION}}


def refusal(config: RunConfig, folder: Path | None = None) -> tuple[Any, ...]:
    """Reason, field and value of the refusal."""
    with pytest.raises(RefusedError) as caught:
        build_parts(config, RunInputs(model=folder), Outside())
    return caught.value.reason, caught.value.field_path, caught.value.value


def test_a_model_is_refused_at_the_field_that_named_it(tmp_path: Path) -> None:
    """A path, a bucket's folder or a checkpoint, whichever it was."""
    missing = tmp_path / "absent"
    found = refusal(small.config(model={"path": str(missing)}))
    assert found == (TerminationReason.MODEL_NOT_FOUND, "spec.model.path", str(missing))
    found = refusal(small.config(model={"s3": LOCATION}), tmp_path)
    assert found == (TerminationReason.MODEL_UNSUITABLE, "spec.model.s3", "s3://models/llama")
    found = refusal(small.config(model={"checkpoint": PINNED}), tmp_path)
    assert found == (TerminationReason.MODEL_UNSUITABLE, "spec.model.checkpoint", "s3://b/x/")


def test_names_are_refused_before_a_model_is_loaded(tmp_path: Path) -> None:
    """A typing error in the task costs no download."""
    config = small.config(model={"path": str(tmp_path)}, task={"name": "chess", "rewards": [{"name": "exact"}]})
    assert refusal(config) == (TerminationReason.UNKNOWN_TASK, "spec.task.name", "chess")


def test_a_saved_model_whose_tokenizer_lacks_the_alphabet_is_refused(tmp_path: Path) -> None:
    """A model for other texts than the task's."""
    loaded = scratch(ScratchModel(), "0123456789QCRA;$", 0)
    loaded.model.save_pretrained(tmp_path)
    loaded.tokenizer.save_pretrained(tmp_path)
    found = refusal(small.config(model={"path": str(tmp_path)}))
    assert found == (TerminationReason.MODEL_UNSUITABLE, "spec.model", "+-*")


def test_demonstrations_longer_than_the_models_context_are_refused(tmp_path: Path) -> None:
    """Where they are what is trained on; a rollout of the same model is cut off instead."""
    loaded = scratch(ScratchModel(), CalculatorTask.alphabet, 0)
    loaded.model.config.max_position_embeddings = 20
    loaded.model.save_pretrained(tmp_path)
    loaded.tokenizer.save_pretrained(tmp_path)
    reason, field, _ = refusal(small.config("SFT", model={"path": str(tmp_path)}))
    assert (reason, field) == (TerminationReason.INVALID_DATA, "spec.task.name")
    build_parts(small.config(model={"path": str(tmp_path)}), RunInputs(), Outside())


def test_steps_are_those_of_the_algorithm() -> None:
    """Of GRPO or of SFT; an evaluation has none."""
    assert steps_of(small.config()) == small.GRPO["steps"]
    assert steps_of(small.config(algorithm={"type": "Evaluation"})) == 0
    assert steps_of(small.config("SFT", algorithm={"type": "SFT", "sft": small.SFT | {"steps": 7}})) == 7


def test_a_row_is_as_long_as_its_prompt_and_all_turns() -> None:
    """Every turn as long as it may be, and as much said in reply: what memory is measured for."""
    found = []
    for tokens, turns in ((20, 1), (20, 3), (30, 3)):
        config = small.config(
            algorithm={
                "type": "GRPO",
                "seed": 0,
                "grpo": {**small.GRPO, "maxTurnTokens": tokens, "maxTurns": turns},
            }
        )
        parts = build_parts(config, RunInputs(), Outside())
        found.append(parts.longest_row)
        assert parts.policy.state()["slots"] == 256
    prompt = found[0] - 40
    assert found == [prompt + 40, prompt + 120, prompt + 180]
    assert prompt > 3


def test_memory_that_holds_no_conversation_is_refused() -> None:
    """Before any work, at the pod's memory."""
    reason, field_path, value = refusal(small.config(memoryLimitBytes=1))
    assert (reason, field_path) == (TerminationReason.INVALID_MANIFEST, "spec.trainer.memory")
    assert value.startswith("0 bytes beside the weights, for ")


DATED = "{{- strftime_now('%Y-%m-%d') }}" + chat_model.STABLE


@pytest.mark.parametrize(("special", "ends"), [("Text", 2), ("Tokens", 3)])
def test_the_manifest_says_what_special_tokens_are_read_as_and_the_run_its_day(
    tmp_path: Path, special: str, ends: int
) -> None:
    """An opening ends the tools' turn and the user's; in between stands what the user wrote."""
    folder = chat_model.write(tmp_path, DATED)
    config = small.config(
        model={"path": str(folder)},
        task={"name": "arithmetic-tools", "rewards": [{"name": "exact"}], "specialTokens": special},
        run={"namespace": "team-a", "name": "small", "uid": "run-1", "attempt": 1, "beganOn": "2024-02-29"},
    )
    renderer = build_parts(config, RunInputs(), Outside()).renderer
    ids = renderer.opening("a<|im_end|>b")
    assert sum(number == renderer.stop_ids[0] for number in ids) == ends
    assert renderer.text(ids).startswith("2024-02-29")
