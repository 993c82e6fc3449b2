"""The fuzzing of tool calls finds a turn that is read as what it isn't."""

from __future__ import annotations

import pytest

from hack.fuzz.kind import BrokenPromiseError
from hack.fuzz.tool_calls import OWN_RULE, TURNS, Written, check
from trainyard_trainer.chat.chat_renderer import ChatRenderer
from trainyard_trainer.chat.tool_calls import FORMATS
from trainyard_trainer.environment import PolicyTurn, ToolCall


@pytest.mark.parametrize("way", [*FORMATS, OWN_RULE])
@pytest.mark.parametrize("text", [TURNS[0], "<tool_call>{", "[[null]]", ""])
def test_whatever_a_policy_writes_the_product_keeps_its_promises(way: str, text: str) -> None:
    """A call, one that is cut off, one that is none, and nothing."""
    check(Written(way, text))


@pytest.mark.parametrize(
    ("turn", "promise"),
    [
        (None, "a turn is a PolicyTurn"),
        (PolicyTurn("so", (ToolCall("calculator", "1+1"),)), "a call is an object"),  # type: ignore[arg-type]
        (PolicyTurn("so", (ToolCall("\ud83d", {}),)), "a call's name is a text"),
    ],
)
def test_a_planted_fault_is_found(turn: object, promise: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No turn, arguments that are no object, and a name that can't be written."""
    monkeypatch.setattr(ChatRenderer, "turn", lambda *_: turn)
    with pytest.raises(BrokenPromiseError, match=promise):
        check(Written(OWN_RULE, "so"))
