"""As many conversations are decoded at a time as have room, and what is sampled doesn't depend on how many that is."""

from __future__ import annotations

import weakref
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tests.trainyard_trainer import families
from tests.trainyard_trainer.stopping import Stop
from tests.trainyard_trainer.talks import Policy, converse, tokens
from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.memory import Room, in_words
from trainyard_trainer.sampling.in_process import slot_decoder
from trainyard_trainer.sampling.in_process.choose import choose_engine
from trainyard_trainer.sampling.in_process.reading import CachedModel
from trainyard_trainer.sampling.in_process.sampler import InProcessEngine
from trainyard_trainer.sampling.in_process.slot_count import (
    DRAWING_BYTES,
    REBUILDING,
    STRAGGLING,
    most_slots,
    read_probe,
    row_bytes,
    too_little_memory,
)
from trainyard_trainer.sampling.in_process.slot_decoder import SlotDecoder

LONGEST = 64


def room_for(model: Any, slots: float) -> Room:
    """Room for so many conversations of `LONGEST` tokens."""
    one = row_bytes(read_probe(CachedModel(Policy(model))), LONGEST + STRAGGLING)
    return Room(int(REBUILDING * one * slots), 2**40)


def widest(model: Any, chosen: InProcessEngine) -> tuple[int, dict[int, list[int]]]:
    """Most rows of any pass that decodes, and what was said."""
    rows = [0]

    def count(_: torch.nn.Module, __: tuple[object, ...], options: dict[str, torch.Tensor]) -> None:
        if options["input_ids"].shape[1] == 1:
            rows.append(len(options["input_ids"]))

    hook = model.register_forward_pre_hook(count, with_kwargs=True)
    said = tokens(converse(chosen))
    hook.remove()
    return max(rows), said


def test_slots_are_a_power_of_two_that_fits_or_all_that_are_wanted() -> None:
    """Twice a row each, for both batches while one is put together anew; at least one, whatever was planned."""
    rooms = {-5: 1, 0: 1, 199: 1, 200: 1, 399: 1, 400: 2, 1_399: 4, 1_400: 7, 10**9: 7}
    assert {planned: most_slots(100, Room(planned, 10**9), 7) for planned in rooms} == rooms
    assert most_slots(100, None, 7) == 7


@pytest.mark.parametrize("family", ["qwen3", "gemma2", "falcon_h1", "qwen3_next", "gpt2"])
@pytest.mark.parametrize("count", [5, 23])
def test_a_row_weighs_what_its_cache_takes(family: str, count: int) -> None:
    """To the byte, by a probe of two tokens: full attention, windows shorter than the row, and states."""
    model = CachedModel(Policy(families.model_of(family)))
    with torch.no_grad():
        ((_, read),) = model.read_prompts([tuple(range(4, 4 + count))])
    taken = 0
    for layer in read.rows.take([0]).layers:
        tensors = [layer.keys, layer.values, *(state for _, _, state in layer.states)]
        taken += sum(tensor.untyped_storage().nbytes() for tensor in tensors if tensor is not None)
    assert taken > 0
    assert row_bytes(read_probe(model), count) == taken + DRAWING_BYTES * read.logits.shape[-1]


@pytest.mark.parametrize("family", ["qwen3", "gemma2", "falcon_h1"])
def test_the_old_batch_is_gone_before_the_new_one_is_there(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that were taken from it don't keep its tensors; else a batch would need room for three."""
    decoder = SlotDecoder(CachedModel(Policy(families.model_of(family))), 4)
    admit, join = decoder.admit, slot_decoder.join
    old: list[weakref.ref[torch.Tensor]] = []
    looked = []

    def tensors() -> list[torch.Tensor]:
        layers = decoder._batch._cache.layers if decoder._batch is not None else []
        found = [getattr(layer, name, None) for layer in layers for name in ("keys", "values")]
        return [tensor for tensor in found if tensor is not None]

    def admitting(turns: Any) -> Any:
        old[:] = map(weakref.ref, tensors())
        return admit(turns)

    def joining(parts: Any) -> Any:
        looked.append(len(old))
        assert [one for one in old if one() is not None] == []
        return join(parts)

    monkeypatch.setattr(decoder, "admit", admitting)
    monkeypatch.setattr(slot_decoder, "join", joining)
    converse(InProcessEngine(Policy(families.model_of(family)), Stop(), decoder))
    assert sum(count > 0 for count in looked) > 3


@pytest.mark.parametrize("family", ["qwen3", "gemma2", "falcon_h1"])
def test_little_memory_means_fewer_slots_and_the_same_tokens(family: str) -> None:
    """The number follows from the room, the policy has it, and what it has afterwards, from a checkpoint, counts."""
    model = families.model_of(family)
    unlimited, limited = Policy(model), Policy(model, limit=room_for(model, 5.5))
    most, said = widest(model, choose_engine(unlimited, Stop(), longest_row=LONGEST)[0])
    assert (unlimited.slots, most) == (256, 8)
    chosen, _ = choose_engine(limited, Stop(), longest_row=LONGEST)
    assert limited.slots == 4
    assert widest(model, chosen) == (4, said)
    limited.slots = 2
    assert widest(model, chosen) == (2, said)


def test_a_conversation_that_can_never_fit_is_refused() -> None:
    """With the field to change, and what there was; one that fits only against the plan is tried."""
    model = families.model_of("qwen3")
    one = row_bytes(read_probe(CachedModel(Policy(model))), LONGEST)
    with pytest.raises(RefusedError) as refused:
        choose_engine(Policy(model, limit=Room(-9, one - 1)), Stop(), longest_row=LONGEST)
    assert refused.value.reason is TerminationReason.INVALID_MANIFEST
    assert str(refused.value) == (
        f"spec.trainer.memory: must leave memory to sample one conversation with all its turns: {LONGEST} tokens need "
        f"{in_words(one)} beside the weights; fewer or shorter turns take less; got '{in_words(one - 1)}'"
    )
    on_device = SimpleNamespace(device=torch.device("cuda"), room=lambda: Room(-9, -1))
    refused_there = too_little_memory(on_device, "x")
    assert (refused_there.field_path, refused_there.value) == ("spec.trainer.gpus", "0 bytes")
    tight = Policy(model, limit=Room(-9, one))
    choose_engine(tight, Stop(), longest_row=LONGEST)
    assert tight.slots == 1
