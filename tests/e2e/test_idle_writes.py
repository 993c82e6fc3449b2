"""A job whose state doesn't change costs no API write."""

from __future__ import annotations

import re
import time

import pytest

from hack.kubectl import Kubectl, condition
from tests.e2e.manifests import NAMESPACE, example
from tests.e2e.waiting import apply, job
from tests.waiting import until

pytestmark = pytest.mark.e2e

JOBS = 50
MUTATING = ("POST", "PUT", "PATCH", "APPLY", "DELETE", "DELETECOLLECTION")


def writes(kubectl: Kubectl) -> int:
    """Mutating requests on both kinds since the API server began, status included."""
    metrics = kubectl("get", "--raw", "/metrics")
    count = 0
    for line in metrics.splitlines():
        if line.startswith("apiserver_request_total{") and 'group="trainyard.dev"' in line:
            labels = dict(re.findall(r'(\w+)="([^"]*)"', line))
            if labels["verb"] in MUTATING and labels["resource"] in {"trainingjobs", "checkpoints"}:
                count += int(float(line.rsplit(" ", 1)[1]))
    return count


def test_finished_and_suspended_jobs_cost_no_write_and_an_edit_few(clean: Kubectl) -> None:
    """25 finished and 25 suspended jobs, one minute, all mutating verbs: 0; then one is edited: two at most."""
    source = example(
        "calculator-sft", metadata__name="no-model", spec__model={"path": "/absent"}, spec__evaluation=None
    )
    waiting = [
        example(
            "calculator-grpo",
            metadata__name=f"idle-{number}",
            spec__model={"checkpoint": {"trainingJob": "no-model"}},
            spec__suspend=True if number < JOBS // 2 else None,
        )
        for number in range(JOBS - 1)
    ]
    apply(clean, source, *waiting)
    names = ["no-model"] + [item["metadata"]["name"] for item in waiting]

    def all_ended() -> bool | None:
        found = clean.items("trainingjobs.trainyard.dev", "-n", NAMESPACE)
        done = {
            j["metadata"]["name"]
            for j in found
            if condition(j, "Finished").get("status") == "True" or condition(j, "Suspended").get("status") == "True"
        }
        return True if done >= set(names) else None

    def quiet() -> bool:
        seen = writes(clean)
        time.sleep(10)
        return writes(clean) == seen

    until(all_ended, "the jobs have not ended", pause=1)
    until(quiet, "the jobs are written to without end")  # the last booking and its release
    before = writes(clean)
    time.sleep(60)
    assert writes(clean) - before == 0

    generation = job(clean, "idle-0")["metadata"]["generation"]
    patch = '{"spec": {"budget": {"maxCostUSD": "0.75"}}}'
    clean("patch", "trainingjobs.trainyard.dev", "idle-0", "-n", NAMESPACE, "--type=merge", "-p", patch)

    def observed() -> bool:
        status = job(clean, "idle-0")["status"]
        return (status["observedGeneration"], status["budget"]["limitUSD"]) == (generation + 1, "0.75")

    until(observed, "the edit isn't observed")
    until(quiet, "the jobs are written to without end")
    mine = 1
    operators = writes(clean) - before - mine
    print(f"one edited job: {operators} writes by the operator")
    assert 1 <= operators <= 2
