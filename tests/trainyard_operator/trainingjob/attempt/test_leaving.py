"""Claims about what was told to go and doesn't."""

from __future__ import annotations

from tests.trainyard_operator.builders import at, child, ended_pod, observed, pod
from trainyard_api.conditions import Reason
from trainyard_operator.trainingjob.attempt import leaving


def test_a_pod_that_outlives_its_grace_by_a_minute_is_a_problem() -> None:
    """Its node may be lost: only a person can say that nothing of it runs."""
    seen = observed(child=child(), pods=(pod(deletion_time=at(0)),))
    assert leaving.show(seen, at(59)).problems == ()
    (problem,) = leaving.show(seen, at(60)).problems
    assert problem.reason == Reason.DELETION_OVERDUE
    assert problem.message == (
        "Pod sums-1-abcde was told to go and may still run on node node-1; nothing follows until it is gone. If the "
        "node is lost, delete the node; if nothing of the pod runs any more, delete the pod by force."
    )
    over = observed(child=child(), pods=(ended_pod(137, deletion_time=at(0)), pod(uid="other")))
    assert leaving.show(over, at(600)).problems == ()


def test_a_job_that_a_finalizer_keeps_is_a_problem() -> None:
    """Whose it is says the finalizer; of several problems one is shown, a pod's first."""
    stuck = child(deletion_time=at(0), finalizers=("example.com/keep", "foregroundDeletion"))
    assert leaving.show(observed(child=stuck), at(59)).problems == ()
    (problem,) = leaving.show(observed(child=stuck), at(60)).problems
    assert problem.message == (
        "Job sums-1 was told to go, and nothing follows until it is gone; "
        "its finalizers: example.com/keep, foregroundDeletion."
    )
    both = observed(child=stuck, pods=(pod(deletion_time=at(0)),))
    assert [each.message[:3] for each in leaving.show(both, at(60)).problems] == ["Pod"]
    (bare,) = leaving.show(observed(child=child(deletion_time=at(0))), at(60)).problems
    assert bare.message.endswith("its finalizers: none.")
    assert leaving.show(observed(child=child(ours=False, deletion_time=at(0))), at(60)).problems == ()
    assert leaving.show(observed(child=child()), at(60)).problems == ()
