"""What a run is made of is put together, or refused, before any work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.trainyard_trainer import chat_model, small
from tests.trainyard_trainer.small import Outside
from trainyard_api.algorithm import Precision
from trainyard_api.model_source import ScratchModel
from trainyard_api.run_config import RunConfig
from trainyard_api.termination import TerminationReason
from trainyard_trainer.algorithms.plan import plan_of
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.models.load import scratch
from trainyard_trainer.policy.settings import PolicySettings
from trainyard_trainer.tasks.calculator import CalculatorTask
from trainyard_trainer.training.algorithm_types import make_algorithm
from trainyard_trainer.training.components import policy_settings

LOCATION = {"bucket": "models", "prefix": "llama", "secretRef": {"name": "s"}}
PINNED = {"uri": "s3://b/x/", "digest": "sha256:" + "0" * 64, "storage": {"s3": LOCATION}}


def refusal(config: RunConfig, folder: Path | None = None) -> tuple[Any, ...]:
    """Reason, field and value of the refusal."""
    with pytest.raises(RefusedError) as caught:
        make_algorithm(config.algorithm, small.components(Outside(), config, folder))
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
    small.algorithm(Outside(), small.config(model={"path": str(tmp_path)}))


def test_steps_are_those_of_the_algorithm() -> None:
    """Of GRPO or of SFT; an evaluation has none."""
    assert plan_of(small.config().algorithm).steps == small.GRPO["steps"]
    assert plan_of(small.config(algorithm={"type": "Evaluation"}).algorithm).steps == 0
    sft = {"type": "SFT", "sft": small.SFT | {"steps": 7}}
    assert plan_of(small.config("SFT", algorithm=sft).algorithm).steps == 7


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
        made = small.components(Outside(), config)
        _ = made.rollouts
        found.append(made.longest_row)
        assert made.policy.state()["slots"] == 256
    prompt = found[0] - 40
    assert found == [prompt + 40, prompt + 120, prompt + 180]
    assert prompt > 3


def test_memory_that_holds_no_conversation_is_refused() -> None:
    """Before any work, at the pod's memory."""
    reason, field_path, value = refusal(small.config(memoryLimitBytes=1))
    assert (reason, field_path) == (TerminationReason.INVALID_MANIFEST, "spec.trainer.memory")
    assert value == "0 bytes"


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
    renderer = small.components(Outside(), config).renderer
    ids = renderer.opening("a<|im_end|>b")
    assert sum(number == renderer.stop_ids[0] for number in ids) == ends
    assert renderer.text(ids).startswith("2024-02-29")


def settings(algorithm: dict[str, Any], **more: Any) -> PolicySettings:
    """Of the policy that a run of such an algorithm gets."""
    config = small.config(algorithm=algorithm, **more)
    return policy_settings(config, plan_of(config.algorithm))


def test_a_policy_is_set_as_the_manifest_says() -> None:
    """GRPO with everything set."""
    grpo = {"steps": 1, "learningRate": "2e-5", "temperature": "0.7", "kl": {}}
    machine = {"precision": "BFloat16", "gradientCheckpointing": True, "compile": True, "microBatchTokens": 99}
    chosen = settings({"type": "GRPO", "grpo": grpo, **machine}, memoryLimitBytes=1_000)
    assert chosen == PolicySettings(2e-5, Precision.BFLOAT16, True, True, 99, 1_000, 0.7, keep_reference=True)


def test_without_a_penalty_no_reference_is_kept() -> None:
    """GRPO's defaults; demonstrations are scored at temperature 1, and an evaluation learns nothing."""
    assert settings({"type": "GRPO", "grpo": {"steps": 1}}) == PolicySettings(1e-6)
    assert settings({"type": "SFT", "sft": {"steps": 1, "learningRate": "3e-3"}}) == PolicySettings(3e-3)
    assert settings({"type": "Evaluation"}) == PolicySettings(0.0, trains=False)


def test_nothing_is_loaded_that_nobody_asks_for(tmp_path: Path) -> None:
    """Questions and rewards come without a model, which isn't even there."""
    made = small.components(Outside(), small.config(model={"path": str(tmp_path / "absent")}))
    assert len(made.questions.training(0, 3)) == 3
    assert [reward.name for reward in made.rewards] == ["exact"]
    assert made.sampler is None
    made.close()
