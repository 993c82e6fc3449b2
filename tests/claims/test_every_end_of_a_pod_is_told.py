"""Every row of the table of endings is told from a pod as the API has it, with what docs/failures.md says of it."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from tests.trainyard_operator.builders import POD_BODY, PREFIX, at, run, time_text
from trainyard_operator.cluster.pod import read_pod
from trainyard_operator.trainingjob.attempt.failure import TABLE
from trainyard_operator.trainingjob.attempt.outcome import Circumstances, Outcome, judge_end, judge_start

ALONE, ASKED = Circumstances(), Circumstances(stop_asked=True)
INTERRUPTION = ("Disrupted", False, False, False)
DONE = json.dumps({"reason": "Completed", "committedUri": f"{PREFIX}step-10-9d2f0c3e/"})
REFUSAL = json.dumps(
    {"reason": "UnknownTask", "fieldPath": "spec.task.name", "value": "chess", "message": "no such task"}
)


def _body(state: dict[str, Any] | None = None, **facts: Any) -> dict[str, Any]:
    """A pod as the API has it, its trainer's container in a state; `facts` join its status, `metadata` its metadata."""
    body = copy.deepcopy(POD_BODY)
    body["metadata"] |= facts.pop("metadata", {})
    if state is not None:
        body["status"]["containerStatuses"] = [{"name": "trainer", "state": state}]
    body["status"] |= facts
    return body


def _ended(code: int, message: str = "", reason: str = "Error") -> dict[str, Any]:
    ended = {"exitCode": code, "message": message, "reason": reason, "finishedAt": time_text(-10)}
    return {"terminated": ended}


def _waits(reason: str, message: str = "") -> dict[str, Any]:
    return {"waiting": {"reason": reason, "message": message}}


DISRUPTED = {"conditions": [{"type": "DisruptionTarget", "status": "True", "message": "preempted"}]}
DELETED = {"metadata": {"deletionTimestamp": time_text(-10), "deletionGracePeriodSeconds": 30}}
FORCED = {"metadata": {"deletionTimestamp": time_text(-10), "deletionGracePeriodSeconds": 0}}
EARLY = DONE.replace("Completed", "EarlyStopped")
NO_SECRET = _waits("CreateContainerConfigError", 'secret "trainyard-db" not found')
UNSAVED = '{"reason": "StoppedUnsaved", "message": "no step was finished"}'
EVICTED = {"phase": "Failed", "reason": "Evicted"}
LATE = Circumstances(deadline_exceeded=True)
NEVER = Circumstances(ever_started=False)
ROWS: list[tuple[str, dict[str, Any] | None, Circumstances, tuple[str, bool, bool, bool]]] = [
    # What, the pod, its circumstances → reason, success, final, counts.
    ("done", _body(_ended(0, DONE)), ALONE, ("Completed", True, False, False)),
    ("done though asked to stop", _body(_ended(0, DONE)), ASKED, ("Completed", True, False, False)),
    ("early", _body(_ended(0, EARLY)), ALONE, ("EarlyStopped", True, False, False)),
    ("no result", _body(_ended(0)), ALONE, ("ResultMissing", False, False, True)),
    ("refusal", _body(_ended(20, REFUSAL)), ALONE, ("UnknownTask", False, True, False)),
    ("refusal though asked to stop", _body(_ended(20, REFUSAL)), ASKED, ("UnknownTask", False, True, False)),
    ("refusal without a word", _body(_ended(20)), ALONE, ("TrainerCrashed", False, True, False)),
    ("stopped", _body(_ended(10), **DELETED), ASKED, ("Stopped", False, False, False)),
    (
        "stopped with nothing saved",
        _body(_ended(10, UNSAVED), **DELETED),
        ASKED,
        ("StoppedUnsaved", False, False, False),
    ),
    ("deleted by hand", _body(_ended(143), **DELETED), ALONE, ("Interrupted", False, False, False)),
    ("deleted by hand, the kubelet is done", _body(_ended(143), **FORCED), ALONE, ("Interrupted", False, False, False)),
    ("stopped unsaved", _body(_ended(137), **DELETED), ASKED, ("StoppedUnsaved", False, False, False)),
    ("gone when asked", None, ASKED, ("StoppedUnsaved", False, False, False)),
    ("memory", _body(_ended(137, reason="OOMKilled")), ALONE, ("OutOfMemory", False, False, True)),
    ("own disk", _body(None, message="ephemeral-storage", **EVICTED), ALONE, ("StorageExceeded", False, False, True)),
    (
        "evicted for the node, and why",
        _body(None, message="it has larger consumption of ephemeral-storage", **EVICTED, **DISRUPTED),
        *(ALONE, ("StorageExceeded", False, False, True)),
    ),
    ("evicted for the node", _body(None, message="low on memory", **EVICTED, **DISRUPTED), ALONE, INTERRUPTION),
    (
        "rejected",
        _body(_waits("ContainerCreating"), phase="Failed", reason="UnexpectedAdmissionError", message="no GPU"),
        *(ALONE, ("Rejected", False, False, False)),
    ),
    ("disrupted", _body(_ended(10), **DISRUPTED, **DELETED), ALONE, INTERRUPTION),
    ("its Job's deadline", _body(_ended(10), **DELETED), LATE, ("DeadlineExceeded", False, False, False)),
    ("interrupted", _body(_ended(10)), ALONE, ("Interrupted", False, False, False)),
    ("deleted", _body(_ended(143), **DELETED), ALONE, ("Interrupted", False, False, False)),
    ("gone", None, ALONE, ("PodLost", False, False, True)),
    ("deleted by force", _body(None, **FORCED), ALONE, ("PodLost", False, False, True)),
    ("crashed", _body(_ended(1, "boom")), ALONE, ("TrainerCrashed", False, False, True)),
    ("failed without a word", _body(_waits(""), phase="Failed"), ALONE, ("TrainerCrashed", False, False, True)),
    ("image", _body(_waits("ErrImagePull")), NEVER, ("ImageUnavailable", False, True, False)),
    ("image, later", _body(_waits("ErrImagePull")), ALONE, ("ImageUnavailable", False, False, True)),
    ("image, when asked", _body(_waits("ErrImagePull")), ASKED, ("ImageUnavailable", False, False, True)),
    ("secret", _body(NO_SECRET), NEVER, ("SecretUnavailable", False, True, False)),
    ("secret, later", _body(NO_SECRET), ALONE, ("SecretUnavailable", False, False, True)),
    ("start", _body(_waits("ContainerCreating")), NEVER, ("StartDeadlineExceeded", False, True, False)),
    ("start, later", _body(_waits("ContainerCreating")), ALONE, ("StartDeadlineExceeded", False, False, True)),
]


def _judged(body: dict[str, Any] | None, around: Circumstances) -> Outcome:
    seen = read_pod(body) if body is not None else None
    if seen is None or seen.ended:
        return judge_end(seen, run(), around)
    end, trouble = judge_start(seen, run(), around, at(600))
    assert trouble is None
    assert end is not None
    return end


@pytest.mark.parametrize(("body", "around", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_each_end_is_told_from_the_pod_as_the_api_has_it(
    body: dict[str, Any] | None, around: Circumstances, expected: tuple[str, bool, bool, bool]
) -> None:
    """Its reason; whether the work is done, another attempt has a sense, and it counts against spec.retry."""
    found = _judged(body, around)
    assert (found.reason, found.success, found.final, found.counts) == expected
    assert found.message


def test_every_row_of_the_table_is_among_them() -> None:
    """By its word; the trainer's own, for what it refuses."""
    reasons = {_judged(body, around).reason for _, body, around, _ in ROWS}
    assert {str(row.reason) if row.reason is not None else "UnknownTask" for row in TABLE} == reasons


MESSAGES = [
    (_ended(1), {}, ALONE, "pod sums-1-abcde ended with exit code 1"),
    (_ended(137), DELETED, ASKED, "pod sums-1-abcde was told to stop and ended with exit code 137, unsaved"),
    (_ended(10), DELETED, ASKED, "pod sums-1-abcde was told to stop; its state is saved"),
    (
        _ended(10, UNSAVED),
        *(DELETED, ASKED),
        "pod sums-1-abcde was told to stop and ended with exit code 10, unsaved: no step was finished",
    ),
    (_ended(10, UNSAVED), {}, ALONE, "pod sums-1-abcde was stopped by somebody else; nothing of it was saved"),
    (_ended(10), {}, ALONE, "pod sums-1-abcde was stopped by somebody else; its state is saved"),
    (_ended(143), DELETED, ALONE, "pod sums-1-abcde was stopped by somebody else; it ended with exit code 143"),
    (_ended(10), DISRUPTED, ALONE, "pod sums-1-abcde was disrupted: preempted"),
    (_ended(10), {}, LATE, "pod sums-1-abcde was stopped: its Job's activeDeadlineSeconds had passed"),
    (None, FORCED, ALONE, "pod sums-1-abcde was deleted and left no exit code"),
    (_ended(137), {"message": "over", **EVICTED}, ALONE, "pod sums-1-abcde was evicted: Evicted: over"),
    (_waits(""), {"message": "over", **EVICTED}, ALONE, "pod sums-1-abcde ended and left no exit code: Evicted: over"),
    (_waits(""), {"phase": "Failed", **DISRUPTED}, ALONE, "pod sums-1-abcde ended and left no exit code: preempted"),
    (_ended(0), {}, ALONE, 'committedUri: the trainer must name a checkpoint below its run\'s prefix; got "nothing"'),
    (_ended(0, '{"reason": "Completed", "committedUri": "s3://x/"}'), {}, ALONE, None),
    (_ended(20, '{"reason": "UnknownTask"}'), {}, ALONE, "UnknownTask"),
    (_ended(20, '{"reason": "UnknownTask", "fieldPath": "spec.x"}'), {}, ALONE, "spec.x: UnknownTask"),
    (_ended(20), {}, ALONE, "pod sums-1-abcde ended with exit code 20"),
    (_ended(0, EARLY), {}, ALONE, "Training ended early: validation no longer improved."),
    (_ended(0, DONE), {}, ALONE, "All steps are done."),
]


@pytest.mark.parametrize(("state", "facts", "around", "message"), MESSAGES)
def test_a_person_reads_what_was_seen(
    state: dict[str, Any] | None, facts: dict[str, Any], around: Circumstances, message: str | None
) -> None:
    """The pod, the cluster's words, the exit code; what was named instead of a result."""
    found = _judged(_body(state, **facts), around)
    expected = 'committedUri: the trainer must name a checkpoint below its run\'s prefix; got "s3://x/"'
    assert found.message == (expected if message is None else message)
