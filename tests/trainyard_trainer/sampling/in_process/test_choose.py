"""A model is sampled by an engine that was seen to do it right, or not at all."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import torch
from transformers import DynamicCache
from transformers.models.qwen3.modeling_qwen3 import Qwen3ForCausalLM

from tests.trainyard_trainer import families
from tests.trainyard_trainer.stopping import Stop
from tests.trainyard_trainer.talks import Policy, converse, gap
from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.sampling.in_process import self_check
from trainyard_trainer.sampling.in_process.choose import choose_engine
from trainyard_trainer.sampling.in_process.self_check import Agreement


@pytest.mark.parametrize("family", ["qwen3", "mistral"])
def test_slots_are_chosen_where_they_are_right(family: str) -> None:
    """The report says so, and what was measured."""
    _, report = choose_engine(Policy(families.model_of(family)), Stop(), longest_row=64)
    assert report.kind == "Slots"
    assert "differ by" in report.message


def test_bfloat16_is_judged_by_its_mean() -> None:
    """0.02 nats on average is enough for a type of eight bits; NaN is never enough."""
    _, report = choose_engine(Policy(families.model_of("qwen3").to(torch.bfloat16)), Stop(), longest_row=64)
    assert report.kind == "Slots"
    assert Agreement(largest=0.3, mean=0.019, tokens=9, reduced=True).good
    assert not Agreement(largest=0.3, mean=0.021, tokens=9, reduced=True).good
    assert not Agreement(largest=2e-4, mean=1e-6, tokens=9, reduced=False).good


def test_a_family_that_slots_get_wrong_falls_back_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    """Mamba 2 is sampled in whole batches, right, and the report says why."""
    model = families.model_of("mamba2")
    with caplog.at_level(logging.WARNING):
        engine, report = choose_engine(Policy(model), Stop(), longest_row=64)
    assert report.kind == "WholeBatch"
    assert "takes no past_key_values" in report.message
    assert "falls back" in caplog.text
    assert gap(model, converse(engine)) <= 1e-4


class Ragged(Qwen3ForCausalLM):
    """A model that ignores the mask, so that padding leaks into shorter rows."""

    def forward(self, *args: Any, past_key_values: Any = None, **options: Any) -> Any:
        """As the class's, without the mask."""
        return super().forward(*args, past_key_values=past_key_values, **(options | {"attention_mask": None}))


class Forgetful(Qwen3ForCausalLM):
    """A model that gives no thought to what it has read before, unless it reads all at once."""

    def forward(self, *args: Any, past_key_values: Any = None, **options: Any) -> Any:
        """As the class's, with an empty cache every time."""
        fresh = DynamicCache(config=self.config) if past_key_values is not None else None
        return super().forward(*args, past_key_values=fresh, **options)


class Stuttering(Qwen3ForCausalLM):
    """A model that reads several tokens behind what it has read as if they were a beginning."""

    def forward(self, input_ids: Any, past_key_values: Any = None, position_ids: Any = None, **options: Any) -> Any:
        """As the class's, with other positions."""
        behind = past_key_values is not None and past_key_values.get_seq_length() > 0
        if behind and input_ids.shape[1] > 1:
            position_ids = torch.zeros_like(position_ids)
        return super().forward(input_ids, past_key_values=past_key_values, position_ids=position_ids, **options)


class Whimsical(Qwen3ForCausalLM):
    """A model that says something else every time."""

    def forward(self, *args: Any, **options: Any) -> Any:
        """As the class's, with noise."""
        output = super().forward(*args, **options)
        output.logits = output.logits + torch.randn_like(output.logits)
        return output


@pytest.mark.parametrize("kind", [Ragged, Forgetful])
def test_what_the_check_finds_is_not_trained_on(kind: type) -> None:
    """A fault that shows in ragged batches or cached steps only, without any error, leads to the fallback."""
    policy = Policy(kind(families.config_of("qwen3")).eval())
    policy.model.load_state_dict(families.model_of("qwen3").state_dict())
    engine, report = choose_engine(policy, Stop(), longest_row=64)
    assert report.kind == "WholeBatch"
    assert "slots: log-probabilities differ" in report.message
    assert self_check.check(policy, lambda: engine).good


def test_replies_are_read_token_by_token_where_a_pass_would_be_wrong() -> None:
    """Slots still, without passes that read behind a history."""
    policy = Policy(Stuttering(families.config_of("qwen3")).eval())
    policy.model.load_state_dict(families.model_of("qwen3").state_dict())
    engine, report = choose_engine(policy, Stop(), longest_row=64)
    assert (report.kind, report.message.split(":")[0]) == ("Slots", "slots, replies token by token")
    assert gap(policy.model, converse(engine)) <= 1e-4


def test_a_model_that_nothing_samples_right_is_refused() -> None:
    """With the field, the class, and what each engine measured."""
    with pytest.raises(RefusedError, match=r"spec\.model.*slots: .*whole batches: .*without a cache: ") as caught:
        choose_engine(Policy(Whimsical(families.config_of("qwen3")).eval()), Stop(), longest_row=64)
    assert (caught.value.reason, caught.value.value) == (TerminationReason.MODEL_UNSUITABLE, "Whimsical")


class Unlucky(Qwen3ForCausalLM):
    """A model on a device that fails."""

    def forward(self, *_: Any, **__: Any) -> Any:
        """As torch says it."""
        raise torch.AcceleratorError("CUDA error: uncorrectable ECC error encountered")


def test_a_device_that_fails_is_not_the_models_fault() -> None:
    """It is a crash, which is worth another attempt, not a refusal, which is final."""
    with pytest.raises(torch.AcceleratorError, match="ECC"):
        choose_engine(Policy(Unlucky(families.config_of("qwen3")).eval()), Stop(), longest_row=64)


class Hungry(Qwen3ForCausalLM):
    """A model on a device that is full."""

    def forward(self, *_: Any, **__: Any) -> Any:
        """As torch says it."""
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


class HungryAlone(Qwen3ForCausalLM):
    """A model whose passes fit only where they go on from a cache."""

    def forward(self, *args: Any, past_key_values: Any = None, **options: Any) -> Any:
        """As the class's, or as the host's allocator says it."""
        if past_key_values is None:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")
        return super().forward(*args, past_key_values=past_key_values, **options)


@pytest.mark.parametrize("kind", [Hungry, HungryAlone])
def test_a_check_that_ran_out_of_memory_is_not_the_models_fault(kind: type) -> None:
    """Neither in what is sampled nor in what it is compared with; the refusal names the memory."""
    with pytest.raises(RefusedError) as refused:
        choose_engine(Policy(kind(families.config_of("qwen3")).eval()), Stop(), longest_row=64)
    assert (refused.value.reason, refused.value.field_path) == (
        TerminationReason.INVALID_MANIFEST,
        "spec.trainer.memory",
    )
