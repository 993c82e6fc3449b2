"""Taking our finalizers off everything, so that an uninstalled operator holds nothing back.

Place in the data's way: the chart's step before removal. First the operator is scaled away, for it would put them back;
then TrainingJobs and pods are released. Jobs, pods and spend in the ledger stay as they are, but for a Job whose pod
isn't made yet: it would be made with our finalizer, and nobody would take that off.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any, Final

from trainyard_api import names
from trainyard_operator.cluster.kube import DEPLOYMENTS, JOBS, PODS, TRAINING_JOBS, Kind, Kube, KubeError
from trainyard_operator.cluster.reader import SELECTORS
from trainyard_operator.errors import TrainyardOperatorError
from trainyard_operator.settings import ReleaseSettings

log = logging.getLogger(__name__)

_WAIT_SECONDS: Final = 120
_ATTEMPTS: Final = 5


class ReleaseError(TrainyardOperatorError):
    """The operator can't be stopped, or an object can't be released; the text says which."""


async def release(kube: Kube, settings: ReleaseSettings) -> int:
    """Stops the operator and takes its finalizers off; returns how many objects were released.

    Raises:
        ReleaseError: the operator's pods stay, or an object keeps changing.
        KubeError: a request failed.
    """
    await _stop_operator(kube, settings)
    count = 0
    for namespace in settings.watch_namespaces or (None,):
        await _delete_jobs_without_pods(kube, namespace)
        for kind, finalizer in (
            (TRAINING_JOBS, names.SETTLEMENT_FINALIZER),
            (PODS, names.ACCOUNTING_FINALIZER),
        ):
            for body in await kube.list_objects(kind, namespace, SELECTORS.get(kind, "")):
                count += await _release(kube, kind, body, finalizer)
    return count


async def _delete_jobs_without_pods(kube: Kube, namespace: str | None) -> None:
    """Deletes Jobs that may make a pod when nobody is left to book it; an operator that comes back makes them again."""
    pods = await kube.list_objects(PODS, namespace, SELECTORS[PODS])
    with_pods = {owner["uid"] for pod in pods for owner in pod["metadata"].get("ownerReferences", ())}
    for job in await kube.list_objects(JOBS, namespace, SELECTORS[JOBS]):
        metadata, conditions = job["metadata"], job.get("status", {}).get("conditions", ())
        over = any(c["type"] in {"Complete", "Failed"} and c["status"] == "True" for c in conditions)
        if not over and metadata["uid"] not in with_pods:
            await kube.delete(JOBS.path(metadata["namespace"], metadata["name"]), metadata["uid"])
            log.info("deleted Job %s/%s, which had no pod yet", metadata["namespace"], metadata["name"])


async def _stop_operator(kube: Kube, settings: ReleaseSettings) -> None:
    namespace = settings.operator_namespace
    path = DEPLOYMENTS.path(namespace, settings.operator_deployment)
    deployment = await kube.get(path)
    if deployment is None:
        return
    await kube.scale(path, 0)
    labels = deployment["spec"]["selector"]["matchLabels"]
    selector = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
    deadline = time.monotonic() + _WAIT_SECONDS
    while pods := await kube.list_objects(PODS, namespace, selector):
        if time.monotonic() > deadline:
            left = ", ".join(pod["metadata"]["name"] for pod in pods)
            raise ReleaseError(f"deployment {settings.operator_deployment}: its pods must be gone; got {left}")
        await asyncio.sleep(1)


async def _release(kube: Kube, kind: Kind, body: dict[str, Any] | None, finalizer: str) -> int:
    for _ in range(_ATTEMPTS):
        if body is None or finalizer not in body["metadata"].get("finalizers", ()):
            return 0
        metadata = body["metadata"]
        path = kind.path(metadata["namespace"], metadata["name"])
        rest = [name for name in metadata["finalizers"] if name != finalizer]
        try:
            await kube.set_finalizers(path, metadata["resourceVersion"], rest)
        except KubeError as error:
            if not error.conflict:
                raise
            body = await kube.get(path)
            continue
        log.info("released %s %s/%s", kind.plural, metadata["namespace"], metadata["name"])
        return 1
    name = body["metadata"]["name"] if body is not None else ""
    raise ReleaseError(f"{kind.plural}: must stop changing to be released; got {name}")
