"""The peak of this process's resident memory over a piece of work, as the kernel counts it.

Resident memory is what gets a pod killed, and unlike a profiler of torch's allocator it holds what libraries take
behind torch's back (packed matrices of MKL, thread stacks). The kernel's high-water mark can be set back through
/proc/self/clear_refs, so what came before doesn't hide in it. glibc would keep small freed blocks resident: run the
process with QUIET_MALLOC, which hands each block of more than 64 KiB back at once.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

MIB = 2**20
QUIET_MALLOC = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536", "MALLOC_ARENA_MAX": "1"}
"""Environment of a process whose memory is measured; glibc reads it at start."""


@dataclass(slots=True)
class Peak:
    """Bytes resident before the work, and the most there were during it (set at its end)."""

    base: int
    peak: int = 0

    @property
    def above(self) -> int:
        """Returns the bytes that the work took at most, beyond what was there before."""
        return self.peak - self.base


@contextmanager
def resident_peak() -> Iterator[Peak]:
    """Measures the work in the block. Linux alone, and a kernel that lets a process reset its own mark."""
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    measured = Peak(base=_status("VmRSS"))
    yield measured
    measured.peak = _status("VmHWM")


def _status(key: str) -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(f"/proc/self/status: has no {key}, which Linux gives every process; got none")
