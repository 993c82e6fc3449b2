"""Which pods cost money, which have ended, and what is booked: the cost half of a pass.

Place in the data's way: station 12. Order of booking: end, rate and sum into the status, at once; then the pod's
finalizer off; then the ledger's row, now or when the database is back; then the entry's details out of the status. A
process that dies in between repeats the step with the same amount, for it follows from what the status holds. Pure,
and total over whatever a pod may report.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from trainyard_api.decimals import dollars, dollars_up
from trainyard_api.training_job_status import MAX_PODS, Cost, OpenPod, SettledPod
from trainyard_operator.cluster.clock import format_time, parse_time
from trainyard_operator.cluster.pod import PodView
from trainyard_operator.money.prices import Prices
from trainyard_operator.money.rates import bound_rate, end_of_billing, pod_cost

_KNOWN: Final = frozenset(
    {"spentUSD", "settledUSD", "droppedUSD", "ratePerHourUSD", "projectedUSD", "openPods", "settledPods"}
)
_MOST: Final = Decimal(999_999_999)
"""US dollars that a field of the API holds."""


@dataclass(frozen=True)
class Spend:
    """What an ended pod has cost."""

    pod: OpenPod
    """With its end."""
    amount: Decimal
    """US dollars."""


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
    dropped_seconds: Mapping[str, Decimal] = field(default_factory=dict)
    """Pod uid → seconds of its work that it says a stop dropped."""


@dataclass(frozen=True)
class Books:
    """The cost after this pass."""

    cost: dict[str, Any]
    """`status.cost` in its wire form."""
    changed: bool
    """Whether something other than the passing of time has changed."""
    open_pods: tuple[OpenPod, ...]
    settled: tuple[Spend, ...] = ()
    """Pods whose cost this pass adds to the sum."""
    unwritten: tuple[Spend, ...] = ()
    """Pods whose cost the status holds and the ledger may lack; where it can be reached, `cost` forgets them."""
    unpriced: tuple[str, ...] = ()
    """Names of pods that have just been bound and use something without a price."""


def keep_books(
    account: Account, prices: Prices, now: datetime, *, ledger_up: bool, refresh: bool, close_now: bool = False
) -> Books:
    """Computes the books of an object at a moment.

    Args:
        account: what they were, and the pods.
        prices: for pods that have just been bound.
        now: whole seconds.
        ledger_up: whether rows can be written; without, they wait in the status.
        refresh: whether the passing of time alone is reason enough to show a new sum.
        close_now: bill open pods no longer than to the end of their grace.
    """
    cost = account.cost
    former = list(cost.settled_pods or [])
    current, unpriced = _open_pods(account, {pod.uid for pod in former}, prices, now)
    if close_now:
        current = [_closed(pod, account, now) for pod in current]
    kept = _remembered(former, {pod.uid for pod in account.pods}, ledger_up=ledger_up)
    # One that the status couldn't remember would be added again: it stays open, with its end, until there is room.
    # A newer version may have left more than this one may add to.
    ended = [pod for pod in current if pod.end_time is not None][: max(0, MAX_PODS - len(kept))]
    left = [pod for pod in current if pod not in ended][: max(MAX_PODS, len(cost.open_pods or []))]
    settled = tuple(Spend(pod, amount_of(pod, now)) for pod in ended)
    unwritten = tuple(spend for pod in former if (spend := _unwritten(pod, now)) is not None)
    kept += [SettledPod.model_validate(pod.model_dump()) for pod in ended]
    changed = left != _sorted(cost.open_pods or []) or kept != former or bool(settled) or cost.spent_usd is None
    if not changed and not refresh:
        return Books(dict(account.raw), changed=False, open_pods=tuple(left), unwritten=unwritten, unpriced=unpriced)
    total = Decimal(cost.settled_usd or "0") + sum((spend.amount for spend in settled), Decimal(0))
    wire = _wire(account, left, kept, total, now)
    if any(spend.pod.uid in account.dropped_seconds for spend in settled):
        wire["droppedUSD"] = dollars(_dropped(account, settled))
    return Books(wire, changed, tuple(left), settled, unwritten, unpriced)


def amount_of(pod: OpenPod, now: datetime) -> Decimal:
    """Computes the US dollars of a pod to its end, or to now while it has none."""
    end = parse_time(pod.end_time) if pod.end_time else now
    return pod_cost(parse_time(pod.bound_time), end, Decimal(pod.rate_per_hour_usd))


def _dropped(account: Account, settled: Iterable[Spend]) -> Decimal:
    """Adds what the work cost that these pods say they dropped; never more than they cost themselves."""
    dropped = Decimal(account.cost.dropped_usd or "0")
    for spend in settled:
        seconds = max(account.dropped_seconds.get(spend.pod.uid, Decimal(0)), Decimal(0))
        dropped += min(Decimal(spend.pod.rate_per_hour_usd) * seconds / 3600, spend.amount)
    return min(dropped, _MOST)


def _open_pods(
    account: Account, settled: set[str], prices: Prices, now: datetime
) -> tuple[list[OpenPod], tuple[str, ...]]:
    by_uid = {pod.uid: pod for pod in account.pods}
    known = {pod.uid: pod for pod in account.cost.open_pods or []}
    current = [_with_end(pod, by_uid.get(uid), now) for uid, pod in known.items() if uid not in settled]
    unpriced = []
    for uid, view in by_uid.items():
        if uid in known or uid in settled or view.bound_time is None:
            continue
        rate = bound_rate(prices, view.resources, account.node_labels.get(uid))
        if not rate.known:
            unpriced.append(view.name)
        fresh = OpenPod(
            uid=uid,
            name=view.name,
            bound_time=format_time(view.bound_time),
            rate_per_hour_usd=dollars(min(rate.usd_per_hour, _MOST)),
        )
        current.append(_with_end(fresh, view, now))
    return _sorted(current), tuple(unpriced)


def _sorted(pods: Iterable[OpenPod]) -> list[OpenPod]:
    return sorted(pods, key=lambda pod: (pod.bound_time, pod.uid))


def _with_end(pod: OpenPod, view: PodView | None, now: datetime) -> OpenPod:
    if pod.end_time is not None or (view is not None and not view.over):
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


def _unwritten(pod: SettledPod, now: datetime) -> Spend | None:
    """Makes the row of a pod whose details the status holds; None: the ledger has it."""
    if pod.name is None or pod.bound_time is None or pod.end_time is None or pod.rate_per_hour_usd is None:
        return None
    ended = OpenPod(
        uid=pod.uid,
        name=pod.name,
        bound_time=pod.bound_time,
        end_time=pod.end_time,
        rate_per_hour_usd=pod.rate_per_hour_usd,
    )
    return Spend(ended, amount_of(ended, now))


def _remembered(former: Sequence[SettledPod], alive: set[str], *, ledger_up: bool) -> list[SettledPod]:
    """Keeps the details of rows that are to be written, and the uids of pods whose objects are still there."""
    kept = (pod if pod.name is not None and not ledger_up else SettledPod(uid=pod.uid) for pod in former)
    return [pod for pod in kept if pod.name is not None or pod.uid in alive]


def _wire(
    account: Account, left: list[OpenPod], kept: list[SettledPod], settled: Decimal, now: datetime
) -> dict[str, Any]:
    cost = account.cost
    live = settled + sum((amount_of(pod, now) for pod in left), Decimal(0))
    spent = min(max(Decimal(cost.spent_usd or "0"), Decimal(dollars_up(live))), _MOST)
    rate = min(sum((Decimal(pod.rate_per_hour_usd) for pod in left), Decimal(0)), _MOST)
    ours = Cost(
        spent_usd=dollars(spent, places=4),
        settled_usd=dollars(min(settled, _MOST)),
        dropped_usd=cost.dropped_usd,
        rate_per_hour_usd=dollars(rate) if left else None,
        projected_usd=_projected(spent, rate, account.remaining_seconds),
        open_pods=left or None,
        settled_pods=kept or None,
    )
    return {name: value for name, value in account.raw.items() if name not in _KNOWN} | ours.to_wire()


def _projected(spent: Decimal, rate: Decimal, remaining_seconds: int | None) -> str | None:
    """Adds what the rest will cost; None where the pod says nothing of use, for it may say anything."""
    if not rate or remaining_seconds is None:
        return None
    projected = spent + rate * Decimal(remaining_seconds) / 3600
    return dollars(projected, places=4) if projected <= _MOST else None
