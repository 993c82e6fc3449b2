"""Settings of all tests: what is random is the same in every run, and how fast the machine is decides nothing."""

from __future__ import annotations

import faulthandler
import gc
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.waiting import GUARD_SECONDS

BENCH = "tests/trainyard_operator/"
"""Below it are the tests that share the operator's bench."""
OWN_BENCH = "tests/trainyard_operator/trainingjob/test_stops_integration.py"
"""It takes a third of their time: another process may start a bench for it."""

settings.register_profile(
    "seeded", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)
settings.load_profile("seeded")


gc.disable()  # until the tests' modules are imported: nothing of them is garbage


def pytest_collection_finish() -> None:
    """What was imported lives to the end: the garbage collector needn't look through it again and again."""
    gc.freeze()
    gc.enable()


def pytest_unconfigure() -> None:
    """A process that doesn't end after its tests shows where it hangs, and ends with 1."""
    gc.unfreeze()
    faulthandler.dump_traceback_later(GUARD_SECONDS, exit=True)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Gives a file's tests to one process, and all that share the operator's bench, which is started once then.

    Files begin in the order in which they were found, not those with most tests: slow files have few.
    """
    if config.option.dist != "loadfile":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class OneBench(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return BENCH if file.startswith(BENCH) and file != OWN_BENCH else file

    config.option.loadscopereorder = False
    return OneBench(config, log)
