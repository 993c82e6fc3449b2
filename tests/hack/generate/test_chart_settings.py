"""What a user of the chart may set, and what is refused."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from hack.generate.chart_settings import GpuPrice, Values


def test_names_are_those_of_the_file() -> None:
    """camelCase, but where Kubernetes' or money's own spelling is another."""
    dumped = Values().model_dump(by_alias=True)
    assert dumped["prices"].keys() == {"gpus", "usdPerCoreHour", "usdPerGiBHour", "unknownPrice"}
    assert GpuPrice.model_validate({"product": "A100", "usdPerGPUHour": "1.5"}).usd_per_gpu_hour == "1.5"


@pytest.mark.parametrize(
    "values",
    [
        {"prices": {"usdPerCoreHour": "-1"}},
        {"prices": {"gpus": [{"product": "", "usdPerGPUHour": "1"}]}},
        {"watchNamespaces": ["Team A"]},
        {"operator": {"tickSeconds": 0}},
        {"operator": {"resources": {"requests": {"cpu": "much"}}}},
        {"networkPolicy": {"apiServerPorts": [0]}},
        {"imgae": {}},
    ],
)
def test_what_can_not_be_meant_is_refused(values: dict[str, object]) -> None:
    """A negative price, no name, a namespace that none can have, a value out of bounds, a mistyped section."""
    with pytest.raises(ValidationError):
        Values.model_validate(values)
