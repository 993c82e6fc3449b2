"""Learning, in the pod: three seeds learn to use the tool, and controls that can't learn don't."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from hack.kubectl import Kubectl, condition
from hack.services.connect import connect
from tests.e2e.manifests import example
from tests.e2e.waiting import apply, ended

pytestmark = pytest.mark.e2e

SEEDS = (0, 1, 2)
STEPS_THAT_COUNT = 31


def _runs() -> dict[str, list[dict[str, Any]]]:
    """All manifests by role: warm-ups, learners, and controls that differ in one field and end with what counts."""
    warm = [example("calculator-sft", metadata__name=f"warm-{seed}", spec__algorithm__seed=seed) for seed in SEEDS]

    def grpo(name: str, seed: int, **changes: Any) -> dict[str, Any]:
        source = {"spec__model__checkpoint__trainingJob": f"warm-{seed}", "spec__algorithm__seed": seed}
        return example("calculator-grpo", metadata__name=name, **(source | changes))

    short = {"spec__algorithm__grpo__steps": STEPS_THAT_COUNT}
    return {
        "warm": warm,
        "learner": [grpo(f"learner-{seed}", seed) for seed in SEEDS],
        "control": [
            grpo("control-no-rate", 0, spec__algorithm__grpo__learningRate="0", **short),
            grpo("control-flipped", 0, spec__task__rewards=[{"name": "exact", "weight": "-1.0"}], **short),
        ],
    }


@pytest.fixture(scope="module")
def jobs(clean: Kubectl) -> dict[str, dict[str, Any]]:
    """All jobs, applied together and ended."""
    manifests = [manifest for group in _runs().values() for manifest in group]
    apply(clean, *manifests)
    return {name: ended(clean, name, guards=3) for name in [m["metadata"]["name"] for m in manifests]}


@pytest.fixture(scope="module")
def success(clean: Kubectl, jobs: dict[str, dict[str, Any]]) -> dict[str, float]:
    """Mean training success over steps 0-30 of each GRPO job, from the trajectories in Postgres."""
    with psycopg.connect(connect(clean.cluster).operator_dsn) as database:
        found = {}
        for name, item in jobs.items():
            row = database.execute(
                "SELECT count(*), avg(success::int) FROM trainyard.trajectories WHERE run_uid = %s AND step < %s",
                (item["metadata"]["uid"], STEPS_THAT_COUNT),
            ).fetchone()
            if row and row[0]:
                assert row[0] == STEPS_THAT_COUNT * 128
                found[name] = float(row[1])
        return found


def test_every_job_completes(jobs: dict[str, dict[str, Any]]) -> None:
    """Learners and controls alike run to their end."""
    reasons = {name: condition(item, "Succeeded")["reason"] for name, item in jobs.items()}
    assert set(reasons.values()) == {"Completed"}, reasons


def test_learners_learn_on_every_seed(success: dict[str, float]) -> None:
    """Mean training success over steps 0-30 is at least 0.70 on seeds 0, 1 and 2."""
    assert all(success[f"learner-{seed}"] >= 0.70 for seed in SEEDS), success


def test_controls_do_not_learn(success: dict[str, float]) -> None:
    """Without a learning rate, or with the reward's sign flipped, it stays at or below 0.65."""
    assert success["control-no-rate"] <= 0.65, success
    assert success["control-flipped"] <= 0.65, success


def test_held_out_questions_show_the_gain(jobs: dict[str, dict[str, Any]]) -> None:
    """On the same 512 held-out questions: at most 0.35 before, and at least 0.5 more after."""
    for seed in SEEDS:
        evaluation = jobs[f"learner-{seed}"]["status"]["progress"]["evaluation"]
        before, after = (float(evaluation[when]["successRate"]) for when in ("before", "after"))
        assert evaluation["questions"] == 512
        assert before <= 0.35, evaluation
        assert after - before >= 0.5, evaluation
        assert evaluation["verdict"] == "Improved", evaluation
