"""The fuzzing of whole runs finds one that ends as none may."""

from __future__ import annotations

import json
import sys

import pytest

from hack.fuzz import runs
from hack.fuzz.kind import BrokenPromiseError
from hack.fuzz.runs import SCRATCH, Run, check

QUESTIONS = "\n".join(json.dumps({"query": f"{one}+1=", "expected_outcome": str(one + 1)}) for one in range(8))
SPEC = {
    "model": {"scratch": SCRATCH},
    "algorithm": {"type": "SFT", "sft": {"steps": 1}},
    "task": {"name": "calculator", "rewards": [{"name": "exact"}]},
}


def test_a_run_that_is_done_and_one_that_is_refused_keep_the_promises() -> None:
    """The real command, both times."""
    check(Run(json.dumps(SPEC), QUESTIONS))
    check(Run(json.dumps(SPEC | {"algorithm": {"type": "SFT"}}), QUESTIONS))


@pytest.mark.parametrize(
    ("code", "said", "promise"),
    [
        (1, "", "ends with 0 or 20; got 1"),
        (0, "", "has a checkpoint"),
        (20, "no", "says that it is one"),
        (20, "Traceback (most", "no traceback"),
    ],
)
def test_a_planted_fault_is_found(code: int, said: str, promise: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash, a run that is done without a checkpoint, and refusals without words."""

    def planted(_: list[str]) -> int:
        print(said, file=sys.stderr)
        return code

    monkeypatch.setattr(runs, "main", planted)
    with pytest.raises(BrokenPromiseError, match=promise):
        check(Run(json.dumps(SPEC), QUESTIONS))
