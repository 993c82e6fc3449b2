"""A job whose state doesn't change costs no API write; read from the API server's audit log."""

from __future__ import annotations

import json
import time

import pytest

from hack.cluster import layout
from hack.demo.install import NAMESPACE as SYSTEM
from hack.kubectl import Kubectl, condition
from tests.e2e.manifests import NAMESPACE, example
from tests.e2e.waiting import apply, job
from tests.waiting import until

pytestmark = pytest.mark.e2e

JOBS = 50
OPERATOR = f"system:serviceaccount:{SYSTEM}:trainyard"


def writes(names: set[str]) -> list[str]:
    """Verb and URI of every request since the cluster began that would write these jobs or their Checkpoints, refused
    ones too, and of those of the operator that name no object.
    """
    logs = sorted(layout.logs().glob("audit*.log"))  # the newest has the name that sorts last
    lines = "".join(path.read_text() for path in logs).rpartition("\n")[0].splitlines()
    found = []
    for event in (json.loads(line) for line in lines if '"apiGroup":"trainyard.dev"' in line):
        name = event["objectRef"].get("name", "")
        # A Checkpoint is called after its job.
        ours = any(name == each or name.startswith(f"{each}-") for each in names)
        if ours or (not name and event["user"].get("username") == OPERATOR):
            found.append(f"{event['verb']} {event['requestURI']}")
    return found


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
    names = {"no-model"} | {item["metadata"]["name"] for item in waiting}

    def all_ended() -> bool | None:
        found = clean.items("trainingjobs.trainyard.dev", "-n", NAMESPACE)
        done = {
            j["metadata"]["name"]
            for j in found
            if condition(j, "Finished").get("status") == "True" or condition(j, "Suspended").get("status") == "True"
        }
        return True if done >= names else None

    def quiet() -> bool:
        seen = writes(names)
        time.sleep(10)
        return writes(names) == seen

    until(all_ended, "the jobs have not ended", pause=1)
    until(quiet, "the jobs are written to without end")  # the last booking and its release
    before = writes(names)
    time.sleep(60)
    assert writes(names)[len(before) :] == []

    generation = job(clean, "idle-0")["metadata"]["generation"]
    patch = '{"spec": {"budget": {"maxCostUSD": "0.75"}}}'
    clean("patch", "trainingjobs.trainyard.dev", "idle-0", "-n", NAMESPACE, "--type=merge", "-p", patch)

    def observed() -> bool:
        status = job(clean, "idle-0")["status"]
        return (status["observedGeneration"], status["budget"]["limitUSD"]) == (generation + 1, "0.75")

    until(observed, "the edit isn't observed")
    until(quiet, "the jobs are written to without end")
    mine, *operators = writes(names)[len(before) :]
    assert "fieldManager=kubectl-patch" in mine
    assert 1 <= len(operators) <= 2, operators
