"""Claims about pods that outlive their TrainingJob; settling them is tested with deletions."""

from __future__ import annotations

import copy

from tests.trainyard_operator.builders import POD_BODY, POD_UID, UID, time_text
from trainyard_operator.trainingjob.orphans import orphans_in

ENDED = copy.deepcopy(POD_BODY)
ENDED["status"]["phase"] = "Failed"


def test_an_ended_pod_without_its_job_is_an_orphan() -> None:
    """By the uid of the job, not by its name."""
    assert [pod.uid for pod in orphans_in([ENDED], {"another"})] == [POD_UID]
    assert orphans_in([ENDED], {UID}) == []


def test_a_living_pod_or_one_that_we_dont_hold_is_left_alone() -> None:
    """The first still costs money; the second waits for nobody."""
    free = copy.deepcopy(ENDED)
    free["metadata"]["finalizers"] = []
    assert orphans_in([POD_BODY, free], set()) == []


def test_a_malformed_pod_stops_nobody() -> None:
    """It is logged and passed over."""
    broken = copy.deepcopy(ENDED)
    broken["metadata"]["creationTimestamp"] = time_text(0) + "x"
    assert [pod.uid for pod in orphans_in([broken, ENDED], set())] == [POD_UID]
