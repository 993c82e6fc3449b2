"""Starting an attempt: ledger rows, rights, child Job, run config.

Place in the data's way: from station 2 to station 3. Each step may find itself done by a pass that was cut off.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any, Final

from trainyard_api import names
from trainyard_api.kind import ObjectMeta
from trainyard_operator.cluster.access import access_bodies
from trainyard_operator.cluster.kube import (
    CONFIG_MAPS,
    JOBS,
    ROLE_BINDINGS,
    ROLES,
    SERVICE_ACCOUNTS,
    Kind,
    Kube,
    KubeError,
)
from trainyard_operator.cluster.messages import at_field
from trainyard_operator.ledger import runs
from trainyard_operator.ledger.connection import Ledger
from trainyard_operator.ledger.errors import LedgerRefused
from trainyard_operator.trainingjob.apply.memory import Memory, refusal
from trainyard_operator.trainingjob.decision.actions import WriteRows
from trainyard_operator.trainingjob.decision.observed import ChildView, Observed
from trainyard_operator.trainingjob.trainer_pod.child_job import Rendering, child_job_body
from trainyard_operator.trainingjob.trainer_pod.defaults import PodDefaults
from trainyard_operator.trainingjob.trainer_pod.rows_job import rows_job_body, writer_of
from trainyard_operator.trainingjob.trainer_pod.run_config import config_map_body, config_map_name, run_config_text

_PAUSES: Final = (0.05, 0.2, 0.5, None)
"""Seconds between tries of a right whose Role isn't seen yet."""


async def start(  # noqa: PLR0917 - what a start needs, each once
    kube: Kube, ledger: Ledger, defaults: PodDefaults, observed: Observed, memory: Memory, now: datetime
) -> None:
    """Starts the current attempt, and remembers a refusal that a person may have to mend, as a quota.

    Args:
        kube: the API server.
        ledger: the operator's login.
        defaults: of all trainer pods.
        observed: the job.
        memory: of this run; the next pass says what was refused.
        now: whole seconds.

    Raises:
        KubeError: a request failed.
        LedgerUnavailable: the rows could not be written; a ledger that refused them is remembered too.
    """
    metadata = observed.metadata
    try:
        await _start(kube, ledger, defaults, observed)
    except KubeError as error:
        if error.refused:
            why = at_field("metadata.name", f"its pod can't be made: {error}", metadata.name)
            memory.start = refusal(why, now)
        raise
    except LedgerRefused as error:
        memory.start = refusal(at_field("metadata.name", f"the ledger can't be written: {error}", metadata.name), now)
        raise
    memory.start = None


async def ensure_run_config(kube: Kube, namespace: str, child: ChildView) -> bool:
    """Makes the ConfigMap that a child Job mounts, where it isn't there; returns whether it was made.

    Raises:
        KubeError: a request failed.
    """
    if child.run_config is None:
        return False
    name, text = child.run_config
    if await kube.get(CONFIG_MAPS.path(namespace, name)) is not None:
        return False
    body = await kube.get(JOBS.path(namespace, child.name))
    if body is None or body["metadata"]["uid"] != child.uid:
        return False
    await _create_once(kube, CONFIG_MAPS.path(namespace), config_map_body(name, text, body))
    return True


async def write_rows(  # noqa: PLR0917 - what it needs, each once
    kube: Kube, defaults: PodDefaults, observed: Observed, action: WriteRows, memory: Memory, now: datetime
) -> None:
    """Makes the Job that writes the rows which a checkpoint carries, and its run config.

    Raises:
        KubeError: a request failed; one that was refused is remembered.
    """
    job, namespace = writer_of(observed.job), observed.metadata.namespace
    text = run_config_text(job, action.attempt, None)
    config_map = config_map_name(observed.metadata.name, action.attempt, text)
    body = rows_job_body(job, Rendering(action.attempt, defaults, config_map, text), action.uri)
    try:
        made = await kube.create(JOBS.path(namespace), body)
    except KubeError as error:
        if error.refused:
            memory.rows = refusal(f"its Job can't be made: {error}", now)
        raise
    await _create_once(kube, CONFIG_MAPS.path(namespace), config_map_body(config_map, text, made))


async def _start(kube: Kube, ledger: Ledger, defaults: PodDefaults, observed: Observed) -> None:
    metadata, namespace, attempt = observed.metadata, observed.metadata.namespace, observed.attempt
    # The row first: from here on trainers of an earlier attempt are refused.
    await runs.begin_attempt(
        ledger,
        run_uid=metadata.uid,
        namespace=namespace,
        name=metadata.name,
        attempt=attempt,
        job_name=names.child_job(metadata.name, attempt),
        tags=observed.spec.tags,
    )
    # One after the other: a binding is refused until the API server has seen its Role.
    for kind, body in zip((SERVICE_ACCOUNTS, ROLES, ROLE_BINDINGS), access_bodies(observed.job), strict=True):
        await _granted(kube, kind, body, metadata)
    text = run_config_text(observed.job, attempt, observed.pinned, observed.baseline)
    config_map = config_map_name(metadata.name, attempt, text)
    rendering = Rendering(attempt, defaults, config_map, text, observed.pinned, observed.baseline)
    child = await kube.create(JOBS.path(namespace), child_job_body(observed.job, rendering))
    await _create_once(kube, CONFIG_MAPS.path(namespace), config_map_body(config_map, text, child))


async def _granted(kube: Kube, kind: Kind, body: dict[str, Any], metadata: ObjectMeta) -> None:
    """Grants a right, again where the API server doesn't see yet what was made just before."""
    for pause in _PAUSES:
        try:
            await grant(kube, kind, body, metadata)
        except KubeError as error:
            if error.status != 404 or pause is None:
                raise
            await asyncio.sleep(pause)
        else:
            return


async def grant(kube: Kube, kind: Kind, body: dict[str, Any], metadata: ObjectMeta) -> None:
    """Applies an account, or a right, of a job's pods.

    Raises:
        KubeError: a request failed; `NameConflict` where somebody else's object has this name.
    """
    path = kind.path(metadata.namespace, body["metadata"]["name"])
    existing = await kube.get(path)
    if existing is not None:
        owners = existing["metadata"].get("ownerReferences", ())
        owner: dict[str, Any] = next((entry for entry in owners if entry.get("controller")), {})
        if owner.get("uid") != metadata.uid:
            # An account of somebody else's may have rights that user code must not get. What a former job of this name
            # has left is being collected.
            former = (owner.get("kind"), owner.get("name")) == ("TrainingJob", metadata.name)
            words = f'{kind.plural} "{body["metadata"]["name"]}" exists and isn\'t controlled by this TrainingJob'
            raise KubeError(409 if former else 422, "NameConflict", words)
    await kube.apply(path, body, names.OPERATOR_MANAGER)


async def _create_once(kube: Kube, path: str, body: dict[str, Any]) -> None:
    try:
        await kube.create(path, body)
    except KubeError as error:
        if not error.conflict:
            raise
