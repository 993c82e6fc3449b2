"""The fuzzing of environments finds a fault that spreads, and one without a text."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hack.fuzz import environments
from hack.fuzz.environments import Odd, check
from hack.fuzz.kind import BrokenPromiseError
from trainyard_trainer.environment import Observation
from trainyard_trainer.trajectory import TrajectoryStatus


@pytest.mark.parametrize(
    "odd", [Odd("text", "1+1=", (Observation(done=True),)), Odd("chat", ValueError("no")), Odd("text", None)]
)
def test_whatever_one_environment_does_the_product_keeps_its_promises(odd: Odd) -> None:
    """Good, raising, and saying what is no text."""
    check(odd)


@pytest.mark.parametrize(
    ("place", "changes", "promise"),
    [
        (1, {"success": False}, "one's fault isn't another's"),
        (0, {"status": TrajectoryStatus.OK}, "an error fails its trajectory"),
        (0, {"error": " "}, "an error says something"),
    ],
)
def test_a_planted_fault_is_found(
    place: int, changes: dict[str, object], promise: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the good conversation or in the odd one."""
    real = environments.played

    def planted(*given: object) -> list[object]:
        found: list[object] = list(real(*given))
        found[place] = replace(found[place], **changes)
        return found

    monkeypatch.setattr(environments, "played", planted)
    with pytest.raises(BrokenPromiseError, match=promise):
        check(Odd("text", ValueError("no")))
