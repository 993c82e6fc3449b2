"""Which pods cost money, which have ended, and what is booked: the cost half of a pass.

Place in the data's way: station 12. Order of booking: the end time into the status; then the ledger's row; then
`settledUSD` with the pod's uid; then the pod's finalizer off. A process that dies in between repeats the step with
the same amount, for the amount follows from times and a rate that the status already holds. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from trainyard_api.decimals import dollars, dollars_up
from trainyard_api.training_job_status import Cost, OpenPod, SettledPod
from trainyard_operator.cluster.clock import format_time, parse_time
from trainyard_operator.cluster.pod import PodView
from trainyard_operator.money.prices import Prices
from trainyard_operator.money.rates import bound_rate, end_of_billing, pod_cost

_KNOWN: Final = frozenset({"spentUSD", "settledUSD", "ratePerHourUSD", "projectedUSD", "openPods", "settledPods"})


@dataclass(frozen=True)
class BookSpend:
    """Write an ended pod's row."""

    pod: OpenPod
    amount: Decimal
    required: bool = True
    """Whether the pass fails where the ledger is away."""


@dataclass(frozen=True)
class Account:
    """What is billed to one object, as observed."""

    raw: Mapping[str, Any]
    """`status.cost` in its wire form, with fields that this version doesn't know."""
    cost: Cost
    """The same, parsed."""
    pods: tuple[PodView, ...]
    node_labels: Mapping[str, Mapping[str, str] | None]
    """Pod uid → labels of its node, for pods that have just been bound; None where nodes may not be read."""
    grace_seconds: int
    """How long its pods may take to stop."""
    remaining_seconds: int | None
    """How long its pod says that it will go on."""


@dataclass(frozen=True)
class Books:
    """The cost after this pass."""

    cost: dict[str, Any]
    """`status.cost` in its wire form."""
    to_book: tuple[BookSpend, ...]
    changed: bool
    """Whether something other than the passing of time has changed."""
    open_pods: tuple[OpenPod, ...]


def keep_books(
    account: Account,
    prices: Prices,
    now: datetime,
    *,
    ledger_up: bool,
    refresh: bool,
    close_now: bool = False,
    at_once: bool = False,
) -> Books:
    """Computes the books of an object at a moment.

    Args:
        account: what they were, and the pods.
        prices: for pods that have just been bound.
        now: whole seconds.
        ledger_up: whether rows can be written; without, ended pods stay open, at a standstill.
        refresh: whether the passing of time alone is reason enough to show a new sum.
        close_now: bill open pods no longer than to the end of their grace.
        at_once: book without waiting for the status or the ledger, because neither will be there much longer.
    """
    cost = account.cost
    settled_uids = {pod.uid for pod in cost.settled_pods or []}
    current = _open_pods(account, settled_uids, prices, now)
    if close_now:
        current = [_closed(pod, account, now) for pod in current]
    recorded = {pod.uid for pod in cost.open_pods or [] if pod.end_time is not None}
    # Only an end that the status already holds is booked: a later pass then computes the same amount.
    ready = [pod for pod in current if pod.end_time and (at_once or (pod.uid in recorded and ledger_up))]
    left = [pod for pod in current if pod not in ready]
    bookings = tuple(BookSpend(pod, amount_of(pod, now), required=not at_once) for pod in ready)
    alive = {pod.uid for pod in account.pods}
    kept = [uid for uid in (*settled_uids, *(pod.uid for pod in ready)) if uid in alive]
    settled = Decimal(cost.settled_usd or "0") + sum((booking.amount for booking in bookings), Decimal(0))
    same_pods = left == _sorted(cost.open_pods or []) and set(kept) == settled_uids
    changed = not same_pods or bool(bookings) or cost.spent_usd is None
    if not changed and not refresh:
        return Books(dict(account.raw), (), changed=False, open_pods=tuple(left))
    wire = _wire(account, left, kept, settled, now)
    return Books(wire, bookings, changed=changed, open_pods=tuple(left))


def amount_of(pod: OpenPod, now: datetime) -> Decimal:
    """Computes the US dollars of a pod to its end, or to now while it has none."""
    end = parse_time(pod.end_time) if pod.end_time else now
    return pod_cost(parse_time(pod.bound_time), end, Decimal(pod.rate_per_hour_usd))


def _open_pods(account: Account, settled: set[str], prices: Prices, now: datetime) -> list[OpenPod]:
    by_uid = {pod.uid: pod for pod in account.pods}
    known = {pod.uid: pod for pod in account.cost.open_pods or []}
    current = [_with_end(pod, by_uid.get(uid), now) for uid, pod in known.items() if uid not in settled]
    for uid, view in by_uid.items():
        if uid in known or uid in settled or view.bound_time is None:
            continue
        rate = bound_rate(prices, view.resources, account.node_labels.get(uid))
        fresh = OpenPod(
            uid=uid,
            name=view.name,
            bound_time=format_time(view.bound_time),
            rate_per_hour_usd=dollars(rate.usd_per_hour),
        )
        current.append(_with_end(fresh, view, now))
    return _sorted(current)


def _sorted(pods: Iterable[OpenPod]) -> list[OpenPod]:
    return sorted(pods, key=lambda pod: (pod.bound_time, pod.uid))


def _with_end(pod: OpenPod, view: PodView | None, now: datetime) -> OpenPod:
    if pod.end_time is not None or (view is not None and not view.ended):
        return pod
    finished = view.finished_time if view is not None else None
    end = end_of_billing(parse_time(pod.bound_time), finished, now)
    return pod.model_copy(update={"end_time": format_time(end)})


def _closed(pod: OpenPod, account: Account, now: datetime) -> OpenPod:
    if pod.end_time is not None:
        return pod
    view = next((view for view in account.pods if view.uid == pod.uid), None)
    grace = timedelta(seconds=account.grace_seconds)
    end = (view.deletion_time if view else None) or now + grace
    return pod.model_copy(update={"end_time": format_time(max(end, parse_time(pod.bound_time)))})


def _wire(account: Account, left: list[OpenPod], kept: list[str], settled: Decimal, now: datetime) -> dict[str, Any]:
    cost = account.cost
    live = settled + sum((amount_of(pod, now) for pod in left), Decimal(0))
    spent = max(Decimal(cost.spent_usd or "0"), Decimal(dollars_up(live)))
    rate = sum((Decimal(pod.rate_per_hour_usd) for pod in left if pod.end_time is None), Decimal(0))
    remaining = account.remaining_seconds
    running = bool(rate) and remaining is not None
    ours = Cost(
        spent_usd=dollars(spent, places=4),
        settled_usd=dollars(settled),
        rate_per_hour_usd=dollars(rate) if left else None,
        projected_usd=dollars(spent + rate * Decimal(remaining or 0) / 3600, places=4) if running else None,
        open_pods=left or None,
        settled_pods=[SettledPod(uid=uid) for uid in kept] or None,
    )
    return {name: value for name, value in account.raw.items() if name not in _KNOWN} | ours.to_wire()
