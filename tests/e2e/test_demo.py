"""The README's promise: one command runs the main job on a real cluster and checks what it left behind."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

import pytest

from hack.demo.checks import patch_status_as, trainer_token
from hack.kubectl import Kubectl
from tests.e2e.manifests import NAMESPACE, ROOT
from tests.e2e.waiting import job
from tests.waiting import GUARD_SECONDS

pytestmark = [pytest.mark.e2e, pytest.mark.alone]


@dataclass(frozen=True)
class DemoRun:
    """A finished demo: its exit status and what it printed."""

    status: int
    output: str


@pytest.fixture(scope="module")
def demo(kubectl: Kubectl) -> DemoRun:
    """The demo, run the way `make demo` runs it, on a cluster without jobs; it looks by itself after what it needs."""
    assert kubectl
    limit = 3 * GUARD_SECONDS
    done = subprocess.run(["make", "demo"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=limit)
    return DemoRun(done.returncode, done.stdout + done.stderr)


def test_demo_completes_both_jobs_and_every_check_holds(demo: DemoRun) -> None:
    """`make demo` exits 0, and it does so only when its own checks of rows, files and rights held."""
    assert demo.status == 0, demo.output
    assert "checked: 2 jobs are Completed" in demo.output
    assert "checked: 7680 trajectories in Postgres: 128 for each of 60 steps, each step once" in demo.output
    assert "checked: a patch of status.cost with the trainer's token is refused" in demo.output
    assert demo.output.count("COMMIT is the newest") >= 2


def test_demo_shows_a_whole_trajectory(demo: DemoRun) -> None:
    """Question, tool call, tool result, answer and reward of one trajectory are shown."""
    for word in ("calls the tool", "the tool's result", "question", "expected", "reward 1"):
        assert word in demo.output


def test_columns_say_status_step_progress_reward_cost_and_budget(kubectl: Kubectl, demo: DemoRun) -> None:
    """`kubectl get trainingjobs` has the promised columns, filled."""
    assert demo.status == 0
    lines = kubectl("get", "trainingjobs.trainyard.dev", "-n", NAMESPACE).splitlines()
    assert lines[0].split() == ["NAME", "STATUS", "STEP", "PROGRESS", "REWARD", "COST", "BUDGET", "AGE"]
    row = next(line.split() for line in lines if line.startswith("calculator-grpo"))
    assert row[1:4] == ["Completed", "60/60", "100"]
    assert float(row[4]) > 0.7
    assert 0 < float(row[5]) < 0.5
    assert row[6] == "0.50"


def test_checkpoints_show_step_reward_size_and_age(kubectl: Kubectl, demo: DemoRun) -> None:
    """`kubectl get checkpoints` shows what a person needs to choose one."""
    assert demo.status == 0
    lines = kubectl("get", "checkpoints.trainyard.dev", "-n", NAMESPACE).splitlines()
    assert lines[0].split() == ["NAME", "JOB", "STEP", "REWARD", "SIZE", "READY", "AGE"]
    rows = [line.split() for line in lines[1:] if " calculator-grpo " in line]
    assert sorted(int(row[2]) for row in rows) == [20, 40, 60]
    assert all(float(row[3]) > 0.5 and row[4].endswith("i") and row[5] == "True" for row in rows)


def test_trainer_token_may_report_progress_and_nothing_else(kubectl: Kubectl, demo: DemoRun) -> None:
    """With the token of the pod in status.podRef progress is writable; conditions, refs and other jobs are not."""
    assert demo.status == 0
    grpo = job(kubectl, "calculator-grpo")
    token = trainer_token(kubectl, NAMESPACE, "calculator-grpo", grpo["status"]["podRef"]["name"])
    patch = {"progress": grpo["status"]["progress"]}
    code, said = patch_status_as(kubectl, token, NAMESPACE, "calculator-grpo", patch)
    assert code == 200, said
    forged = {"latestCheckpointRef": {"name": "forged"}}
    code, said = patch_status_as(kubectl, token, NAMESPACE, "calculator-grpo", forged)
    assert code == 403, said
    assert "status.latestCheckpointRef: only the operator may change it" in said
    code, said = patch_status_as(kubectl, token, NAMESPACE, "calculator-sft", patch)
    assert code == 403, said
