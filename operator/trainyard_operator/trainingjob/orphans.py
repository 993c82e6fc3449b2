"""Pods whose TrainingJob is gone: booked and released, so that nothing waits for ever on our finalizer.

Place in the data's way: station 12, from the tick. It happens when somebody took our finalizer off a TrainingJob by
hand.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from trainyard_api import names
from trainyard_api.decimals import dollars
from trainyard_api.training_job_status import OpenPod
from trainyard_operator.cluster.clock import format_time
from trainyard_operator.cluster.kube import NODES, PODS, TRAINING_JOBS, Kube
from trainyard_operator.cluster.pod import PodView, read_pod
from trainyard_operator.ledger import spend
from trainyard_operator.ledger.connection import Ledger
from trainyard_operator.money.booking import amount_of
from trainyard_operator.money.prices import Prices
from trainyard_operator.money.rates import bound_rate, end_of_billing

log = logging.getLogger(__name__)


def orphans_in(bodies: Iterable[dict[str, Any]], job_uids: set[str]) -> list[PodView]:
    """Finds the ended pods that we hold and whose job isn't among these.

    Args:
        bodies: pods.
        job_uids: uids of all TrainingJobs, listed before the pods.
    """
    found = []
    for body in bodies:
        held = names.ACCOUNTING_FINALIZER in body["metadata"].get("finalizers", ())
        if not held or body["metadata"]["labels"].get(names.JOB_UID_LABEL) in job_uids:
            continue
        try:
            pod = read_pod(body)
        except (KeyError, ValueError) as error:
            log.warning("pod %s: holds our finalizer but isn't ours; %r", body["metadata"]["name"], error)
            continue
        if pod.over:
            found.append(pod)
    return found


async def settle_orphan(
    kube: Kube, ledger: Ledger, prices: Prices, pod: PodView, now: datetime, *, read_nodes: bool
) -> None:
    """Books an orphan's cost, at today's prices, and takes our finalizer off.

    Raises:
        KubeError, LedgerUnavailable: a request failed; the next tick tries again.
    """
    job = await kube.get(TRAINING_JOBS.path(pod.namespace, pod.job_name))
    if job is not None and job["metadata"]["uid"] == pod.job_uid:
        return
    if pod.bound_time is not None:
        node = await kube.get(NODES.path(None, pod.node_name)) if read_nodes and pod.node_name else None
        labels = (node or {}).get("metadata", {}).get("labels", {}) if read_nodes else None
        rate = bound_rate(prices, pod.resources, labels)
        entry = OpenPod(
            uid=pod.uid,
            name=pod.name,
            bound_time=format_time(pod.bound_time),
            end_time=format_time(end_of_billing(pod.bound_time, pod.finished_time, now)),
            rate_per_hour_usd=dollars(rate.usd_per_hour),
        )
        amount = amount_of(entry, now)
        await spend.book(ledger, entry, amount, run_uid=pod.job_uid, namespace=pod.namespace, name=pod.job_name)
        log.warning("%s/%s: pod %s outlived its TrainingJob; booked $%s", pod.namespace, pod.job_name, pod.name, amount)
    rest = [name for name in pod.finalizers if name != names.ACCOUNTING_FINALIZER]
    await kube.set_finalizers(PODS.path(pod.namespace, pod.name), pod.resource_version, rest)
