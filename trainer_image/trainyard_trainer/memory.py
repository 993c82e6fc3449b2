"""Measures how much memory a pass may use, and turns a device's failed allocation into one error.

Place in the data's way: stations 4 and 8. An accelerator is asked by trying; of host memory a formula answers, for the
kernel kills who asks for too much. What a policy keeps there is `footprint`'s business, which pass is done again, and
how small, that of `passes`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from trainyard_trainer.errors import TrainerError

MAX_TOKENS = 16_384
"""Most tokens of a pass, padding included, that are ever chosen: beyond it nothing gets faster."""
MIN_TOKENS = 256
"""Fewest that are chosen; where not even these fit, an update finds out, and does with less."""
HOST_PASS_BYTES = 2**29
"""Most that a pass on a CPU shall keep for its backward pass. Measured, 70 million parameters: with 0.5 GiB a sixth
faster than with 2 GiB, for every page that the allocator gives back and takes again costs a fault."""
SHARE = 0.8
"""Share of the memory that is planned with; the rest is for fragments and for what nobody foresaw."""
PROCESS_BYTES = 2**30
"""What Python, torch and transformers hold by themselves, rounded up."""
TRANSIENT = 2.0
"""A backward pass holds, beside what the forward pass kept, gradients of about the same size."""
_CGROUP_FILES = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
_HOST_ALLOCATOR = "can't allocate memory"


@dataclass(frozen=True, slots=True)
class Room:
    """Holds the bytes that sampling may use: `planned` to plan with, may be 0, and `most` at the very most."""

    planned: int
    most: int


class OutOfMemoryError(TrainerError):
    """A pass asked for more memory than there is; what it held is free once this is handled."""


@contextmanager
def pass_edge() -> Iterator[None]:
    """Turns an allocation that failed inside the block, on any device, into OutOfMemoryError."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise OutOfMemoryError(str(error)) from None
    except RuntimeError as error:
        # torch has no class of its own for host memory.
        if _HOST_ALLOCATOR not in str(error):
            raise
        raise OutOfMemoryError(str(error)) from None


def limit_of(device: torch.device, declared: int | None) -> int:
    """Finds how many bytes a process may use on a device: `host_limit` for a CPU, an accelerator's whole memory."""
    return torch.cuda.mem_get_info(device)[1] if device.type == "cuda" else host_limit(declared)


def in_words(size: float) -> str:
    """Writes a number of bytes for people, as `900 MiB`."""
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.4g} {unit}"
        size /= 1024
    return f"{size:.4g} GiB"


def host_limit(declared: int | None = None, files: tuple[Path, ...] = _CGROUP_FILES) -> int:
    """Returns the bytes that this process may use: the least of the declared limit, the control group's and the
    machine's.
    """
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    limits += [] if declared is None else [declared]
    for file in files:
        text = file.read_text().strip() if file.is_file() else "max"
        limits += [int(text)] if text.isdigit() else []
    return min(limits)


def host_room(weights: int, more: int, limit: int) -> Room:
    """Computes the room in host memory beside `weights` and what comes later, `more`, all in bytes."""
    return Room(int(SHARE * limit) - PROCESS_BYTES - weights - more, limit - weights)


def device_room(to_come: int) -> Room:
    """Measures the room on the accelerator beside what is there and `to_come` further bytes; what others use isn't
    ours.
    """
    free, _ = torch.cuda.mem_get_info()
    ours, used = free + torch.cuda.memory_reserved(), torch.cuda.memory_allocated()
    return Room(int(SHARE * ours) - used - to_come, ours - used)


def kept_bytes(forward: Callable[[], object], parameters: Iterable[torch.Tensor]) -> int:
    """Counts the bytes that a forward pass keeps for its backward pass: each storage once, without `parameters`."""
    weights = {parameter.untyped_storage().data_ptr() for parameter in parameters}
    storages: dict[int, int] = {}

    def count(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    # What is kept must stay alive until all is counted: a freed storage's address is given out again.
    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        alive = forward()
    del alive
    return sum(storages.values())


def most_tokens(fits: Callable[[int], bool]) -> int:
    """Finds the tokens of a pass: the largest power of two that fits, from `MIN_TOKENS` to `MAX_TOKENS`.

    Powers of two, so that small differences of the machine choose nothing else: another cut rounds otherwise.

    Args:
        fits: whether a pass of so many tokens fits into memory; asked in rising order, until one doesn't.
    """
    tokens = MIN_TOKENS
    while 2 * tokens <= MAX_TOKENS and fits(2 * tokens):
        tokens *= 2
    return tokens


def fits_host(bytes_of_pass: float, resident: int, limit: int) -> bool:
    """Says whether a pass of `bytes_of_pass` fits beside `resident` bytes of weights, optimizer and copies, and isn't
    larger than is useful.
    """
    return bytes_of_pass <= HOST_PASS_BYTES and PROCESS_BYTES + resident + TRANSIENT * bytes_of_pass <= SHARE * limit


def fits_device(trial: Callable[[], None], to_come: int) -> bool:
    """Tries whether a forward and backward pass fits on the accelerator beside `to_come` further bytes."""
    torch.cuda.reset_peak_memory_stats()
    try:
        with pass_edge():
            trial()
    except OutOfMemoryError:
        return False
    finally:
        torch.cuda.empty_cache()
    return torch.cuda.max_memory_allocated() + to_come <= SHARE * torch.cuda.mem_get_info()[1]
