"""Both engines are asked for the same pods; that they make them, `test_plane` sees."""

from __future__ import annotations

from hack.bench.burst.engines import bare_job, training_job
from hack.bench.burst.plane import NAMESPACE
from trainyard_api.manifest import check_manifest
from trainyard_api.training_job import TrainingJob


def test_a_training_job_of_the_burst_is_a_good_one() -> None:
    """Today's API takes it, without a field that it doesn't know."""
    manifest = check_manifest(training_job("burst-1"))
    assert isinstance(manifest, TrainingJob)


def test_both_ask_for_a_pod_of_the_same_size() -> None:
    """Or one would have less to do; both are in the plane's namespace, and neither pod is tried again."""
    job, bare = training_job("burst-1"), bare_job("burst-1")
    pod = bare["spec"]["template"]["spec"]
    assert pod["containers"][0]["resources"]["requests"] == job["spec"]["trainer"]
    assert job["metadata"] == bare["metadata"] == {"name": "burst-1", "namespace": NAMESPACE}
    assert (bare["spec"]["backoffLimit"], pod["restartPolicy"]) == (0, "Never")
