"""Claims about the price file."""

from __future__ import annotations

from decimal import Decimal

import pytest

from trainyard_operator.money.prices import PricesError, parse_prices

GOOD = """
gpus:
- {product: NVIDIA-L4, usdPerGPUHour: "0.70"}
- {product: NVIDIA-L4, instanceType: g2, capacityType: spot, usdPerGPUHour: "0.28"}
usdPerCoreHour: "0.03"
usdPerGiBHour: "0.004"
"""


def test_prices_are_exact_decimals() -> None:
    """What the file says in quotes is what is charged, to the last digit; an unknown price refuses by default."""
    prices = parse_prices(GOOD)
    assert prices.gpus[1].usd_per_gpu_hour == Decimal("0.28")
    assert (prices.usd_per_core_hour, prices.usd_per_gib_hour) == (Decimal("0.03"), Decimal("0.004"))
    assert prices.unknown_price == "Refuse"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({'"0.03"': '"free"'}, "prices.usdPerCoreHour: .*'free'"),
        ({'"0.70"': '"-1"'}, "prices.gpus.0.usdPerGPUHour: .*'-1'"),
        ({"capacityType": "capacity"}, "prices.gpus.1.capacity: .*got 'spot'"),
        ({"spot": "cheap"}, "prices.gpus.1.capacityType: .*'cheap'"),
        ({'usdPerGiBHour: "0.004"': ""}, "prices.usdPerGiBHour: Field required"),
        ({"gpus:": "gpus: ["}, "prices: must be YAML"),
        ({'"0.03"': '"0.0300001"'}, "prices.usdPerCoreHour: .*decimal places"),
    ],
)
def test_a_bad_price_file_names_the_entry(change: dict[str, str], words: str) -> None:
    """Path, rule and value."""
    text = GOOD
    for old, new in change.items():
        assert old in text
        text = text.replace(old, new, 1)
    with pytest.raises(PricesError, match=words):
        parse_prices(text)
