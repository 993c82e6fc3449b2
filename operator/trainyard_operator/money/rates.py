"""What a pod costs: its rate, its time, their product.

Place in the data's way: station 12. Rates are fixed when a pod is bound; amounts are pure functions of times that the
API keeps and of the stored rate, so that no restart changes a cent. Decimal throughout. Booking order is
`booking.py`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_UP, Decimal
from typing import Final

from trainyard_api import names
from trainyard_operator.cluster.pod import Resources
from trainyard_operator.money.prices import GpuPrice, Prices

CENT_PARTS: Final = Decimal("0.000001")
INSTANCE_TYPE_LABEL: Final = "node.kubernetes.io/instance-type"
_SPOT_LABELS: Final = {
    ("karpenter.sh/capacity-type", "spot"),
    ("eks.amazonaws.com/capacityType", "SPOT"),
    ("cloud.google.com/gke-spot", "true"),
    ("cloud.google.com/gke-preemptible", "true"),
    ("kubernetes.azure.com/scalesetpriority", "spot"),
}


@dataclass(frozen=True)
class Rate:
    """Price of a pod per hour."""

    usd_per_hour: Decimal
    """US dollars, rounded up to six places; without the GPUs where `known` is false."""
    known: bool = True
    """Whether everything that the pod uses has a price."""


def assumed_rate(
    prices: Prices, resources: Resources, node_selector: Mapping[str, str], *, read_nodes: bool = True
) -> Rate:
    """Finds the highest rate that a pod could get on any node that it may run on."""
    entries = [
        entry
        for entry in _entries_of(prices, resources, read_nodes=read_nodes)
        if entry.instance_type is None
        or node_selector.get(INSTANCE_TYPE_LABEL, entry.instance_type) == entry.instance_type
    ]
    return _rate(prices, resources, max((entry.usd_per_gpu_hour for entry in entries), default=None))


def bound_rate(prices: Prices, resources: Resources, node_labels: Mapping[str, str] | None) -> Rate:
    """Finds the rate of a pod on its node; of equally specific entries the highest counts.

    Args:
        prices: the table.
        resources: what the pod requests.
        node_labels: of its node; None where the operator may not read nodes: then only entries count that name neither
            an instance type nor a capacity type.
    """
    entries = _entries_of(prices, resources, read_nodes=node_labels is not None)
    labels = node_labels or {}
    capacity = "spot" if _SPOT_LABELS & set(labels.items()) else "on-demand"
    matching = [
        entry
        for entry in entries
        if entry.instance_type in {None, labels.get(INSTANCE_TYPE_LABEL)} and entry.capacity_type in {None, capacity}
    ]
    if not matching and entries:
        # On a node that no entry describes, or that is gone already: never less than what was assumed at the start.
        return assumed_rate(prices, resources, {}, read_nodes=node_labels is not None)
    best = max(matching, key=lambda entry: (_specificity(entry), entry.usd_per_gpu_hour), default=None)
    return _rate(prices, resources, None if best is None else best.usd_per_gpu_hour)


def pod_cost(bound: datetime, end: datetime, usd_per_hour: Decimal) -> Decimal:
    """Computes the US dollars of a pod, to six places; an end before its beginning costs nothing."""
    seconds = Decimal(max(0, int((end - bound).total_seconds())))
    return (usd_per_hour * seconds / 3600).quantize(CENT_PARTS)


def end_of_billing(bound: datetime, finished: datetime | None, first_seen_ended: datetime) -> datetime:
    """Finds when a pod stopped costing money: at its last container's end, but not after we saw that."""
    return max(bound, min(finished or first_seen_ended, first_seen_ended))


def missing_price(resources: Resources) -> str:
    """Writes the message for a GPU that no entry prices."""
    return (
        "spec.trainer.gpus.product: no price for this product in the operator's price table (chart value prices.gpus), "
        f'so its cost would be unknown; got "{resources.gpu_product}"'
    )


def node_selector_of(gpu_product: str | None, node_selector: Mapping[str, str]) -> dict[str, str]:
    """Joins the node labels that a pod requires: the user's, and its GPU's product."""
    gpu = {} if gpu_product is None else {names.GPU_PRODUCT_NODE_LABEL: gpu_product}
    return {**node_selector, **gpu}


def _entries_of(prices: Prices, resources: Resources, *, read_nodes: bool) -> list[GpuPrice]:
    product = (entry for entry in prices.gpus if entry.product == resources.gpu_product)
    return [entry for entry in product if read_nodes or not _specificity(entry)]


def _specificity(entry: GpuPrice) -> int:
    return sum(part is not None for part in (entry.instance_type, entry.capacity_type))


def _rate(prices: Prices, resources: Resources, usd_per_gpu_hour: Decimal | None) -> Rate:
    parts: Iterable[Decimal] = (
        resources.cpu * prices.usd_per_core_hour,
        resources.memory_gib * prices.usd_per_gib_hour,
        resources.gpus * (usd_per_gpu_hour or Decimal(0)),
    )
    total = sum(parts, Decimal(0)).quantize(CENT_PARTS, rounding=ROUND_UP)
    return Rate(total, known=not resources.gpus or usd_per_gpu_hour is not None)
