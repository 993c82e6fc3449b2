"""The operator as a process on a real API server: what it makes, writes, books and lets go."""

from __future__ import annotations

import pytest

from tests.trainyard_operator.bench import Bench, condition

pytestmark = pytest.mark.integration


def test_a_job_runs_from_queued_to_completed(bench: Bench) -> None:
    """A pod that ends with a committed checkpoint makes the job Completed, with the checkpoint as an object."""
    pod = bench.running("whole-way")
    job = bench.api.job("whole-way")
    uri = bench.claim(job, 10)
    bench.finish("whole-way", pod, uri)
    done = bench.api.wait_condition("whole-way", "Succeeded", reason="Completed", status="True")
    assert done["status"]["latestCheckpointRef"]["name"].startswith("whole-way-")
    assert condition(done, "Reconciling")["status"] == "False"
