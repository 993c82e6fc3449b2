"""How many conversations are decoded at a time: as many as have room for what the model keeps of them.

Place in the data's way: station 4, and again in station 5 where memory ran out all the same. Rows are weighed by a
cache that the model itself made, so nothing here knows a model. Which token is drawn doesn't depend on the number;
the last bits of its log-probability may, so the policy keeps the number with its state.
"""

from __future__ import annotations

import logging

import torch

from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.memory import Room, in_words
from trainyard_trainer.sampling.in_process.reading import CachedModel, ReadTokens, SampledPolicy

SLOTS = 256
"""Most conversations that are decoded at a time; beyond it nothing gets faster."""
STRAGGLING = 128
"""Columns that rows which have ended may still grow by, beside others, before the batch is put together anew: half of
`SLOTS` steps of one such row, by `slot_decoder.WASTE`."""
REBUILDING = 2
"""While a batch is put together anew, what it is made of is there beside it."""
DRAWING_BYTES = 24
"""Of each number of the vocabulary, while a row draws: logits, tempered, their probabilities and float64 sums."""
_PROBE = 2
log = logging.getLogger(__name__)


def read_probe(model: CachedModel) -> ReadTokens:
    """Reads a short prompt and returns what that leaves, to be weighed."""
    with torch.no_grad():
        ((_, read),) = model.read_prompts([(0,) * _PROBE])
    return read


def row_bytes(probe: ReadTokens, tokens: int) -> int:
    """Counts the bytes that a conversation of so many tokens takes while it is decoded, in the cache and in a draw."""
    return probe.rows.row_bytes(tokens) + DRAWING_BYTES * probe.logits.shape[-1]


def most_slots(bytes_of_row: int, room: Room | None, cap: int) -> int:
    """Returns how many conversations are decoded at a time: `cap`, or the largest power of two that fits, at least one.

    Powers of two, so that small differences of the machine choose nothing else.

    Args:
        bytes_of_row: what one takes, from `row_bytes`.
        room: bytes that sampling may use; None where no limit is known.
        cap: most that are ever wanted.
    """
    if room is None:
        return cap
    fitting = room.planned // (REBUILDING * bytes_of_row)
    return cap if fitting >= cap else max(1, 1 << max(0, fitting).bit_length() >> 1)


def settle_slots(model: CachedModel, longest_row: int, cap: int) -> int:
    """Computes `most_slots` for a policy's model.

    Raises:
        RefusedError: INVALID_MANIFEST; one conversation takes more than there is beside the weights.
    """
    room = model.policy.room()
    probe = read_probe(model)
    taken = row_bytes(probe, longest_row)
    if room is not None and taken > room.most:
        raise too_little_memory(model.policy, f"{longest_row} tokens need {in_words(taken)} beside the weights")
    slots = most_slots(row_bytes(probe, longest_row + STRAGGLING), room, cap)
    log.info("there is room for %d conversations of %d tokens at a time", slots, longest_row)
    return slots


def too_little_memory(policy: SampledPolicy, needed: str) -> RefusedError:
    """Makes the refusal of a run that can't sample even one conversation: what is `needed`, and what is left."""
    room = policy.room()
    return RefusedError(
        TerminationReason.INVALID_MANIFEST,
        f"must leave memory to sample one conversation with all its turns: {needed}; fewer or shorter turns take less",
        field_path="spec.trainer.gpus" if policy.device.type == "cuda" else "spec.trainer.memory",
        value=None if room is None else in_words(max(0, room.most)),
    )
