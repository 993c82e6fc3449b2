"""What a policy keeps in memory decides how large its passes are, and what sampling may use."""

from __future__ import annotations

import torch

from tests.trainyard_trainer.policies import policy
from trainyard_trainer import memory


def test_less_memory_means_smaller_passes_and_checkpointing_larger_ones() -> None:
    """From the pod's limit, before the first step; what the settings or a state say stands."""
    found = {}
    for checkpointing in (False, True):
        for mebibytes in (2_000, 1_400, 1_300):
            chosen = policy(memory_limit_bytes=mebibytes * 2**20, gradient_checkpointing=checkpointing)
            chosen.prepare(64)
            found[checkpointing, mebibytes] = chosen.micro_batch_tokens
    assert found[False, 2_000] == found[True, 2_000] == memory.MAX_TOKENS
    assert found[False, 1_300] < found[False, 1_400] <= found[True, 1_400]
    assert found[False, 1_300] < found[True, 1_300]
    given = policy(micro_batch_tokens=77, memory_limit_bytes=1)
    given.prepare(64)
    assert given.micro_batch_tokens == 77
    successor = policy(memory_limit_bytes=1)
    successor.load_state(given.state())
    successor.prepare(64)
    assert successor.micro_batch_tokens == 77


def test_what_is_planned_for_a_pass_is_what_it_takes() -> None:
    """The peak of a real forward and backward pass, as torch's allocator saw it, lies below the plan and not far."""
    chosen = policy()
    kept = chosen._kept_bytes(256)
    with torch.profiler.profile(profile_memory=True) as profile:
        chosen._try(8, 256)
    held = peak = 0
    for event in profile.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
    assert 0.3 < peak / (memory.TRANSIENT * 8 * kept) < 1.0


def test_weights_copies_and_moments_leave_less_room_for_sampling() -> None:
    """A reference is a copy; a policy that only answers has neither moments nor snapshots."""
    limit = 2**33
    plain = policy(memory_limit_bytes=limit)
    weights = sum(parameter.nbytes for parameter in plain.model.parameters())
    planned = int(memory.SHARE * limit) - memory.PROCESS_BYTES
    # Beside the weights two moments, and all of it again in a snapshot.
    assert plain.room() == memory.Room(planned - 6 * weights, limit - weights)
    assert policy(memory_limit_bytes=limit, trains=False).room() == memory.Room(planned - weights, limit - weights)
    referred = policy(memory_limit_bytes=limit, keep_reference=True).room()
    assert referred == memory.Room(planned - 7 * weights, limit - 2 * weights)
