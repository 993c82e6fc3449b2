"""Two models answer the same queries, and what follows is named by its digest."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.trainyard_trainer import policies
from tests.trainyard_trainer.run_configs import run_config
from tests.trainyard_trainer.scripted import Told
from tests.trainyard_trainer.stopping import Stop
from trainyard_api.checkpoint_manifest import canonical_json, digest_of
from trainyard_api.run_config import RunConfig
from trainyard_trainer.errors import RefusedError, StoppedError
from trainyard_trainer.reporting.progress_reporter import ProgressReporter
from trainyard_trainer.sinks import Ended
from trainyard_trainer.training.evaluate_only import evaluate_only
from trainyard_trainer.training.inputs import RunInputs

PINNED = {
    "name": "other-12345-1-7",
    "uri": "file:///nowhere/step-7-abc/",
    "digest": "sha256:" + "0" * 64,
    "storage": {"folder": {"directory": "/nowhere"}},
}


def config() -> RunConfig:
    """An evaluation of eight queries, of a random model against a pinned one."""
    asked = {"questions": 8, "baseline": {"checkpoint": "other-12345-1-7"}}
    return run_config({"type": "Evaluation"}, evaluation=asked, baseline=PINNED)


def evaluate(told: Told, baseline: Path, stop: Stop | None = None) -> Ended:
    """Run it."""
    progress = ProgressReporter(told, 0)
    return evaluate_only(config(), RunInputs(baseline=baseline), ledger=told, progress=progress, stop=stop or Stop())  # type: ignore[arg-type]


@pytest.fixture
def baseline(tmp_path: Path) -> Path:
    """A folder with a model of the calculator's alphabet."""
    return policies.write(policies.policy().snapshot(7, {}), tmp_path / "baseline")


def test_both_are_recorded_and_the_digest_is_of_what_is_shown(baseline: Path) -> None:
    """The baseline first; at the end the status has both, and nothing was committed."""
    told = Told()
    ended = evaluate(told, baseline)
    (first, _, nothing), (last, answers, result) = told.evaluations
    assert told.rewound == [0]
    assert (first.kind, last.kind, nothing, len(answers)) == ("baseline", "evaluation", None, 8)
    assert result is not None
    assert ended == Ended(None, results_digest=digest_of(canonical_json(result.to_wire())))
    assert told.reports[-1].evaluation == result
    assert (told.reports[-1].phase, told.reports[-1].last_checkpoint) == ("done", None)


def test_a_stop_keeps_what_was_measured_whole(baseline: Path) -> None:
    """The baseline's rows, of which another attempt makes the same again."""
    told = Told()
    with pytest.raises(StoppedError) as stopped:
        evaluate(told, baseline, Stop(lambda: len(told.evaluations) == 1))
    assert (stopped.value.last_step, stopped.value.committed_uri) == (0, None)
    assert stopped.value.dropped_seconds > 0, "all of it is measured again"
    assert [metrics.kind for metrics, *_ in told.evaluations] == ["baseline"]


def test_a_baseline_that_is_no_model_names_its_own_field(tmp_path: Path) -> None:
    """Not the model's."""
    with pytest.raises(RefusedError) as refused:
        evaluate(Told(), tmp_path)
    assert refused.value.field_path == "spec.evaluation.baseline.checkpoint"
