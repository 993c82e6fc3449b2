"""Claims about the books: what is open, what is settled, and in which order."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.trainyard_operator.bench import PRICES
from tests.trainyard_operator.builders import (
    NOW,
    POD_UID,
    TABLE,
    at,
    ended_pod,
    observed,
    open_pod,
    pod,
    running_status,
    time_text,
)
from trainyard_api.training_job_status import MAX_PODS, Cost
from trainyard_operator.cluster.pod import Resources
from trainyard_operator.money.booking import Books, keep_books
from trainyard_operator.money.prices import Prices
from trainyard_operator.trainingjob.decision.observed import Observed

SMALL = {"product": "L4", "instanceType": "small", "usdPerGPUHour": "1"}


def _books(seen: Observed, *, ledger_up: bool = True, refresh: bool = False, **more: Any) -> Books:
    return keep_books(seen.account, TABLE, NOW, ledger_up=ledger_up, refresh=refresh, **more)


def _status(**cost: Any) -> dict[str, Any]:
    return running_status(cost={"spentUSD": "0.0100", "settledUSD": "0.000000"} | cost)


def _says(seconds: int) -> dict[str, Any]:
    """A pod's word about how long it goes on."""
    return {"estimatedRemainingSeconds": seconds, "lastReportTime": time_text(-5)}


def test_a_job_begins_at_zero() -> None:
    """Shown from the first pass on."""
    assert _books(observed()).cost == {"spentUSD": "0.0000", "settledUSD": "0.000000"}


def test_a_bound_pod_is_opened_with_its_rate() -> None:
    """From its PodScheduled transition, at the price of its node."""
    books = _books(observed(pods=(pod(),), node_labels={POD_UID: {}}))
    assert books.cost["openPods"] == [open_pod()]
    assert books.cost["ratePerHourUSD"] == "1.500000"
    assert books.changed
    assert _books(observed(pods=(pod(bound_time=None),))).open_pods == ()


def test_live_cost_is_settled_plus_time_times_rate() -> None:
    """100 s at $1.50 per hour on top of what is settled, rounded up as shown."""
    seen = observed(status=_status(settledUSD="1.000001", openPods=[open_pod()]), pods=(pod(),))
    assert _books(seen, refresh=True).cost["spentUSD"] == "1.0417"


def test_the_shown_sum_never_falls() -> None:
    """A high-water mark, whatever is computed."""
    seen = observed(status=_status(spentUSD="9.0000", openPods=[open_pod()]), pods=(pod(),))
    assert _books(seen, refresh=True).cost["spentUSD"] == "9.0000"


def test_time_alone_changes_nothing_until_a_new_sum_is_due() -> None:
    """What is there is kept to the letter, unknown fields included."""
    status = _status(openPods=[open_pod()], novel=1)
    seen = observed(status=status, pods=(pod(),))
    books = _books(seen)
    assert (books.cost, books.changed) == (status["cost"], False)
    assert _books(seen, refresh=True).cost["novel"] == 1


def test_an_end_is_settled_in_the_status_before_its_row_is_written() -> None:
    """First pass: end and sum at once. Second: the row, of what the status holds; then only the uid is remembered."""
    first = _books(observed(status=_status(openPods=[open_pod()]), pods=(ended_pod(1),)))
    assert [(spend.pod.uid, spend.amount) for spend in first.settled] == [(POD_UID, Decimal("0.037500"))]
    assert (first.cost["settledUSD"], first.cost["settledPods"]) == ("0.037500", [open_pod(end=-10)])
    assert ("openPods" in first.cost, first.open_pods, first.unwritten) == (False, (), ())
    second = _books(observed(status=running_status(cost=first.cost), pods=(ended_pod(1),)))
    assert [(spend.pod.uid, spend.amount) for spend in second.unwritten] == [(POD_UID, Decimal("0.037500"))]
    assert (second.cost["settledUSD"], second.cost["settledPods"]) == ("0.037500", [{"uid": POD_UID}])
    assert second.settled == ()


def test_a_repeated_row_has_the_same_amount() -> None:
    """However late, and even if the pod's own times were to change."""
    status = _status(settledUSD="0.037500", settledPods=[open_pod(end=-10)])
    changed = ended_pod(1, finished_time=at(-50))
    for pods in ((ended_pod(1),), (changed,), ()):
        assert _books(observed(status=status, pods=pods)).unwritten[0].amount == Decimal("0.037500")


def test_without_the_ledger_a_row_waits_in_the_status() -> None:
    """The sum counts at once; the details stay until the row can be written, and nothing is added a second time."""
    seen = observed(status=_status(openPods=[open_pod()]), pods=(ended_pod(1),))
    books = _books(seen, ledger_up=False, refresh=True)
    assert books.cost["settledUSD"] == "0.037500"
    assert Decimal(books.cost["spentUSD"]) == Decimal("0.0375")
    for pods in ((ended_pod(1),), ()):
        later = _books(observed(status=running_status(cost=books.cost), pods=pods), ledger_up=False, refresh=True)
        assert (later.cost, later.settled) == (books.cost, ())


def test_a_pod_that_is_gone_without_a_word_ends_when_that_is_seen() -> None:
    """Nothing else is known of it."""
    books = _books(observed(status=_status(openPods=[open_pod()])))
    assert [spend.pod.end_time for spend in books.settled] == [time_text(0)]


def test_a_container_cant_end_after_we_saw_its_end() -> None:
    """A node's clock that is ahead costs nobody money."""
    seen = observed(status=_status(openPods=[open_pod()]), pods=(ended_pod(1, finished_time=at(500)),))
    assert _books(seen).settled[0].pod.end_time == time_text(0)


def test_a_settled_pod_is_never_opened_again_and_forgotten_when_gone() -> None:
    """Its uid stays as long as its object, so that it can't be billed twice."""
    status = _status(settledUSD="0.037500", settledPods=[{"uid": POD_UID}])
    still = _books(observed(status=status, pods=(ended_pod(1),)))
    assert (still.changed, still.open_pods) == (False, ())
    gone = _books(observed(status=status))
    assert "settledPods" not in gone.cost
    assert gone.cost["settledUSD"] == "0.037500"


def test_a_projection_needs_a_running_pod_and_its_report() -> None:
    """An hour at the present rate on top of what is spent."""
    status = _status(openPods=[open_pod()]) | {
        "progress": {"estimatedRemainingSeconds": 3600, "lastReportTime": time_text(-5)}
    }
    assert _books(observed(status=status, pods=(pod(),)), refresh=True).cost["projectedUSD"] == "1.5417"
    ended = _books(observed(status=status, pods=(ended_pod(1),)), refresh=True)
    assert "projectedUSD" not in ended.cost
    status["progress"] |= {"lastReportTime": time_text(-200)}  # of a former attempt's pod
    assert "projectedUSD" not in _books(observed(status=status, pods=(pod(),)), refresh=True).cost


def test_a_namespace_that_goes_is_settled_at_once() -> None:
    """To the end of the pod's grace, without waiting for it to end."""
    seen = observed(status=_status(openPods=[open_pod()]), pods=(pod(deletion_time=at(5)),))
    books = _books(seen, ledger_up=False, close_now=True)
    assert books.open_pods == ()
    assert [spend.pod.end_time for spend in books.settled] == [time_text(5)]


def test_the_books_fit_the_schema() -> None:
    """Every form that they take."""
    for seen in (
        observed(),
        observed(pods=(pod(),), node_labels={POD_UID: {}}),
        observed(status=_status(openPods=[open_pod()]), pods=(ended_pod(1),)),
        observed(status=_status(settledPods=[open_pod(end=-10)]), pods=(ended_pod(1),)),
    ):
        Cost.model_validate(_books(seen, refresh=True).cost, extra="forbid")


def test_no_more_is_settled_than_the_status_can_remember() -> None:
    """One that it forgot would be added to the sum again; it stays open with its end until there is room."""
    rows = [{**open_pod(end=-10), "uid": f"u{number}"} for number in range(MAX_PODS - 1)]
    two = [{**open_pod(end=-10), "uid": uid} for uid in ("a", "b")]
    status = _status(settledUSD="9.562500", settledPods=rows, openPods=two)
    for _ in range(3):
        books = _books(observed(status=status), ledger_up=False)
        status = running_status(cost=books.cost)
        assert books.cost["settledUSD"] == "9.600000"
        assert ([pod.uid for pod in books.open_pods], len(books.cost["settledPods"])) == (["b"], MAX_PODS)
    later = _books(observed(status=status))
    assert (len(later.unwritten), later.cost["settledUSD"]) == (MAX_PODS, "9.637500")
    assert [pod["uid"] for pod in later.cost["settledPods"]] == ["b"]


def test_more_than_this_version_would_keep_is_kept_and_billed_once() -> None:
    """A newer version may have left it: none is added again, none to it, and each goes when its row is written."""
    many = tuple(ended_pod(1, uid=f"u{number:03}") for number in range(MAX_PODS + 44))
    rows = [{**open_pod(end=-10), "uid": each.uid} for each in many]
    opened = [{**open_pod(end=-10), "uid": f"open{number:03}"} for number in range(MAX_PODS + 9)]
    status = _status(settledUSD="9.600000", settledPods=rows, openPods=opened)
    books = _books(observed(status=status, pods=many), ledger_up=False, refresh=True)
    assert (books.settled, books.cost["settledUSD"]) == ((), "9.600000")
    assert (books.cost["settledPods"], books.cost["openPods"]) == (rows, opened)
    later = _books(observed(status=running_status(cost=books.cost), pods=many[:5]), refresh=True)
    assert len(later.unwritten) == len(many)
    assert [each["uid"] for each in later.cost["settledPods"][:5]] == [each.uid for each in many[:5]]
    assert len(later.settled) == MAX_PODS - 5


def test_open_pods_are_bounded_as_the_schema_is() -> None:
    """What has no room is opened in a later pass, from the same beginning."""
    many = tuple(pod(uid=f"u{number:03}") for number in range(MAX_PODS + 1))
    books = _books(observed(pods=many, node_labels={each.uid: {} for each in many}))
    assert len(books.cost["openPods"]) == len(books.open_pods) == MAX_PODS


def test_work_that_a_stop_dropped_is_told_in_dollars() -> None:
    """Its seconds times its rate, when the pod is settled, and never more than it cost, whatever it says."""
    status = _status(openPods=[open_pod()], droppedUSD="0.500000")
    for said, dropped in (("24", "0.510000"), ("999999", "0.537500"), ("-5", "0.500000")):
        ended = ended_pod(10, f'{{"reason": "Stopped", "droppedSeconds": "{said}"}}')
        assert _books(observed(status=status, pods=(ended,))).cost["droppedUSD"] == dropped
    silent = _books(observed(status=status, pods=(ended_pod(10, '{"reason": "Stopped"}'),)))
    assert silent.cost["droppedUSD"] == "0.500000"


def test_nothing_exceeds_what_the_api_holds() -> None:
    """A pod may ask for anything, and say that it goes on for ever: the sums stay within their schema."""
    vast = pod(resources=Resources(Decimal("9e18"), Decimal("9e18"), 10**6, "NVIDIA-L4"))
    opened = _books(observed(pods=(vast,), node_labels={POD_UID: {}}))
    assert opened.cost["openPods"][0]["ratePerHourUSD"] == "999999999.000000"
    assert opened.cost["ratePerHourUSD"] == "999999999.000000"
    rich = _status(settledUSD="999999998.000000", openPods=[{**open_pod(), "ratePerHourUSD": "999999999.000000"}])
    seen = observed(status=rich | {"progress": {"estimatedRemainingSeconds": 2**53}}, pods=(pod(),))
    running = _books(seen, refresh=True)
    assert (running.cost["spentUSD"], "projectedUSD" in running.cost) == ("999999999.0000", False)
    ended = _books(observed(status=rich, pods=(ended_pod(1),)))
    assert ended.cost["settledUSD"] == "999999999.000000"
    for books in (opened, running, ended):
        Cost.model_validate(books.cost, extra="forbid")


def test_a_projection_is_shown_as_long_as_it_fits() -> None:
    """To the last dollar that the field holds; none without a report, or without a rate."""
    for seconds, projected in ((2_399_999_997_600, None), (2_399_999_997_499, "999999998.9996"), (0, "0.0417")):
        status = _status(openPods=[open_pod()]) | {
            "progress": {"estimatedRemainingSeconds": seconds, "lastReportTime": time_text(-5)}
        }
        found = _books(observed(status=status, pods=(pod(),)), refresh=True).cost.get("projectedUSD")
        assert found == projected, seconds
    former = _status(openPods=[open_pod()]) | {"progress": {"estimatedRemainingSeconds": 60}, "podRef": None}
    before = {name: part for name, part in former.items() if part is not None}
    assert "projectedUSD" not in _books(observed(status=before, pods=(pod(),)), refresh=True).cost


def test_a_pod_whose_sidecar_goes_on_keeps_costing() -> None:
    """Its trainer has ended; the rest of it is billed until it has."""
    seen = observed(status=_status(openPods=[open_pod()]), pods=(ended_pod(0, phase="Running", all_ended=False),))
    books = _books(seen, refresh=True)
    assert (books.settled, [each.end_time for each in books.open_pods]) == ((), [None])
    assert books.cost["spentUSD"] == "0.0417"


def test_a_pod_without_a_price_is_named_and_opened_at_what_is_known() -> None:
    """Once, when it is bound: the status says what the sum lacks."""
    strange = pod(resources=Resources(Decimal(1), Decimal(1), 2, "unheard-of"))
    books = _books(observed(pods=(strange,), node_labels={POD_UID: {}}))
    assert (books.unpriced, books.cost["ratePerHourUSD"]) == (("sums-1-abcde",), "1.500000")
    known = _books(observed(status=_status(openPods=[open_pod()]), pods=(strange,)))
    assert known.unpriced == ()


def test_bills_are_in_the_order_in_which_pods_were_bound() -> None:
    """So that the same books are the same text."""
    early, late = pod(uid="b", bound_time=at(-200)), pod(uid="a", bound_time=at(-100))
    same = pod(uid="A", bound_time=at(-100))
    books = _books(observed(pods=(late, same, early), node_labels={uid: {} for uid in "abA"}))
    assert [each["uid"] for each in books.cost["openPods"]] == ["b", "A", "a"]
    again = _books(observed(status=running_status(cost=books.cost), pods=(early, late, same)))
    assert (again.changed, again.cost) == (False, books.cost)


def test_a_pod_closed_by_force_is_billed_to_the_end_of_its_grace() -> None:
    """From its deletion, or from now; never to before it was bound, and never longer than it ran."""
    for facts, end in (({}, 5), ({"deletion_time": at(3)}, 3), ({"deletion_time": at(-500)}, -100)):
        seen = observed(status=_status(openPods=[open_pod()]), pods=(pod(**facts),))
        assert [each.pod.end_time for each in _books(seen, close_now=True).settled] == [time_text(end)]
    ended = observed(status=_status(openPods=[open_pod()]), pods=(ended_pod(1),))
    assert [each.pod.end_time for each in _books(ended, close_now=True).settled] == [time_text(-10)]


@pytest.mark.parametrize("lacking", ["name", "boundTime", "endTime", "ratePerHourUSD"])
def test_a_settled_pod_without_its_details_has_its_row(lacking: str) -> None:
    """What the status doesn't hold can't be written any more."""
    entry = {name: part for name, part in open_pod(end=-10).items() if name != lacking}
    assert _books(observed(status=_status(settledPods=[entry]), pods=(ended_pod(1),))).unwritten == ()


def test_dropped_work_is_added_once_per_settled_pod() -> None:
    """Of several pods each its own; one that said nothing of it drops nothing."""
    two = [open_pod(), {**open_pod(), "uid": "silent"}]
    said = ended_pod(10, '{"reason": "Stopped", "droppedSeconds": "24"}')
    pods = (said, ended_pod(10, uid="silent"))
    found = _books(observed(status=_status(openPods=two), pods=pods)).cost
    assert found["droppedUSD"] == "0.010000"
    again = _books(observed(status=running_status(cost=found), pods=pods), refresh=True).cost
    assert again["droppedUSD"] == "0.010000"
    without = _books(observed(status=_status(openPods=[open_pod()]), pods=(ended_pod(1),))).cost
    assert "droppedUSD" not in without


def test_each_pod_is_charged_by_its_own_node() -> None:
    """Also where an earlier one has no node yet."""
    gpu = Prices.model_validate(PRICES | {"gpus": [SMALL, {"product": "L4", "usdPerGPUHour": "4"}]})
    resources = Resources(Decimal(1), Decimal(1), 1, "L4")
    unbound = pod(uid="first", bound_time=None)
    seen = observed(
        pods=(unbound, pod(resources=resources)),
        node_labels={POD_UID: {"node.kubernetes.io/instance-type": "small"}},
    )
    books = keep_books(seen.account, gpu, NOW, ledger_up=True, refresh=False)
    assert [each["ratePerHourUSD"] for each in books.cost["openPods"]] == ["2.500000"]
