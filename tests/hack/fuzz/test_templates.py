"""The fuzzing of chat templates finds a renderer that writes what no model reads."""

from __future__ import annotations

import pytest

from hack.fuzz.kind import BrokenPromiseError
from hack.fuzz.models import CHATML
from hack.fuzz.templates import Program, check
from trainyard_trainer.chat.chat_renderer import ChatRenderer


@pytest.mark.parametrize("template", [CHATML, "{{ undefined.field }}", "{%", CHATML.replace("==", "!=")])
def test_whatever_a_template_says_the_product_keeps_its_promises(template: str) -> None:
    """A good one, one that fails as it runs, one that is none, and one that says nonsense."""
    check(Program("chatml", template, "hi", "Be brief."))


@pytest.mark.parametrize(
    ("method", "planted", "found", "words"),
    [
        ("answer", lambda *_: ["36"], BrokenPromiseError, "writes ids"),
        ("turn", lambda *_: None, BrokenPromiseError, "a turn is read"),
        ("opening", lambda *_: 1 / 0, ZeroDivisionError, "by zero"),
    ],
)
def test_a_planted_fault_is_found(
    method: str, planted: object, found: type[Exception], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Texts in place of ids, a turn that is none, and an error that is no refusal."""
    monkeypatch.setattr(ChatRenderer, method, planted)
    with pytest.raises(found, match=words):
        check(Program("chatml", CHATML, "hi", ""))
