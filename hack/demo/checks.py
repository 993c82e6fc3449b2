"""What the demo checks for itself, trusting no condition. Each check raises `CheckError` or returns a sentence."""

from __future__ import annotations

import base64
import hashlib
import json
import ssl
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlparse

import psycopg
import yaml
from types_boto3_s3 import S3Client

from hack.kubectl import Kubectl, condition
from trainyard_api import names
from trainyard_api.checkpoint_manifest import CheckpointManifest, Commit, digest_of
from trainyard_api.fields import API_VERSION


class CheckError(RuntimeError):
    """A claim of the demo doesn't hold."""


def check_completed(jobs: list[dict[str, Any]]) -> str:
    """Checks that every job's Succeeded condition is True with reason Completed."""
    for job in jobs:
        succeeded = condition(job, "Succeeded")
        if (succeeded.get("status"), succeeded.get("reason")) != ("True", "Completed"):
            stalled = condition(job, "Stalled")
            raise CheckError(
                f"{job['metadata']['name']} is {succeeded.get('reason')}: "
                f"{stalled.get('reason', '')} {stalled.get('message', '') or succeeded.get('message', '')}"
            )
    return f"{len(jobs)} jobs are Completed"


def check_trajectories(database: psycopg.Connection[Any], job: dict[str, Any]) -> str:
    """Checks that Postgres holds exactly steps x promptsPerStep x groupSize trajectories of a GRPO job, each step
    once.
    """
    grpo = job["spec"]["algorithm"]["grpo"]
    per_step, steps = grpo["promptsPerStep"] * grpo["groupSize"], grpo["steps"]
    run = job["metadata"]["uid"]
    counts = database.execute(
        "SELECT step, count(*), count(DISTINCT (prompt, sample)) FROM trainyard.trajectories WHERE run_uid = %s "
        "GROUP BY step ORDER BY step",
        (run,),
    ).fetchall()
    expected = [(step, per_step, per_step) for step in range(steps)]
    if [tuple(row) for row in counts] != expected:
        wrong = [row for row in counts if tuple(row) not in expected][:3]
        raise CheckError(
            f"expected {per_step} trajectories for each of {steps} steps; got {len(counts)} steps, {wrong}"
        )
    metrics = database.execute(
        "SELECT count(*) FROM trainyard.training_metrics WHERE run_uid = %s AND kind = 'step'", (run,)
    ).fetchone()
    if metrics is None or metrics[0] != steps:
        raise CheckError(f"expected metrics of {steps} steps, each once; got {metrics}")
    return f"{steps * per_step} trajectories in Postgres: {per_step} for each of {steps} steps, each step once"


def checkpoints_of(jobs: list[dict[str, Any]], stored: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Finds the jobs' Checkpoints among those stored.

    Raises:
        CheckError: a job has none of its last step, so that checking each would check nothing.
    """
    found = []
    for job in jobs:
        own = [item for item in stored if item["status"]["trainingJobRef"]["uid"] == job["metadata"]["uid"]]
        settings = job["spec"]["algorithm"]
        last = settings[settings["type"].lower()]["steps"]
        if last not in [item["status"]["step"] for item in own]:
            raise CheckError(f"{job['metadata']['name']} has no Checkpoint of its last step, {last}")
        found += own
    return found


def check_checkpoint(s3: S3Client, checkpoint: dict[str, Any]) -> str:
    """Checks that every file of a Checkpoint equals its manifest by size and SHA-256, and that nothing is newer than
    COMMIT.
    """
    uri = urlparse(checkpoint["spec"]["source"]["uri"])
    bucket, prefix = uri.netloc, uri.path.lstrip("/")
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
    times = {entry["Key"].removeprefix(prefix): entry["LastModified"] for entry in listed}
    content = {name: s3.get_object(Bucket=bucket, Key=prefix + name)["Body"].read() for name in times}
    if names.COMMIT_FILE not in content or names.MANIFEST_FILE not in content:
        raise CheckError(f"{uri.geturl()} lacks {names.COMMIT_FILE} or {names.MANIFEST_FILE}; it has {sorted(content)}")
    digest = digest_of(content[names.MANIFEST_FILE])
    commit = Commit.model_validate_json(content[names.COMMIT_FILE], extra="forbid")
    if not digest == commit.manifest_digest == checkpoint["spec"]["source"]["digest"]:
        raise CheckError(f"{uri.geturl()}: manifest, COMMIT and Checkpoint name different digests")
    manifest = CheckpointManifest.model_validate_json(content[names.MANIFEST_FILE], extra="forbid")
    for entry in manifest.files:
        body = content.get(entry.path, b"")
        if (len(body), hashlib.sha256(body).hexdigest()) != (entry.size_bytes, entry.sha256):
            raise CheckError(f"{uri.geturl()}{entry.path} isn't what the manifest lists")
    extra = set(content) - {entry.path for entry in manifest.files} - {names.COMMIT_FILE, names.MANIFEST_FILE}
    newer = [name for name, when in times.items() if when > times[names.COMMIT_FILE]]
    if extra or newer:
        raise CheckError(f"{uri.geturl()}: unlisted files {sorted(extra)}, newer than COMMIT {sorted(newer)}")
    return f"{checkpoint['metadata']['name']}: {len(manifest.files)} files equal their manifest, COMMIT is the newest"


def trainer_token(kubectl: Kubectl, namespace: str, job: str, pod: str) -> str:
    """Makes a token of the job's own account, bound to one pod, as the kubelet mounts it."""
    bound = ("--bound-object-kind", "Pod", "--bound-object-name", pod)
    return kubectl("create", "token", names.trainer_account(job), "-n", namespace, *bound).strip()


def patch_status_as(kubectl: Kubectl, token: str, namespace: str, job: str, status: dict[str, Any]) -> tuple[int, str]:
    """Merge-patches a job's status with a bearer token and nothing else, as a pod would; returns (HTTP status,
    body).
    """
    config = yaml.safe_load(kubectl.cluster.kubeconfig.read_text())
    context = next(entry["context"] for entry in config["contexts"] if entry["name"] == kubectl.cluster.context)
    cluster = next(entry["cluster"] for entry in config["clusters"] if entry["name"] == context["cluster"])
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    request = urllib.request.Request(
        f"{cluster['server']}/apis/{API_VERSION}/namespaces/{namespace}/trainingjobs/{job}/status",
        method="PATCH",
        data=json.dumps({"status": status}).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/merge-patch+json"},
    )
    try:
        with urllib.request.urlopen(request, context=ssl.create_default_context(cadata=authority)) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read().decode()


def check_bill_is_safe(kubectl: Kubectl, job: dict[str, Any]) -> str:
    """Checks that a patch of status.cost with the trainer's own token is refused and changes nothing."""
    namespace, name = job["metadata"]["namespace"], job["metadata"]["name"]
    token = trainer_token(kubectl, namespace, name, job["status"]["podRef"]["name"])
    code, said = patch_status_as(kubectl, token, namespace, name, {"cost": {"spentUSD": "999.0000"}})
    after = kubectl.json("get", "trainingjobs.trainyard.dev", name, "-n", namespace)["status"]["cost"]
    if code < 400 or after != job["status"]["cost"] or "ValidatingAdmissionPolicy" not in said:
        raise CheckError(f"the trainer's token could change the bill, or was refused for another reason: {said}")
    return "a patch of status.cost with the trainer's token is refused"
