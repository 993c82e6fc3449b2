"""The price table: what a GPU, a core and a gibibyte cost per hour.

Place in the data's way: station 12. The chart's values become one YAML file, read once at start. Money is Decimal.
Which entry a pod is charged by is decided in `rates.py`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from trainyard_operator.errors import TrainyardOperatorError

Price = Annotated[Decimal, Field(ge=0, max_digits=15, decimal_places=6)]


class PricesError(TrainyardOperatorError, ValueError):
    """The price file can't be used; the text names the field, the rule and the value."""


class _Entry(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid")


class GpuPrice(_Entry):
    """One hour of one GPU, where the node's labels match every member that is set."""

    product: Annotated[str, Field(min_length=1)]
    """Value of the node label nvidia.com/gpu.product."""
    instance_type: str | None = None
    """Value of the node label node.kubernetes.io/instance-type. Default: any."""
    capacity_type: Literal["on-demand", "spot"] | None = None
    """on-demand or spot, as the cloud's own node label says. Default: any."""
    usd_per_gpu_hour: Annotated[Price, Field(alias="usdPerGPUHour")]
    """US dollars for one GPU and hour."""


class Prices(_Entry):
    """The whole table."""

    gpus: tuple[GpuPrice, ...] = ()
    """Prices of GPUs; the entry that matches in most members counts, of several the highest."""
    usd_per_core_hour: Price
    """US dollars for one requested CPU core and hour."""
    usd_per_gib_hour: Annotated[Price, Field(alias="usdPerGiBHour")]
    """US dollars for one requested GiB of memory and hour."""
    unknown_price: Literal["Refuse", "Allow"] = "Refuse"
    """Whether a job may start whose GPU has no price. Default: Refuse."""


def parse_prices(text: str) -> Prices:
    """Reads the table from the text of a YAML file.

    Raises:
        PricesError: it isn't YAML, or a field is missing, unknown or malformed.
    """
    try:
        return Prices.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise PricesError(f"prices: must be YAML; {error}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = ".".join(str(part) for part in ("prices", *first["loc"]))
        raise PricesError(f"{path}: {first['msg']}; got {first['input']!r}") from None
