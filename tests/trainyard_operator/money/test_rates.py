"""Claims about rates and amounts."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trainyard_operator.builders import NOW, at
from trainyard_operator.cluster.pod import Resources
from trainyard_operator.money.prices import Prices
from trainyard_operator.money.rates import (
    INSTANCE_TYPE_LABEL,
    assumed_rate,
    bound_rate,
    end_of_billing,
    missing_price,
    node_selector_of,
    pod_cost,
)

TABLE = Prices.model_validate(
    {
        "gpus": [
            {"product": "L4", "usdPerGPUHour": "0.70"},
            {"product": "L4", "instanceType": "g2", "usdPerGPUHour": "0.60"},
            {"product": "L4", "instanceType": "g2", "capacityType": "spot", "usdPerGPUHour": "0.20"},
            {"product": "L4", "capacityType": "spot", "usdPerGPUHour": "0.30"},
            {"product": "H9", "instanceType": "p9", "usdPerGPUHour": "9"},
        ],
        "usdPerCoreHour": "0.03",
        "usdPerGiBHour": "0.004",
    }
)
CPU_ONLY = Resources(Decimal("0.5"), Decimal(2))
TWO_L4 = Resources(Decimal(4), Decimal(16), 2, "L4")
REST = Decimal("0.03") * 4 + Decimal("0.004") * 16
SPOT = {"karpenter.sh/capacity-type": "spot"}


def test_a_pod_without_gpus_pays_its_requests() -> None:
    """Cores and GiB times their prices; no entry is needed."""
    rate = assumed_rate(TABLE, CPU_ONLY, {})
    assert (rate.usd_per_hour, rate.known) == (Decimal("0.023000"), True)
    assert bound_rate(TABLE, CPU_ONLY, {}) == rate


def test_a_rate_is_rounded_up() -> None:
    """To six places: of what a pod costs no part is given away."""
    table = Prices.model_validate({"usdPerCoreHour": "0.000001", "usdPerGiBHour": "0"})
    for cpu, rate in (("0.1", "0.000001"), ("1", "0.000001"), ("1.000001", "0.000002")):
        resources = Resources(Decimal(cpu), Decimal(0))
        assert assumed_rate(table, resources, {}).usd_per_hour == Decimal(rate)
        assert bound_rate(table, resources, {}).usd_per_hour == Decimal(rate)


def test_before_a_start_the_highest_possible_price_is_assumed() -> None:
    """Of all entries that a node could match; a required instance type narrows them."""
    assert assumed_rate(TABLE, TWO_L4, {}).usd_per_hour == 2 * Decimal("0.70") + REST
    narrowed = assumed_rate(TABLE, TWO_L4, {INSTANCE_TYPE_LABEL: "other"})
    assert narrowed.usd_per_hour == 2 * Decimal("0.70") + REST


@pytest.mark.parametrize(
    ("labels", "price"),
    [
        ({}, "0.70"),
        ({INSTANCE_TYPE_LABEL: "g2"}, "0.60"),
        ({INSTANCE_TYPE_LABEL: "g2"} | SPOT, "0.20"),
        (SPOT, "0.30"),
        ({"eks.amazonaws.com/capacityType": "SPOT"}, "0.30"),
        ({"cloud.google.com/gke-spot": "true"}, "0.30"),
        ({"kubernetes.azure.com/scalesetpriority": "spot"}, "0.30"),
        (None, "0.70"),
    ],
)
def test_a_bound_pod_pays_the_most_specific_entry(labels: dict[str, str] | None, price: str) -> None:
    """By its node's labels; without the right to read nodes only the general entry counts."""
    rate = bound_rate(TABLE, TWO_L4, labels)
    assert (rate.usd_per_hour, rate.known) == (2 * Decimal(price) + REST, True)


def test_of_equally_specific_entries_the_highest_counts() -> None:
    """An ambiguous table never makes a job cheaper."""
    entries = [{"product": "L4", "usdPerGPUHour": price} for price in ("1", "3", "2")]
    table = Prices.model_validate({"gpus": entries, "usdPerCoreHour": "0", "usdPerGiBHour": "0"})
    assert bound_rate(table, TWO_L4, {}).usd_per_hour == 6


def test_a_product_without_an_entry_has_no_known_price() -> None:
    """Before and after binding; the message names the field and the product."""
    resources = Resources(Decimal(1), Decimal(1), 1, "X")
    assert not assumed_rate(TABLE, resources, {}).known
    assert not bound_rate(TABLE, resources, {}).known
    assert missing_price(resources).startswith("spec.trainer.gpus.product: ")
    assert missing_price(resources).endswith('got "X"')


def test_without_node_rights_a_special_entry_is_no_price() -> None:
    """An entry for an instance type can't be matched by an operator that sees no node."""
    resources = Resources(Decimal(1), Decimal(1), 1, "H9")
    assert assumed_rate(TABLE, resources, {}).known
    assert not assumed_rate(TABLE, resources, {}, read_nodes=False).known


def test_a_node_that_no_entry_describes_costs_what_was_assumed() -> None:
    """A pod that runs is never free."""
    resources = Resources(Decimal(0), Decimal(0), 1, "H9")
    assert bound_rate(TABLE, resources, {INSTANCE_TYPE_LABEL: "unheard-of"}).usd_per_hour == 9


@given(seconds=st.integers(0, 10**7), rate=st.decimals("0", "1000", places=6), cut=st.integers(0, 10**7))
def test_an_amount_is_time_times_rate_and_grows_with_both(seconds: int, rate: Decimal, cut: int) -> None:
    """Exact to six places; a part of the time never costs more than the whole."""
    amount = pod_cost(NOW, at(seconds), rate)
    assert abs(amount - rate * seconds / 3600) <= Decimal("0.0000005")
    assert pod_cost(NOW, at(min(cut, seconds)), rate) <= amount


def test_an_end_before_the_beginning_costs_nothing() -> None:
    """Clocks of nodes differ; nobody is paid back."""
    assert pod_cost(NOW, at(-5), Decimal(9)) == 0


def test_billing_ends_with_the_container_but_not_after_we_saw_it() -> None:
    """A node's clock may be ahead; a pod without evidence ends when it is seen gone."""
    assert end_of_billing(at(0), at(50), at(60)) == at(50)
    assert end_of_billing(at(0), at(90), at(60)) == at(60)
    assert end_of_billing(at(0), None, at(60)) == at(60)
    assert end_of_billing(at(0), at(-50), at(60)) == at(0)


def test_a_pod_runs_only_on_nodes_of_its_product() -> None:
    """The product that is priced is the one that is required, whatever the selector says."""
    label = "nvidia.com/gpu.product"
    assert node_selector_of("L4", {"zone": "a", label: "T4"}) == {"zone": "a", label: "L4"}
    assert node_selector_of(None, {}) == {}
