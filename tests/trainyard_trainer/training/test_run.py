"""One run from its config to its last checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import pytest
import torch

from tests.trainyard_trainer import small
from tests.trainyard_trainer.small import Outside
from trainyard_api.run_config import RunConfig
from trainyard_api.termination import TerminationReason
from trainyard_trainer.checkpoints.resumable import Resumed
from trainyard_trainer.errors import DroppedError, RefusedError, StoppedError
from trainyard_trainer.evaluation.early_stopping import observed
from trainyard_trainer.sinks import Ended
from trainyard_trainer.training.inputs import RunInputs
from trainyard_trainer.training.measured import Measured
from trainyard_trainer.training.run import run

EVALUATION = {"questions": 16, "temperature": "1.0"}


def go(outside: Outside, config: RunConfig, resumed: Resumed | None = None) -> Ended:
    """A whole run."""
    return run(config, RunInputs(resumed=resumed), **outside.edges())


def stopped(*_: object) -> NoReturn:
    """Stands for what a run is put together by, when a stop is asked for."""
    raise DroppedError


def phases(outside: Outside) -> list[str]:
    """Each once, in the order in which they were first shown."""
    return list(dict.fromkeys(report.phase for report in outside.reports))


@pytest.mark.parametrize("kind", ["GRPO", "SFT"])
def test_a_run_evaluates_trains_saves_and_is_done(kind: str) -> None:
    """Loading, evaluation before and after, every step, a final checkpoint, phase done."""
    outside = Outside()
    ended = go(outside, small.config(kind, evaluation=EVALUATION))
    assert (ended.saved.step, ended.early) == (2, False)
    assert [(m.step, m.policy_version, m.values["questions"]) for m in outside.evaluations] == [(0, 0, 16), (2, 2, 16)]
    assert [m.step for _, m in outside.steps] == [0, 1]
    rollout = ["rollout"] if kind == "GRPO" else []
    assert phases(outside) == ["loading", "evaluation", *rollout, "update 1 of 1", "saving", "done"]
    last = outside.reports[-1]
    assert (last.steps, last.percent, last.last_checkpoint.uri) == ("2/2", 100, ended.saved.uri)
    assert None not in (last.evaluation.before, last.evaluation.after, last.sampler)
    assert outside.rewound == [0]


def test_a_stop_before_anything_is_learned_or_measured_leaves_nothing() -> None:
    """At once, or during the first evaluation: the next pod has all that this one had."""
    for phase in ("loading", "evaluation"):
        outside = Outside(stop_when=lambda outside, phase=phase: phase in phases(outside))
        with pytest.raises(StoppedError) as stop:
            go(outside, small.config(evaluation=EVALUATION))
        assert (stop.value.last_step, stop.value.committed_uri) == (0, None)
        assert (outside.steps, outside.snapshots) == ([], [])


def test_a_stop_in_the_first_rollout_keeps_what_was_measured_before_it() -> None:
    """The measurement of the first weights is paid for: it is a state of its own."""
    outside = Outside(stop_when=lambda outside: "rollout" in phases(outside))
    with pytest.raises(StoppedError) as stop:
        go(outside, small.config(evaluation=EVALUATION))
    assert (stop.value.last_step, stop.value.committed_uri, outside.steps) == (0, "file:///x/0/", [])
    assert stop.value.dropped_seconds > 0


def test_a_stop_while_a_run_is_put_together_names_what_it_would_have_gone_on_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checkpoint that was found, and its step; nothing where there was none. Neither writes anything."""
    first, second = Outside(stop_when=lambda outside: len(outside.steps) == 1), Outside()
    with pytest.raises(StoppedError):
        go(first, small.config())
    found = small.resumed(first.snapshots[-1], tmp_path)
    monkeypatch.setattr("trainyard_trainer.training.run.make_algorithm", stopped)
    for resumed, left in ((found, (1, found.saved.uri)), (None, (0, None))):
        with pytest.raises(StoppedError) as stop:
            go(second, small.config(), resumed)
        assert (stop.value.last_step, stop.value.committed_uri) == left
    assert second.snapshots == []


def test_a_run_does_not_go_on_with_other_questions(tmp_path: Path) -> None:
    """A ConfigMap or object that was edited meanwhile: some queries would be asked twice, and some that were trained on
    be tests.
    """
    first, second = Outside(stop_when=lambda outside: len(outside.steps) == 1), Outside()
    with pytest.raises(StoppedError):
        go(first, small.config())
    other = {"name": "calculator", "options": {"operators": "+"}, "rewards": [{"name": "exact"}]}
    with pytest.raises(RefusedError, match="must give the questions that the run began with") as refusal:
        go(second, small.config(task=other), small.resumed(first.snapshots[-1], tmp_path))
    assert (refusal.value.reason, refusal.value.field_path) == (TerminationReason.INVALID_DATA, "spec.task")
    assert second.rewound == []


def test_what_was_measured_before_the_first_step_is_not_measured_again(tmp_path: Path) -> None:
    """Stopped after a step and gone on: the first measurement comes with the checkpoint, rows are rewound to it."""
    config = small.config(evaluation=EVALUATION)
    first, second = Outside(stop_when=lambda outside: len(outside.steps) == 1), Outside()
    with pytest.raises(StoppedError):
        go(first, config)
    ended = go(second, config, small.resumed(first.snapshots[-1], tmp_path))
    assert ended.saved.step == 2
    assert second.rewound == [1]
    assert [metrics.step for metrics in second.evaluations] == [2]
    assert second.reports[-1].evaluation.before == first.reports[-1].evaluation.before
    assert {report.steps for report in second.reports} == {"1/2", "2/2"}


def test_a_run_whose_final_checkpoint_is_there_has_only_to_say_so(tmp_path: Path) -> None:
    """Its pod died after COMMIT: no step is done again."""
    first, second = Outside(), Outside()
    go(first, small.config(evaluation=EVALUATION))
    ended = go(second, small.config(evaluation=EVALUATION), small.resumed(first.snapshots[-1], tmp_path))
    assert (ended.saved.step, second.steps, phases(second)[-1]) == (2, [], "done")


VALIDATED = EVALUATION | {"validation": {"everySteps": 1, "questions": 4, "earlyStopping": {"patience": 2}}}
NEVER_RIGHT = {"type": "GRPO", "seed": 0, "grpo": small.GRPO | {"steps": 9, "maxTurns": 1}}


def test_a_run_that_no_longer_improves_ends_early_with_a_checkpoint() -> None:
    """An untrained agent is never right: after the first value come two that are no better, then the end."""
    outside = Outside()
    ended = go(outside, small.config(algorithm=NEVER_RIGHT, evaluation=VALIDATED))
    assert ended.early
    assert ended.saved.step == len(outside.steps) == outside.snapshots[-1].step == 3
    made = [(m.kind, m.step, m.policy_version) for m in outside.evaluations][1:-1]
    assert made == [("validation", step, step) for step in (1, 2, 3)]


@pytest.mark.parametrize("steps", [1, 2])
def test_early_stopping_goes_on_counting_over_a_resume(tmp_path: Path, steps: int) -> None:
    """Stopped after a step and gone on, the run ends at the same step as without; no validation is made twice."""
    config = small.config(algorithm=NEVER_RIGHT, evaluation=VALIDATED)
    first, second = Outside(stop_when=lambda outside: len(outside.steps) == steps), Outside()
    with pytest.raises(StoppedError):
        go(first, config)
    ended = go(second, config, small.resumed(first.snapshots[-1], tmp_path))
    assert (ended.early, ended.saved.step) == (True, 3)
    made = [m.step for outside in (first, second) for m in outside.evaluations if m.kind == "validation"]
    assert made == [1, 2, 3]


def test_the_best_state_becomes_a_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside those that are due; the first validation is the best until there is a better one."""
    rates = {1: 0.25, 2: 0.5, 3: 0.5, 4: 0.25}
    monkeypatch.setattr("trainyard_trainer.training.validate.measure", lambda *_: (Measured({}, ()), []))
    monkeypatch.setattr(
        "trainyard_trainer.training.validate.observed",
        lambda history, step, _, delta: observed(history, step, rates[step], delta),
    )
    outside = Outside()
    validated = EVALUATION | {"validation": {"everySteps": 1, "questions": 4}}
    settings = {"type": "GRPO", "seed": 0, "grpo": small.GRPO | {"steps": 4, "maxTurns": 1}}
    go(outside, small.config(algorithm=settings, evaluation=validated))
    assert [snapshot.step for snapshot in outside.snapshots] == [1, 2, 4]


def test_one_thread_unless_the_environment_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal bytes need an equal number of threads: it is set before anything is computed."""
    monkeypatch.setattr("trainyard_trainer.training.run.make_algorithm", stopped)
    torch.set_num_threads(2)
    for asked, threads in ((None, 1), ("2", 2)):
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        if asked is not None:
            monkeypatch.setenv("OMP_NUM_THREADS", asked)
        with pytest.raises(StoppedError):
            go(Outside(), small.config("SFT"))
        assert torch.get_num_threads() == threads
    torch.set_num_threads(1)
