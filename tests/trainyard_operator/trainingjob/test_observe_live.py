"""Claims about what is asked of the cluster, question by question."""

from __future__ import annotations

import asyncio
import copy
from datetime import datetime, timedelta
from typing import Any

from tests.trainyard_operator.builders import (
    CHILD_BODY,
    NOW,
    UID,
    at,
    checkpoint,
    claim,
    ended_record,
    follows,
    job_body,
    open_pod,
    pod_body,
    reported,
    running_status,
    time_text,
)
from trainyard_api.conditions import ConditionType
from trainyard_operator.cluster.kube import Kind
from trainyard_operator.ledger.rows import Claim
from trainyard_operator.trainingjob.decision.observed import Observed
from trainyard_operator.trainingjob.observe import observe


async def _silence(*_: str) -> str:
    return ""


class Asked:
    """Answers from a dictionary of (kind, namespace, name), and notes what was asked."""

    def __init__(self, **bodies: dict[str, Any]) -> None:
        self.bodies = bodies
        self.asked: list[tuple[str, str | None, str]] = []

    async def get(self, kind: Kind, namespace: str | None, name: str) -> dict[str, Any] | None:
        """An object."""
        self.asked.append((kind.plural, namespace, name))
        return self.bodies.get(f"{kind.plural}_{name}".replace("-", "_"))

    async def of_run(self, kind: Kind, namespace: str, run_uid: str) -> list[dict[str, Any]]:
        """Objects with a run's labels."""
        self.asked.append((kind.plural, namespace, run_uid))
        return self.bodies.get(kind.plural, [])  # type: ignore[return-value]


def _live(body: dict[str, Any], reader: Asked, *, keep: timedelta = timedelta(days=1), now: datetime = NOW) -> Observed:
    asked_for: list[str] = []

    async def claims_of(uid: str) -> tuple[Claim, ...]:
        asked_for.append(uid)
        return (claim(),)

    looking = observe(reader, claims_of, body, warnings_about=_silence, read_nodes=True, keep_finished=keep, now=now)
    seen = asyncio.run(looking)
    assert asked_for in ([], [UID])
    return seen


def _made(name: str) -> dict[str, Any]:
    return checkpoint(claim(), name=name).model_dump(mode="json", by_alias=True, exclude_none=True)


REFERENCE = {"checkpoint": "mine", "uid": "checkpoint-uid", "digest": claim().digest}
BASELINE = {"algorithm": {"type": "Evaluation"}, "evaluation": {"baseline": {"checkpoint": "other"}}}


def test_a_source_is_followed_until_it_is_pinned_and_then_that_one_is_read() -> None:
    """By its job, or by name; once a pod is on record neither is asked for."""
    by_job = job_body(model={"checkpoint": {"trainingJob": "first"}})
    named = running_status(
        reported(ConditionType.SUCCEEDED, "True", "Completed"), latestCheckpointRef={"name": "theirs"}
    )
    reader = Asked(trainingjobs_first=follows("first", "x", **named), checkpoints_theirs=_made("theirs"))
    seen = _live(by_job, reader)
    assert seen.source.job is not None
    assert seen.source.job.metadata.name == "first"
    assert seen.source.checkpoint is not None
    assert seen.source.checkpoint.metadata.name == "theirs"
    assert seen.pinned is None
    assert ("checkpoints", "team-a", "theirs") in reader.asked
    assert seen.source.circle == ()
    by_name = job_body(model={"checkpoint": {"name": "mine"}})
    reader = Asked(checkpoints_mine=_made("mine"))
    seen = _live(by_name, reader)
    assert seen.source.checkpoint is not None
    assert [each for each in reader.asked if each[0] == "trainingjobs"] == []
    pinned = job_body(model={"checkpoint": {"name": "changed"}}, status={"modelRef": REFERENCE})
    reader = Asked(checkpoints_mine=_made("mine"))
    seen = _live(pinned, reader)
    assert (seen.source.checkpoint, seen.pinned and seen.pinned.metadata.name) == (None, "mine")
    assert ("checkpoints", "team-a", "mine") in reader.asked
    begun = job_body(model={"checkpoint": {"name": "mine"}}, status=running_status(modelRef=REFERENCE))
    reader = Asked(checkpoints_mine=_made("mine"))
    assert _live(begun, reader).pinned is None
    nothing = Asked()
    assert _live(by_name, nothing).source.checkpoint is None
    assert _live(by_job, nothing).source.job is None
    assert all(name for _, _, name in nothing.asked)


def test_a_baseline_is_read_by_its_name_until_it_is_pinned() -> None:
    """And no more once a pod is on record; a job without one asks for none."""
    other = REFERENCE | {"checkpoint": "pinned"}
    for status, name in ((None, "other"), ({"baselineRef": other}, "pinned")):
        reader = Asked(checkpoints_other=_made("other"), checkpoints_pinned=_made("pinned"))
        seen = _live(job_body(status=status, **BASELINE), reader)
        assert seen.baseline is not None
        assert seen.baseline.metadata.name == name
        assert ("checkpoints", "team-a", name) in reader.asked
    reader = Asked(checkpoints_other=_made("other"))
    assert _live(job_body(status=running_status(), **BASELINE), reader).baseline is None
    assert _live(job_body(), reader).baseline is None


def test_of_a_job_that_ends_or_goes_no_source_is_asked_for() -> None:
    """Nothing begins any more; its claims and objects still matter."""
    ended = reported(ConditionType.SUCCEEDED, "False", "Failed")
    spec = {"model": {"checkpoint": {"name": "mine"}}} | BASELINE
    unbooked = {"spentUSD": "1", "settledUSD": "1", "settledPods": [open_pod(end=-1)]}
    for changes in ({"deleted": -1}, {"status": {"conditions": [ended], "cost": unbooked}}):
        reader = Asked(
            checkpoints_mine=_made("mine"), checkpoints_other=_made("other"), namespaces_team_a={"status": {}}
        )
        seen = _live(job_body(**changes, **spec), reader)
        assert (seen.source.checkpoint, seen.pinned, seen.baseline) == (None, None, None)
        assert seen.claims == (claim(),)
        assert not seen.namespace_terminating


def test_when_a_job_is_closed_depends_on_what_is_kept_and_the_time() -> None:
    """Then nothing more is asked for."""
    ended = reported(ConditionType.SUCCEEDED, "False", "Failed")
    status = {"conditions": [ended], "completionTime": time_text(-3600), "cost": {"spentUSD": "1", "settledUSD": "1"}}
    for keep, now, closed in (
        (timedelta(hours=2), NOW, True),
        (timedelta(hours=1), NOW, False),
        (timedelta(hours=1), at(-1), True),
    ):
        reader = Asked()
        seen = _live(job_body(status=status), reader, keep=keep, now=now)
        assert (seen.claims is None) is closed
    deleted = _live(job_body(status=status, deleted=-1), Asked(namespaces_team_a={"status": {"phase": "Active"}}))
    assert deleted.claims == (claim(),)


def test_a_namespace_without_a_phase_stays() -> None:
    """It was just made."""
    for body, goes in (({}, False), ({"status": {}}, False), ({"status": {"phase": "Terminating"}}, True)):
        reader = Asked(namespaces_team_a=body)
        assert _live(job_body(deleted=-1), reader).namespace_terminating is goes


def test_the_job_that_writes_carried_rows_is_looked_for_where_there_are_some() -> None:
    """By its own name; its pods are ours like the trainer's."""
    one = claim(7)
    committed = {"uri": one.uri, "digest": one.digest, "step": 7, "unwrittenRows": 3}
    status = {"attempts": 2, "attempt": ended_record("Stopped", number=2, committed=committed)}
    body = copy.deepcopy(CHILD_BODY)
    body["metadata"] |= {"name": "sums-2-rows", "uid": "rows-uid"}
    writer = pod_body(
        uid="writer", ownerReferences=[{"kind": "Job", "uid": "rows-uid", "controller": True, "name": "r"}]
    )
    reader = Asked(jobs_sums_2_rows=body, pods=[writer])  # type: ignore[arg-type]
    reader.bodies["nodes_node_1"] = {"metadata": {}}
    seen = _live(job_body(status=status), reader)
    assert seen.rows_job is not None
    assert (seen.rows_job.uid, seen.rows_job.ours) == ("rows-uid", True)
    assert [each.uid for each in seen.pods] == ["writer"]
    assert seen.node_labels == {"writer": {}}
    assert ("jobs", "team-a", "sums-2-rows") in reader.asked
    assert _live(job_body(status=status), Asked()).rows_job is None
    without = Asked(jobs_sums_1_rows=body)
    assert _live(job_body(status=running_status()), without).rows_job is None
    assert not any(name.endswith("-rows") for _, _, name in without.asked)
    # Whatever is still on record of it: a job that goes leaves no Job that makes pods.
    gone = _live(job_body(status=running_status(), deleted=-1), Asked(jobs_sums_1_rows=body))
    assert gone.rows_job is not None


def test_labels_are_read_of_every_pod_that_has_just_been_bound() -> None:
    """Not of one that is open or settled; a node that is gone has none."""
    bodies = [pod_body(uid=uid, name=uid) for uid in ("open", "settled", "unbound", "fresh")]
    bodies[2]["spec"] = {name: part for name, part in bodies[2]["spec"].items() if name != "nodeName"}
    cost = {"openPods": [open_pod() | {"uid": "open"}], "settledPods": [{"uid": "settled"}]}
    body = job_body(status=running_status(cost=cost))
    for node, labels in (({"metadata": {"labels": {"zone": "a"}}}, {"zone": "a"}), ({"metadata": {}}, {}), ({}, {})):
        reader = Asked(pods=bodies, nodes_node_1=node)  # type: ignore[arg-type]
        assert _live(body, reader).node_labels == {"fresh": labels}
    gone = Asked(pods=bodies)  # type: ignore[arg-type]
    assert _live(body, gone).node_labels == {"fresh": {}}


def test_a_circle_may_be_as_long_as_is_looked_for() -> None:
    """Eight jobs; a longer one isn't followed."""
    one = job_body(model={"checkpoint": {"trainingJob": "j1"}})
    for length, found in ((8, True), (9, False)):
        jobs = {
            f"trainingjobs_j{n}": follows(f"j{n}", f"j{n + 1}" if n < length else "sums") for n in range(1, length + 1)
        }
        assert bool(_live(one, Asked(**jobs)).source.circle) is found, length
    plain = {"trainingjobs_j1": job_body()}
    assert _live(one, Asked(**plain)).source.circle == ()
