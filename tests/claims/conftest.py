"""Runs without a cluster, of which one is nobody's victim."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.claims.local_runs import Runs, Undisturbed, undisturbed_run
from tests.trainyard_operator.conftest import bench, operator_bench

__all__ = ["bench", "operator_bench"]


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """One process that forks them all."""
    made = Runs(tmp_path_factory.mktemp("runs"))
    yield made
    made.close()


@pytest.fixture(scope="session")
def whole(runs: Runs) -> Undisturbed:
    """The run that nothing happens to; it learns something, or it would prove nothing."""
    made = undisturbed_run(runs)
    norms = [row["values"]["grad_norm"] for row in made.rows["metrics"] if row["kind"] == "step"]
    assert norms
    assert all(norm > 0 for norm in norms)
    return made
