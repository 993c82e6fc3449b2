"""What fits into memory, and what it means when something doesn't."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.trainyard_trainer.policies import policy
from trainyard_trainer import memory


def test_an_allocation_that_the_host_refuses_is_out_of_memory() -> None:
    """As torch says it for an accelerator, as its host allocator says it, as Python says it."""
    with pytest.raises(memory.OutOfMemoryError), memory.pass_edge():
        torch.empty(2**60)
    for error in (torch.OutOfMemoryError("CUDA out of memory"), MemoryError()):
        with pytest.raises(memory.OutOfMemoryError), memory.pass_edge():
            raise error
    with pytest.raises(RuntimeError, match=r"^of another kind$"), memory.pass_edge():
        raise RuntimeError("of another kind")


def test_the_least_limit_counts(tmp_path: Path) -> None:
    """Of what was declared, the control group's, which may be none, and the machine's memory."""
    limited, unlimited, gone = tmp_path / "limited", tmp_path / "unlimited", tmp_path / "gone"
    limited.write_text("1000000\n")
    unlimited.write_text("max\n")
    assert memory.host_limit(None, (unlimited, limited, gone)) == 1_000_000
    assert memory.host_limit(5_000, (limited,)) == 5_000
    assert 2**28 < memory.host_limit(None, (unlimited, gone)) < 2**50


def test_what_a_forward_pass_keeps_is_counted_once() -> None:
    """A product keeps its input, not its weight; an input that two keep counts once."""
    weight = torch.nn.Parameter(torch.ones(8, 8))
    given = torch.ones(100, 8, requires_grad=True)
    assert memory.kept_bytes(lambda: given @ weight, [weight]) == given.nbytes
    assert memory.kept_bytes(lambda: (given @ weight) + (given @ weight), [weight]) == given.nbytes
    assert memory.kept_bytes(lambda: (given @ weight).exp() * 1.0, [weight]) == 2 * given.nbytes


def test_a_pass_has_a_power_of_two_of_tokens() -> None:
    """The most that fit, never beyond what is useful, never fewer than the least."""
    asked: list[int] = []
    assert memory.most_tokens(lambda tokens: not asked.append(tokens) and tokens <= 3_000) == 2_048
    assert asked == [512, 1_024, 2_048, 4_096]
    assert memory.most_tokens(lambda _: True) == memory.MAX_TOKENS
    assert memory.most_tokens(lambda _: False) == memory.MIN_TOKENS


def test_a_trial_that_did_not_fit_leaves_no_gradients_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """They would take room from the first rollouts."""
    chosen = policy()

    def full() -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(chosen._weights, "collect", full)
    with pytest.raises(torch.OutOfMemoryError):
        chosen._try(2, 16)
    assert all(parameter.grad is None for parameter in chosen.trained)


def test_a_pass_on_a_cpu_is_no_larger_than_is_of_use() -> None:
    """However much memory there is."""
    half, giant = memory.HOST_PASS_BYTES / 2, 2**50
    assert memory.fits_host(half, 0, giant)
    assert not memory.fits_host(3 * half, 0, giant)
    assert not memory.fits_host(half, giant, giant)


def test_an_accelerator_is_asked_by_trying(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial that runs out of memory doesn't fit; nor one that leaves no room for what is still to come."""
    gibibyte = 2**30
    freed: list[None] = []
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda: None)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: freed.append(None))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: 6 * gibibyte)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (0, 10 * gibibyte))

    def trial() -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    assert not memory.fits_device(trial, 0)
    assert memory.fits_device(lambda: None, 2 * gibibyte)
    assert not memory.fits_device(lambda: None, 2 * gibibyte + 1)
    assert len(freed) == 3


def test_room_for_sampling_is_what_the_rest_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planned with a reserve and with what is still to come; beyond the whole rest there is nothing."""
    gibibyte = 2**30
    found = memory.host_room(gibibyte, gibibyte, 10 * gibibyte)
    assert found == memory.Room(8 * gibibyte - memory.PROCESS_BYTES - 2 * gibibyte, 9 * gibibyte)
    # Of 80 GiB others use 20; of our 15, 10 are in use, so there are 60 for us in all.
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (45 * gibibyte, 80 * gibibyte))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda: 15 * gibibyte)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda: 10 * gibibyte)
    assert memory.device_room(6 * gibibyte) == memory.Room(32 * gibibyte, 50 * gibibyte)


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1536, "1.5 KiB"),
        (900 * 2**20, "900 MiB"),
        (2**30, "1 GiB"),
        (1500 * 2**30, "1500 GiB"),
    ],
)
def test_sizes_are_told_in_the_units_of_manifests(size: int, words: str) -> None:
    """Four digits at most, so that two sizes are compared at a glance."""
    assert memory.in_words(size) == words


def test_the_limit_of_a_processor_is_the_least_that_is_known() -> None:
    """What was declared, where it is less than the machine has."""
    assert memory.limit_of(torch.device("cpu"), 2**20) == 2**20
    assert memory.limit_of(torch.device("cpu"), None) == memory.host_limit()
