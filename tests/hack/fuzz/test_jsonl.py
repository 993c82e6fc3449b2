"""The fuzzing of data files finds what a reader may not do."""

from __future__ import annotations

import pytest

from hack.fuzz import jsonl
from hack.fuzz.jsonl import GOOD, Data, check
from hack.fuzz.kind import BrokenPromiseError
from trainyard_api.termination import TerminationReason
from trainyard_trainer.data.jsonl import QuestionFile
from trainyard_trainer.environment import Question
from trainyard_trainer.errors import RefusedError

FILE = "\n".join(GOOD).encode()


@pytest.mark.parametrize("train", [FILE, b"", b"\xff", b'{"query": 1}', FILE.replace(b"\n", b"\r\n")])
def test_whatever_a_file_holds_the_product_keeps_its_promises(train: bytes) -> None:
    """Good lines, none, no text, and a question that is none."""
    check(Data(train, None, 2))


def test_a_planted_fault_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal of two lines, an empty question, and an error that is no refusal."""

    def wordy(*_: object, **__: object) -> None:
        raise RefusedError(TerminationReason.INVALID_DATA, "two\nlines")

    monkeypatch.setattr(jsonl, "read_questions", wordy)
    with pytest.raises(BrokenPromiseError, match="one line"):
        check(Data(FILE, None, 0))
    monkeypatch.setattr(jsonl, "read_questions", lambda *_, **__: QuestionFile((Question(" ", "4", 1),), {}))
    with pytest.raises(BrokenPromiseError, match="say something"):
        check(Data(FILE, None, 0))
    monkeypatch.setattr(jsonl, "read_questions", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        check(Data(FILE, None, 0))
