"""Looking at one TrainingJob and everything around it.

Place in the data's way: station 2, before the decision. Asks for just what the job's state makes relevant,
and parses it. Decides nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from trainyard_api import names
from trainyard_api.checkpoint import Checkpoint
from trainyard_api.training_job import TrainingJob, parse_training_job
from trainyard_operator.cluster.kube import CHECKPOINTS, JOBS, NAMESPACES, NODES, PODS, TRAINING_JOBS
from trainyard_operator.cluster.pod import PodView, read_pod
from trainyard_operator.cluster.reader import ClusterReader
from trainyard_operator.ledger.rows import Claim
from trainyard_operator.trainingjob import attempt
from trainyard_operator.trainingjob.child_job import read_child
from trainyard_operator.trainingjob.model_source import SourceView, checkpoint_name
from trainyard_operator.trainingjob.observed import Observed

log = logging.getLogger(__name__)


ClaimsOf = Callable[[str], Awaitable[tuple[Claim, ...] | None]]
"""Run uid → its claims; None: the ledger can't be read."""


async def observe(
    reader: ClusterReader,
    claims_of: ClaimsOf,
    body: dict[str, Any],
    *,
    read_nodes: bool,
    refusals: Mapping[str, str] | None = None,
) -> Observed:
    """Observes the state around a TrainingJob.

    Args:
        reader: where to look.
        claims_of: how to ask for a run's claims.
        body: the TrainingJob, read before anything else.
        read_nodes: whether nodes may be read.
        refusals: what the API server refused in earlier passes, by checkpoint URI.

    Raises:
        pydantic.ValidationError: the job breaks its schema.
        KubeError: a request failed.
    """
    job = parse_training_job(body)
    raw_status = body.get("status", {})
    metadata = job.metadata
    namespace = metadata.namespace
    first = Observed(job, raw_status)
    child = await reader.get(JOBS, namespace, names.child_job(metadata.name, first.attempt))
    pods = own_pods(await reader.of_run(PODS, namespace, metadata.uid), job)
    seen = Observed(
        job=job,
        raw_status=raw_status,
        child=read_child(child, metadata.uid) if child is not None else None,
        pods=pods,
        refusals=refusals or {},
    )
    deleted = metadata.deletion_timestamp is not None
    if attempt.is_closed(seen) and not deleted:
        return seen
    ended = attempt.has_ended(seen)
    source, pinned = (SourceView(), None) if ended or deleted else await _model(reader, first)
    baseline = None if ended or deleted else await _baseline(reader, first)
    claims = await claims_of(metadata.uid)
    # Where namespaces are deleted in order, pods go first and the job's own deletion comes later.
    leaving = deleted or (claims is None and any(pod.deletion_time for pod in pods))
    return Observed(
        job=job,
        raw_status=raw_status,
        child=seen.child,
        pods=pods,
        node_labels=await _node_labels(reader, seen, read_nodes=read_nodes),
        checkpoints=() if ended and not deleted else await _checkpoints(reader, job),
        claims=claims,
        source=source,
        pinned=pinned,
        baseline=baseline,
        refusals=refusals or {},
        namespace_terminating=leaving and _terminating(await reader.get(NAMESPACES, None, namespace)),
    )


def own_pods(bodies: list[dict[str, Any]], job: TrainingJob) -> tuple[PodView, ...]:
    """Picks the pods that the Job controller made for a run; others may carry its labels too."""
    cost = job.status.cost if job.status else None
    known = {entry.uid for entry in (cost.open_pods or [] if cost else [])}
    pods = []
    for body in bodies:
        try:
            pod = read_pod(body)
        except (KeyError, ValueError) as error:
            log.warning("pod %s: not one of ours; %r", body["metadata"].get("name"), error)
            continue
        owner = ("Job", names.child_job(job.metadata.name, pod.attempt))
        references = body["metadata"].get("ownerReferences", ())
        controlled = any(ref.get("controller") and (ref["kind"], ref["name"]) == owner for ref in references)
        # One that is known goes on costing money, even if its Job was deleted with its pods orphaned.
        if pod.uid in known or (controlled and pod.job_name == job.metadata.name):
            pods.append(pod)
    return tuple(pods)


async def _model(reader: ClusterReader, seen: Observed) -> tuple[SourceView, Checkpoint | None]:
    source, reference = seen.spec.model.checkpoint, seen.status.model_ref
    namespace = seen.metadata.namespace
    if source is None or seen.status.pod_ref is not None:
        return SourceView(), None
    if reference is not None:
        return SourceView(), _checkpoint(await reader.get(CHECKPOINTS, namespace, reference.checkpoint))
    body = await reader.get(TRAINING_JOBS, namespace, source.training_job) if source.training_job else None
    job = parse_training_job(body) if body is not None else None
    name = checkpoint_name(source, job)
    return SourceView(job, _checkpoint(await reader.get(CHECKPOINTS, namespace, name)) if name else None), None


async def _baseline(reader: ClusterReader, seen: Observed) -> Checkpoint | None:
    wanted = seen.spec.evaluation.baseline if seen.spec.evaluation else None
    if wanted is None or seen.status.pod_ref is not None:
        return None
    reference = seen.status.baseline_ref
    name = reference.checkpoint if reference is not None else wanted.checkpoint
    return _checkpoint(await reader.get(CHECKPOINTS, seen.metadata.namespace, name))


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
    bodies = await reader.of_run(CHECKPOINTS, job.metadata.namespace, job.metadata.uid)
    return tuple(Checkpoint.model_validate(body) for body in bodies)


def _checkpoint(body: dict[str, Any] | None) -> Checkpoint | None:
    return Checkpoint.model_validate(body) if body is not None else None


def _terminating(body: dict[str, Any] | None) -> bool:
    return body is None or body.get("status", {}).get("phase") == "Terminating"
