"""One run from its config to its last checkpoint."""

from __future__ import annotations

import pytest
import torch

from tests.trainyard_trainer import small
from tests.trainyard_trainer.small import Outside
from trainyard_trainer.errors import StoppedError
from trainyard_trainer.run import run

EVALUATION = {"questions": 16, "temperature": "1.0"}


@pytest.mark.parametrize("kind", ["GRPO", "SFT"])
def test_a_run_evaluates_trains_saves_and_is_done(kind: str) -> None:
    """Loading, evaluation before and after, every step, a final checkpoint, phase done."""
    outside = Outside()
    saved = run(small.config(kind, evaluation=EVALUATION), None, **outside.edges())
    assert saved.step == 2
    assert [(m.step, m.values["questions"]) for m in outside.evaluations] == [(0, 16), (2, 16)]
    assert [m.step for _, m in outside.steps] == [0, 1]
    phases = [report.phase for report in outside.reports]
    expected = ["loading", "evaluation", *(["rollout"] if kind == "GRPO" else []), "update", "saving", "done"]
    assert list(dict.fromkeys(phases)) == expected
    last = outside.reports[-1]
    assert (last.steps, last.percent, last.last_checkpoint.uri) == ("2/2", 100, saved.uri)
    assert None not in (last.evaluation.success_before, last.evaluation.success_after)


def test_a_stop_before_the_first_step_still_leaves_a_checkpoint() -> None:
    """During the first evaluation: the state of step 0."""
    outside = Outside(stop_when=lambda _: True)
    with pytest.raises(StoppedError) as stop:
        run(small.config(evaluation=EVALUATION), None, **outside.edges())
    assert (stop.value.last_step, stop.value.committed_uri, outside.steps) == (0, "file:///x/0/", [])


def test_one_thread_unless_the_environment_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal bytes need an equal number of threads."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    run(small.config("SFT"), None, **Outside().edges())
    assert torch.get_num_threads() == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    run(small.config("SFT"), None, **Outside().edges())
    assert torch.get_num_threads() == 2
    torch.set_num_threads(1)
