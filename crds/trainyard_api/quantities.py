"""Kubernetes resource quantities as exact numbers.

Place in the data's way: station 1, where requests are bounded, and 12, where they are multiplied by prices. Pure.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

GIB: Final = Decimal(2**30)
_FORM: Final = re.compile(r"^([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:([numkMGTPE]|[KMGTPE]i)|[eE]([-+]?[0-9]{1,2}))?$")
_FACTORS: Final = {
    "": Decimal(1),
    **{unit: Decimal(1000) ** -power for power, unit in enumerate("mun", start=1)},
    **{unit: Decimal(1000) ** power for power, unit in enumerate("kMGTPE", start=1)},
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", start=1)},
}


def parse_quantity(text: str) -> Decimal:
    """Reads the number that a quantity stands for: `500m` is 0.5, `2Gi` is 2147483648.

    Takes every form that the API server takes, for a cluster's admission may rewrite what a pod requests.

    Raises:
        ValueError: it is no quantity.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError(f"quantity: must be a number with an optional unit, as 500m or 2Gi; got {text!r}")
    return Decimal(match[1]) * _FACTORS[match[2] or ""] * Decimal(10) ** int(match[3] or 0)
