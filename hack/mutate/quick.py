"""Makes each mutant's process quick: a plugin of pytest that mutmut's settings name.

A mutant is forked from a process that has imported all tests. To search that process's memory for garbage costs
seconds, and to look for the smallest example of a failure costs more than to find one.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import io
from collections.abc import Generator

import pytest
from hypothesis import Phase, settings


def pytest_configure() -> None:
    """Let Hypothesis stop at the first failure; the tests' own settings are loaded already."""
    settings.register_profile("mutants", settings.default, phases=(Phase.explicit, Phase.generate))
    settings.load_profile("mutants")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Put all objects of the process that imports the tests, and runs none, out of the collector's reach."""
    if session.config.option.collectonly:
        gc.collect()
        gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_unconfigure() -> Generator[None]:
    """Take back the guard that ends a process which goes on after its tests: this one goes on to fork mutants."""
    with contextlib.suppress(io.UnsupportedOperation):  # the guard can't write where mutmut has put stderr
        yield
    faulthandler.cancel_dump_traceback_later()
