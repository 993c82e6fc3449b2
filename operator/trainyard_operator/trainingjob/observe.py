"""Looking at one TrainingJob and everything around it.

Place in the data's way: station 2, before the decision. Asks for just what the job's state makes relevant,
and parses it. Decides nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

import pydantic

from trainyard_api import names
from trainyard_api.checkpoint import Checkpoint
from trainyard_api.training_job import TrainingJob
from trainyard_api.validation import explain
from trainyard_operator.cluster.kube import CHECKPOINTS, JOBS, NAMESPACES, NODES, PODS, TRAINING_JOBS
from trainyard_operator.cluster.pod import PodView, read_pod
from trainyard_operator.cluster.reader import ClusterReader
from trainyard_operator.ledger.rows import Claim
from trainyard_operator.trainingjob import invalid
from trainyard_operator.trainingjob.attempt import record, standing
from trainyard_operator.trainingjob.decision.observed import ChildView, Observed, Refusal, SourceView
from trainyard_operator.trainingjob.gates.model_source import checkpoint_name
from trainyard_operator.trainingjob.life import retention
from trainyard_operator.trainingjob.trainer_pod.child_job import read_child

log = logging.getLogger(__name__)

_LONGEST_WAY: Final = 8
"""Jobs that are followed to see whether they wait for each other."""

ClaimsOf = Callable[[str], Awaitable[tuple[Claim, ...] | None]]
"""Run uid → its claims; None: the ledger can't be read."""


@dataclass(frozen=True)
class Remembered:
    """What this process remembers of a job from earlier passes."""

    stores: Mapping[str, Refusal] = field(default_factory=dict)
    """Checkpoint URI → why its object was refused."""
    start: Refusal | None = None
    """Why the last start was refused."""
    rows: Refusal | None = None
    """Why the Job that writes carried rows was refused."""
    ledger: Refusal | None = None
    """Why the ledger took no row."""
    claims: Mapping[str, Refusal] = field(default_factory=dict)
    """Checkpoint URI → why the ledger can't take its row."""


WarningsAbout = Callable[[str, str], Awaitable[str]]
"""Namespace and uid of an object → the newest warning about it; empty: there is none."""


async def observe(
    reader: ClusterReader,
    claims_of: ClaimsOf,
    body: dict[str, Any],
    *,
    warnings_about: WarningsAbout,
    read_nodes: bool,
    keep_finished: timedelta,
    now: datetime,
    remembered: Remembered | None = None,
) -> Observed:
    """Observes the state around a TrainingJob.

    Args:
        reader: where to look.
        claims_of: how to ask for a run's claims.
        body: the TrainingJob, read before anything else; whatever is in it.
        warnings_about: how to ask what went wrong with an object.
        read_nodes: whether nodes may be read.
        keep_finished: how long what a job has left is kept.
        now: whole seconds.
        remembered: what was refused in earlier passes.

    Raises:
        KubeError: a request failed.
    """
    reading, memory = invalid.read(body), remembered or Remembered()
    job, raw_status = reading.job, body.get("status") or {}
    metadata, namespace = job.metadata, job.metadata.namespace
    first = Observed(job, raw_status, unreadable=reading.unreadable)
    child = await reader.get(JOBS, namespace, names.child_job(metadata.name, first.attempt))
    view = read_child(child, metadata.uid) if child is not None else None
    writer = await _rows_job(reader, first)
    seen = replace(
        first,
        child=view,
        rows_job=writer,
        pods=own_pods(await reader.of_run(PODS, namespace, metadata.uid), first, view, writer),
        refused_stores=memory.stores,
        refused_start=memory.start,
        refused_rows=memory.rows,
        refused_ledger=memory.ledger if memory.ledger is not None and now < memory.ledger.again else None,
        refused_claims=memory.claims,
    )
    deleted = metadata.deletion_timestamp is not None
    if not deleted and retention.is_closed(seen, keep_finished, now):
        return replace(seen, checkpoints=None, claims=None)
    ended = standing.has_ended(seen)
    source, pinned = (SourceView(), None) if ended or deleted else await _model(reader, seen)
    return replace(
        seen,
        node_labels=await _node_labels(reader, seen, read_nodes=read_nodes),
        checkpoints=await _checkpoints(reader, job),
        claims=await claims_of(metadata.uid),
        source=source,
        pinned=pinned,
        baseline=None if ended or deleted else await _baseline(reader, seen),
        pod_refusal=await _pod_refusal(warnings_about, seen, now),
        namespace_terminating=_may_terminate(seen) and _terminating(await reader.get(NAMESPACES, None, namespace)),
    )


def own_pods(bodies: list[dict[str, Any]], seen: Observed, *made_by: ChildView | None) -> tuple[PodView, ...]:
    """Picks the pods that the Job controller made for a run; others may carry its labels too."""
    cost, kept = seen.status.cost, seen.status.attempt
    known = {pod.uid for pod in cost.open_pods or []} | {pod.uid for pod in cost.settled_pods or []} if cost else set()
    jobs = {job.uid for job in made_by if job is not None and job.ours}
    strangers = {job.uid for job in made_by if job is not None and not job.ours}
    jobs |= {kept.job_ref.uid} if kept is not None and kept.job_ref is not None else set()
    pods = []
    for body in bodies:
        try:
            pod = read_pod(body)
        except (KeyError, ValueError) as error:
            log.warning("pod %s: not one of ours; %r", body["metadata"].get("name"), error)
            continue
        is_ours = pod.job_name == seen.metadata.name and _is_made_by(jobs, strangers, pod, body["metadata"], seen)
        if pod.uid in known or is_ours:
            pods.append(pod)
    return tuple(pods)


def _is_made_by(jobs: set[str], strangers: set[str], pod: PodView, metadata: Mapping[str, Any], seen: Observed) -> bool:
    """Tells whether a pod was made by one of these Jobs, or by one of this run that is gone."""
    owner = next((ref for ref in metadata.get("ownerReferences", ()) if ref.get("controller")), None)
    if owner is None:
        # `kubectl delete job --cascade=orphan` takes the reference off; the pod goes on costing money.
        return pod.held and metadata["labels"].get(names.CONTROLLER_UID_LABEL) in jobs
    # By its name: a pass may have died between the Job and its record, and the Job may be gone since.
    named = {names.child_job(seen.metadata.name, pod.attempt), names.rows_job(seen.metadata.name, pod.attempt)}
    ours = pod.held and pod.attempt <= seen.attempt and owner["name"] in named
    return owner["kind"] == "Job" and bool(owner["uid"] in jobs or (ours and owner["uid"] not in strangers))


async def _rows_job(reader: ClusterReader, seen: Observed) -> ChildView | None:
    """Looks for the Job that writes carried rows, and for one whose reason is no longer on record."""
    if record.ending_of(seen) is None and seen.metadata.deletion_timestamp is None:
        return None
    metadata = seen.metadata
    body = await reader.get(JOBS, metadata.namespace, names.rows_job(metadata.name, seen.attempt))
    return read_child(body, metadata.uid) if body is not None else None


async def _model(reader: ClusterReader, seen: Observed) -> tuple[SourceView, Checkpoint | None]:
    source, reference = seen.spec.model.checkpoint, seen.status.model_ref
    namespace = seen.metadata.namespace
    if source is None or seen.status.pod_ref is not None:
        return SourceView(), None
    if reference is not None:
        return SourceView(), await _checkpoint(reader, namespace, reference.checkpoint)
    body = await reader.get(TRAINING_JOBS, namespace, source.training_job) if source.training_job else None
    job = invalid.read(body).job if body is not None else None
    name = checkpoint_name(source, job)
    found = await _checkpoint(reader, namespace, name) if name else None
    return SourceView(job, found, await _circle(reader, seen, job)), None


async def _circle(reader: ClusterReader, seen: Observed, job: TrainingJob | None) -> tuple[str, ...]:
    """Follows who waits for whose checkpoint; a way back to the job that asks is a circle, anything else is none."""
    way: tuple[str, ...] = (seen.metadata.name,)
    while job is not None and len(way) <= _LONGEST_WAY:
        way = (*way, job.metadata.name)
        source = job.spec.model.checkpoint
        waits = job.status is None or job.status.model_ref is None
        if source is None or source.training_job is None or not waits:
            return ()
        if source.training_job == seen.metadata.name:
            return (*way, seen.metadata.name)
        body = await reader.get(TRAINING_JOBS, seen.metadata.namespace, source.training_job)
        job = invalid.read(body).job if body is not None else None
    return ()


async def _baseline(reader: ClusterReader, seen: Observed) -> Checkpoint | None:
    wanted = seen.spec.evaluation.baseline if seen.spec.evaluation else None
    if wanted is None or seen.status.pod_ref is not None:
        return None
    reference = seen.status.baseline_ref
    name = reference.checkpoint if reference is not None else wanted.checkpoint
    return await _checkpoint(reader, seen.metadata.namespace, name)


async def _node_labels(
    reader: ClusterReader, seen: Observed, *, read_nodes: bool
) -> dict[str, Mapping[str, str] | None]:
    cost = seen.status.cost
    known = {pod.uid for pod in ((cost.open_pods or []) if cost else [])}
    known |= {pod.uid for pod in ((cost.settled_pods or []) if cost else [])}
    labels: dict[str, Mapping[str, str] | None] = {}
    for pod in seen.pods:
        if pod.uid in known or pod.node_name is None:
            continue
        node = await reader.get(NODES, None, pod.node_name) if read_nodes else None
        labels[pod.uid] = (node or {}).get("metadata", {}).get("labels", {}) if read_nodes else None
    return labels


async def _checkpoints(reader: ClusterReader, job: TrainingJob) -> tuple[Checkpoint, ...]:
    found = (_parsed(body) for body in await reader.of_run(CHECKPOINTS, job.metadata.namespace, job.metadata.uid))
    return tuple(checkpoint for checkpoint in found if checkpoint is not None)


async def _checkpoint(reader: ClusterReader, namespace: str, name: str) -> Checkpoint | None:
    body = await reader.get(CHECKPOINTS, namespace, name)
    return _parsed(body) if body is not None else None


def _parsed(body: dict[str, Any]) -> Checkpoint | None:
    """Reads a Checkpoint; one that breaks its schema is as good as none, and never another object's fault."""
    try:
        return Checkpoint.model_validate(body)
    except pydantic.ValidationError as error:
        log.warning("checkpoint %s: can't be read: %s", body["metadata"]["name"], explain(error)[0])
        return None


async def _pod_refusal(warnings_about: WarningsAbout, seen: Observed, now: datetime) -> str:
    """Finds why the Job controller makes no pod, once it has had time to."""
    child = seen.child
    if child is None or not child.ours or child.finished or child.deleting or child.created_time is None:
        return ""
    if seen.trainers:
        return ""
    if now < child.created_time + standing.PATIENCE:
        return ""
    return await warnings_about(seen.metadata.namespace, child.uid) or "no event says why: does the controller run?"


def _may_terminate(seen: Observed) -> bool:
    """Tells whether to look if the namespace goes: where they are deleted in order, pods go before the job itself."""
    return (
        seen.metadata.deletion_timestamp is not None
        or any(pod.deletion_time for pod in seen.pods)
        or bool(seen.refused_stores)
        or seen.refused_start is not None
    )


def _terminating(body: dict[str, Any] | None) -> bool:
    return body is None or body.get("status", {}).get("phase") == "Terminating"
