"""The child Job of an attempt: one pod, no retries, everything locked down.

Place in the data's way: station 3. A pure builder. The Job is created once and never applied again: an attempt keeps
what it was rendered with. Retries are the operator's, so that it can tell a preemption from a bug.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from trainyard_api import names
from trainyard_api.checkpoint import Checkpoint
from trainyard_api.quantities import parse_quantity
from trainyard_api.training_job import TrainingJob
from trainyard_api.training_job_spec import TrainingJobSpec
from trainyard_operator.cluster.clock import parse_time
from trainyard_operator.cluster.ownership import owner_reference
from trainyard_operator.money.rates import node_selector_of
from trainyard_operator.trainingjob.decision.observed import ChildView
from trainyard_operator.trainingjob.trainer_pod.defaults import PodDefaults
from trainyard_operator.trainingjob.trainer_pod.files import mounts_of
from trainyard_operator.trainingjob.trainer_pod.resources import resources_of, scratch_mounts, scratch_volumes
from trainyard_operator.trainingjob.trainer_pod.secrets import pull_secrets_of, secrets_of

RUN_CONFIG_ANNOTATION: Final = names.PREFIX + "run-config"
"""Holds the run config's text, so that a ConfigMap that was never made can still be made as rendered."""
USER_ID: Final = 65532
_UNREACHABLE_SECONDS: Final = 30
_CACHES: Final = {
    "HOME": "",
    "TMPDIR": "/tmp",  # noqa: S108 - below the cache volume
    "HF_HOME": "/huggingface",
    "TORCHINDUCTOR_CACHE_DIR": "/inductor",
    "TRITON_CACHE_DIR": "/triton",
}


@dataclass(frozen=True)
class Rendering:
    """What a child Job is rendered from besides its TrainingJob."""

    attempt: int
    defaults: PodDefaults
    """What the spec's absent fields become."""
    config_map: str
    """Name of the run config's ConfigMap."""
    config_text: str
    pinned: Checkpoint | None = None
    """The Checkpoint that the pod loads, if any."""
    baseline: Checkpoint | None = None
    """The Checkpoint that it is compared with, if any."""


def child_job_body(job: TrainingJob, rendering: Rendering) -> dict[str, Any]:
    """Builds the batch/v1 Job of one attempt."""
    metadata = job.metadata
    labels = names.job_labels(metadata.name, metadata.uid, rendering.attempt)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": names.child_job(metadata.name, rendering.attempt),
            "namespace": metadata.namespace,
            "labels": labels,
            "annotations": {RUN_CONFIG_ANNOTATION: rendering.config_text},
            "ownerReferences": [owner_reference(job)],
        },
        "spec": {
            "parallelism": 1,
            "completions": 1,
            "backoffLimit": 0,
            "podReplacementPolicy": "Failed",
            "template": {
                "metadata": {"labels": labels, "finalizers": [names.ACCOUNTING_FINALIZER]},
                "spec": _pod_spec(job, rendering),
            },
        },
    }


def read_child(body: dict[str, Any], job_uid: str) -> ChildView:
    """Reads the facts of a Job that has the child's name."""
    metadata = body["metadata"]
    owners = metadata.get("ownerReferences", ())
    text = metadata.get("annotations", {}).get(RUN_CONFIG_ANNOTATION)
    volumes = body["spec"]["template"]["spec"].get("volumes", ())
    config_map = next((volume["configMap"]["name"] for volume in volumes if volume["name"] == "run-config"), None)
    conditions = body.get("status", {}).get("conditions", ())
    ends = [c for c in conditions if c["type"] in {"Complete", "Failed"} and c["status"] == "True"]
    created, deleted = metadata.get("creationTimestamp"), metadata.get("deletionTimestamp")
    return ChildView(
        name=metadata["name"],
        uid=metadata["uid"],
        ours=any(owner["uid"] == job_uid and owner.get("controller") for owner in owners),
        deletion_time=parse_time(deleted) if deleted else None,
        finalizers=tuple(metadata.get("finalizers", ())),
        finished=bool(ends),
        failed=any(c["type"] == "Failed" for c in ends),
        deadline_exceeded=any(c.get("reason") == "DeadlineExceeded" for c in ends),
        created_time=parse_time(created) if created else None,
        run_config=(config_map, text) if config_map is not None and text is not None else None,
    )


def _pod_spec(job: TrainingJob, rendering: Rendering) -> dict[str, Any]:
    trainer = job.spec.trainer
    gpu_product = trainer.gpus.product if trainer.gpus else None
    spec: dict[str, Any] = {
        "restartPolicy": "Never",
        "serviceAccountName": names.trainer_account(job.metadata.name),
        "terminationGracePeriodSeconds": job.spec.checkpoints.stop_grace_seconds,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER_ID,
            "runAsGroup": USER_ID,
            "fsGroup": USER_ID,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(job, rendering)],
        "tolerations": [*_brief_absences(), *(toleration.to_wire() for toleration in trainer.tolerations)],
        "volumes": [
            *scratch_volumes(trainer, rendering.defaults),
            {"name": "run-config", "configMap": {"name": rendering.config_map}},
            *(mount.volume() for mount in mounts_of(job.spec.task)),
        ],
    }
    if selector := node_selector_of(gpu_product, trainer.node_selector):
        spec["nodeSelector"] = selector
    if trainer.priority_class_name:
        spec["priorityClassName"] = trainer.priority_class_name
    if runtime_class := trainer.runtime_class_name or rendering.defaults.runtime_class:
        spec["runtimeClassName"] = runtime_class
    if pull_secrets := pull_secrets_of(trainer, rendering.defaults):
        spec["imagePullSecrets"] = pull_secrets
    return spec


def _container(job: TrainingJob, rendering: Rendering) -> dict[str, Any]:
    return {
        "name": names.TRAINER_CONTAINER,
        "image": job.spec.trainer.image or rendering.defaults.image,
        "imagePullPolicy": rendering.defaults.pull_policy,
        "env": _environment(job.spec, rendering),
        "resources": resources_of(job.spec.trainer, rendering.defaults),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "terminationMessagePath": names.TERMINATION_LOG,
        "terminationMessagePolicy": "File",
        "volumeMounts": [
            *scratch_mounts(job.spec.trainer, rendering.defaults),
            {"name": "run-config", "mountPath": names.RUN_CONFIG_DIRECTORY, "readOnly": True},
            *(mount.mount() for mount in mounts_of(job.spec.task)),
        ],
    }


def _environment(spec: TrainingJobSpec, rendering: Rendering) -> list[dict[str, Any]]:
    threads = max(1, int(parse_quantity(spec.trainer.cpu)))
    values = {
        names.ENV_RUN_CONFIG: f"{names.RUN_CONFIG_DIRECTORY}/{names.RUN_CONFIG_FILE}",
        "OMP_NUM_THREADS": str(threads),
        **{name: names.CACHE_DIRECTORY + folder for name, folder in _CACHES.items()},
    }
    if storage := rendering.defaults.ephemeral_storage_of(spec.trainer):
        values[names.ENV_CACHE_BYTES] = str(int(parse_quantity(storage)))
    entries: list[dict[str, Any]] = [{"name": name, "value": value} for name, value in values.items()]
    for name, field in {names.ENV_POD_NAME: "metadata.name", names.ENV_POD_UID: "metadata.uid"}.items():
        entries.append({"name": name, "valueFrom": {"fieldRef": {"fieldPath": field}}})
    entries += [use.entry() for use in secrets_of(spec, rendering.pinned, rendering.baseline)]
    return entries


def _brief_absences() -> list[dict[str, Any]]:
    return [
        {
            "key": f"node.kubernetes.io/{taint}",
            "operator": "Exists",
            "effect": "NoExecute",
            "tolerationSeconds": _UNREACHABLE_SECONDS,
        }
        for taint in ("unreachable", "not-ready")
    ]
