"""Frees each mutant's process from looking through the memory of the one that it was forked from.

A plugin of pytest. Without it a full collection of garbage, of which pytest does several, costs seconds per mutant.
"""

from __future__ import annotations

import gc

import pytest


def pytest_collection_finish(session: pytest.Session) -> None:
    """Put all objects of the process that imports the tests, and runs none, out of the collector's reach."""
    if session.config.option.collectonly:
        gc.collect()
        gc.freeze()
