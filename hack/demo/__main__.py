"""`python -m hack.demo [run|deploy|down|readme]`: run the main job and check it, or a part of that."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import yaml

from hack.cluster.progress import ClusterError
from hack.demo import checks, show
from hack.demo.bucket import s3_client
from hack.demo.install import NAMESPACE, RELEASE, ROOT, images_in_background, install_chart, run_module
from hack.demo.phases import Story
from hack.demo.readme import keep_transcript, write_readme
from hack.demo.watch import watch
from hack.kubectl import CommandError, Kubectl
from hack.services.connect import connect
from trainyard_api import names as labels

EXAMPLES = [Path("crds/examples/calculator-sft.yaml"), Path("crds/examples/calculator-grpo.yaml")]
LONGEST_RUN_SECONDS = 900


def bring_up(story: Story) -> Kubectl:
    """Brings up cluster, images, services and chart, each timed."""
    with images_in_background():  # compiling the cluster and installing the images' packages go side by side
        with story.phase("cluster"):
            run_module("hack.cluster", "up")
        with story.phase("images"):
            run_module("hack.images", "build")
    with story.phase("database and S3 server"):
        run_module("hack.services", "up")
    kubectl = Kubectl.current()
    with story.phase("chart"):
        install_chart(kubectl)
    return kubectl


def run_jobs(kubectl: Kubectl, story: Story) -> str:
    """Applies the examples afresh, follows them, then shows and checks what they leave; returns the namespace."""
    manifests = [yaml.safe_load((ROOT / path).read_text()) for path in EXAMPLES]
    names = [manifest["metadata"]["name"] for manifest in manifests]
    namespace: str = manifests[0]["metadata"]["namespace"]
    with story.phase("clearing away earlier runs"):
        files = [part for path in EXAMPLES for part in ("-f", str(ROOT / path))]
        kubectl("delete", "--ignore-not-found", "--timeout=180s", *files)
        selector = f"{labels.JOB_LABEL} in ({','.join(names)})"
        kubectl("delete", "checkpoints.trainyard.dev", "-n", namespace, "-l", selector, "--ignore-not-found")
    with story.phase("both jobs"):
        for path in EXAMPLES:
            story.say(f"$ kubectl apply -f {path}")
            story.say(kubectl("apply", "-f", str(ROOT / path)).rstrip())
        story.say()
        jobs = watch(kubectl, namespace, names, story, seconds=LONGEST_RUN_SECONDS)
    with story.phase("results"):
        show.show_objects(kubectl, namespace, story)
        sentences = [checks.check_completed(jobs)]
        grpo = jobs[-1]
        services = connect(kubectl.cluster)
        with psycopg.connect(services.operator_dsn) as database:
            sentences.append(checks.check_trajectories(database, grpo))
            story.say(sentences[-1])
            show.show_trajectory(database, grpo["metadata"]["uid"], story)
            story.say()
            show.show_rewards(database, grpo, story)
        show.show_cost(jobs, story)
        story.say()
        s3 = s3_client(services)
        stored = kubectl.items("checkpoints.trainyard.dev", "-n", namespace)
        ours = checks.checkpoints_of(jobs, stored)
        sentences += [checks.check_checkpoint(s3, checkpoint) for checkpoint in ours]
        sentences.append(checks.check_bill_is_safe(kubectl, grpo))
        for sentence in sentences:
            story.say(f"checked: {sentence}")
    return namespace


def down() -> None:
    """Removes the demo's objects and the chart."""
    kubectl = Kubectl.current()
    for path in EXAMPLES:
        kubectl("delete", "--ignore-not-found", "--timeout=180s", "-f", str(ROOT / path))
    kubectl.try_("uninstall", RELEASE, "--namespace", NAMESPACE, "--wait", program="helm")
    run_module("hack.services", "down")


def demo() -> int:
    """Runs the whole demo; returns exit status 0 only if every check held."""
    story = Story()
    if "TRAINYARD_BEGAN" in os.environ:  # set by make, which installs the environment first
        story.seconds["environment"] = time.time() - float(os.environ["TRAINYARD_BEGAN"])
    try:
        kubectl = bring_up(story)
        namespace = run_jobs(kubectl, story)
    except (checks.CheckError, ClusterError, CommandError, subprocess.TimeoutExpired) as error:
        print(f"\ndemo failed: {error}", file=sys.stderr)
        print(story.table())
        return 1
    story.say(keep=False)
    show.show_next(kubectl, namespace, story)
    story.say()
    story.say(story.table())
    keep_transcript(story)
    return 0


def main() -> int:
    """Runs one action."""
    parser = argparse.ArgumentParser(prog="python -m hack.demo", description=__doc__)
    parser.add_argument("action", nargs="?", choices=["run", "deploy", "down", "readme"], default="run")
    action = parser.parse_args().action
    if action == "run":
        return demo()
    if action in {"deploy", "down"}:
        try:
            bring_up(Story()) if action == "deploy" else down()
        except (ClusterError, CommandError) as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
    else:
        write_readme()
    return 0


if __name__ == "__main__":
    sys.exit(main())
