"""What the demo shows when the jobs have ended: objects, one trajectory in full, rewards, cost, where to look next."""

from __future__ import annotations

from typing import Any

import psycopg

from hack.demo.phases import Story
from hack.kubectl import Kubectl


def show_objects(kubectl: Kubectl, namespace: str, story: Story) -> None:
    """Shows `kubectl get trainingjobs,checkpoints`, as a person would run it."""
    for kinds in ("trainingjobs", "checkpoints"):
        story.say(f"$ kubectl get {kinds} -n {namespace}")
        story.say(kubectl("get", f"{kinds}.trainyard.dev", "-n", namespace).rstrip())
        story.say()


def show_trajectory(database: psycopg.Connection[Any], run: str, story: Story) -> None:
    """Shows one successful trajectory with a tool call, turn by turn."""
    found = database.execute(
        "SELECT step, prompt, sample, question, expected, answer, total_reward, advantage "
        "FROM trainyard.trajectories t WHERE run_uid = %s AND success AND EXISTS (SELECT FROM trainyard.turns u "
        "WHERE (u.run_uid, u.step, u.prompt, u.sample) = (t.run_uid, t.step, t.prompt, t.sample) "
        "AND u.tool_call IS NOT NULL) ORDER BY step, prompt, sample LIMIT 1",
        (run,),
    ).fetchone()
    if found is None:
        story.say("no successful trajectory with a tool call was found")
        return
    step, prompt, sample, question, expected, answer, reward, advantage = found
    story.say(f"one of them, from step {step}:")
    turns = database.execute(
        "SELECT role, text, tool_call, tool_result FROM trainyard.turns "
        "WHERE run_uid = %s AND step = %s AND prompt = %s AND sample = %s ORDER BY turn",
        (run, step, prompt, sample),
    ).fetchall()
    for role, text, call, result in turns:
        note = f"   (calls the tool: {call})" if call else f"   (the tool's result: {result})" if result else ""
        story.say(f"  {role:<7} {text}{note}")
    story.say(f"  question {question}, expected {expected}, answer {answer}")
    story.say(f"  reward {reward:g}, advantage {advantage:+.3f}")


def show_rewards(database: psycopg.Connection[Any], job: dict[str, Any], story: Story) -> None:
    """Shows the mean reward of the first and the last step, and success on test questions before and after."""
    ends = database.execute(
        "SELECT avg(total_reward) FILTER (WHERE step = 0), avg(total_reward) FILTER (WHERE step = last) "
        "FROM (SELECT *, max(step) OVER () AS last FROM trainyard.trajectories WHERE run_uid = %s) t",
        (job["metadata"]["uid"],),
    ).fetchone()
    if ends is None:
        return
    story.say(f"mean reward: {ends[0]:.3f} in the first step, {ends[1]:.3f} in the last")
    evaluation = job["status"]["progress"].get("evaluation", {})
    if evaluation:
        before, after = evaluation["before"]["successRate"], evaluation["after"]["successRate"]
        story.say(f"test questions answered right ({evaluation['questions']} of them): {before} before, {after} after")
        story.say(
            f"  {evaluation['verdict']}: {evaluation['difference']} more, 95 % interval {evaluation['intervalLow']} to "
            f"{evaluation['intervalHigh']}, p at most {evaluation['pValue']} ({evaluation['test']})"
        )


def show_cost(jobs: list[dict[str, Any]], story: Story) -> None:
    """Shows what each job cost and might have cost."""
    for job in jobs:
        cost, limit = job["status"]["cost"], job["status"]["budget"]["limitUSD"]
        story.say(f"cost of {job['metadata']['name']}: ${cost['settledUSD']} of a budget of ${limit}")


def show_next(kubectl: Kubectl, namespace: str, story: Story) -> None:
    """Shows how to look further and how to clean up."""
    story.say("To look further:", keep=False)
    story.say(f"  export KUBECONFIG={kubectl.cluster.kubeconfig} PATH={kubectl.cluster.bin}:$PATH", keep=False)
    story.say(f"  kubectl -n {namespace} describe trainingjob calculator-grpo", keep=False)
    story.say(f"  kubectl -n {namespace} logs job/calculator-grpo-1", keep=False)
    story.say("To clean up: `make demo-down` (what the demo made) and `make cluster-down` (the cluster).", keep=False)
