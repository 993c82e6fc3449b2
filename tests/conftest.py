"""Settings of all tests: what is random is the same in every run, and how fast the machine is decides nothing."""

from __future__ import annotations

import faulthandler

from hypothesis import HealthCheck, settings

from tests.waiting import GUARD_SECONDS

settings.register_profile(
    "seeded", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)
settings.load_profile("seeded")


def pytest_unconfigure() -> None:
    """A process that doesn't end after its tests shows where it hangs, and ends with 1."""
    faulthandler.dump_traceback_later(GUARD_SECONDS, exit=True)
