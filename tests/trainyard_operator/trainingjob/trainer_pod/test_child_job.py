"""Claims about the child Job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.trainyard_operator.builders import NAME, UID, at, checkpoint, child, claim, job, time_text
from trainyard_api import names
from trainyard_operator.cluster.pod import read_pod
from trainyard_operator.trainingjob.trainer_pod.child_job import (
    RUN_CONFIG_ANNOTATION,
    Rendering,
    child_job_body,
    read_child,
)
from trainyard_operator.trainingjob.trainer_pod.defaults import PodDefaults

DEFAULTS = PodDefaults("default:1", "IfNotPresent")


def _body(*, pinned: Any = None, defaults: PodDefaults = DEFAULTS, **spec: Any) -> dict[str, Any]:
    return child_job_body(job(**spec), Rendering(1, defaults, "sums-1-abc", "{}", pinned))


def _pod_spec(body: dict[str, Any]) -> dict[str, Any]:
    return body["spec"]["template"]["spec"]


def _container(body: dict[str, Any]) -> dict[str, Any]:
    return _pod_spec(body)["containers"][0]


def _env(body: dict[str, Any]) -> dict[str, Any]:
    return {entry["name"]: entry for entry in _container(body)["env"]}


def test_the_whole_of_it_is_what_is_written_down() -> None:
    """Every field that a small job's Job has, and no other: what is changed here, a cluster sees."""
    written = yaml.safe_load(Path(__file__).with_name("child_job.yaml").read_text())
    assert _body() == written


def test_the_job_never_retries_and_its_pod_waits_for_us() -> None:
    """Retries are the operator's; the finalizer keeps exit code and times."""
    body = _body()
    spec = body["spec"]
    assert (spec["backoffLimit"], spec["podReplacementPolicy"], spec["parallelism"]) == (0, "Failed", 1)
    assert _pod_spec(body)["restartPolicy"] == "Never"
    assert spec["template"]["metadata"]["finalizers"] == [names.ACCOUNTING_FINALIZER]
    assert (
        body["metadata"]["ownerReferences"][0] | {"uid": UID, "controller": True, "blockOwnerDeletion": True}
        == (body["metadata"]["ownerReferences"][0])
    )
    assert "activeDeadlineSeconds" not in spec


def test_the_pod_may_do_nothing_on_its_node() -> None:
    """The restricted Pod Security Standard, and a read-only root."""
    body = _body()
    outer, inner = _pod_spec(body)["securityContext"], _container(body)["securityContext"]
    assert outer == {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "fsGroup": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert inner == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_the_pod_writes_to_one_volume() -> None:
    """Home, temporary files and all caches lie on it; the run config is mounted read-only."""
    body = _body()
    values = {name: entry["value"] for name, entry in _env(body).items() if "value" in entry}
    for name in ("HOME", "TMPDIR", "HF_HOME", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR"):
        assert values[name].startswith(names.CACHE_DIRECTORY)
    writable = [mount["mountPath"] for mount in _container(body)["volumeMounts"] if not mount.get("readOnly")]
    assert writable == [names.CACHE_DIRECTORY]
    assert values[names.ENV_RUN_CONFIG] == "/etc/trainyard/run.json"


def test_memory_is_limited_and_the_cpu_is_not() -> None:
    """Threads follow the cores, at least one."""
    body = _body(trainer={"cpu": "2500m", "memory": "3Gi"})
    resources = _container(body)["resources"]
    assert resources == {"requests": {"cpu": "2500m", "memory": "3Gi"}, "limits": {"memory": "3Gi"}}
    assert _env(body)["OMP_NUM_THREADS"]["value"] == "2"
    assert _env(_body(trainer={"cpu": "100m"}))["OMP_NUM_THREADS"]["value"] == "1"


def test_gpus_are_requested_on_a_node_of_their_product() -> None:
    """And the pod reads back as what it is charged for."""
    body = _body(trainer={"gpus": {"product": "NVIDIA-L4", "count": 2}, "nodeSelector": {"zone": "a"}})
    assert _container(body)["resources"]["limits"]["nvidia.com/gpu"] == "2"
    assert _pod_spec(body)["nodeSelector"] == {"zone": "a", "nvidia.com/gpu.product": "NVIDIA-L4"}
    metadata = {
        "name": "p",
        "namespace": "n",
        "uid": "u",
        "resourceVersion": "1",
        "creationTimestamp": "2026-01-01T00:00:00Z",
    }
    template = body["spec"]["template"]
    pod = read_pod({"metadata": metadata | template["metadata"], "spec": template["spec"]})
    assert (pod.resources.gpus, pod.resources.gpu_product, pod.attempt, pod.held) == (2, "NVIDIA-L4", 1, True)


def test_secrets_come_by_reference_only() -> None:
    """Their names, never their content; those of a checkpoint's storage for the model."""
    body = _body(pinned=checkpoint(claim()))
    references = {
        name: (entry["valueFrom"]["secretKeyRef"]["name"], entry["valueFrom"]["secretKeyRef"]["key"])
        for name, entry in _env(body).items()
        if "secretKeyRef" in entry.get("valueFrom", {})
    }
    assert references == {
        names.ENV_DATABASE_DSN: ("trainyard-db", "dsn"),
        names.ENV_CHECKPOINTS_ACCESS_KEY: ("trainyard-s3", "AWS_ACCESS_KEY_ID"),
        names.ENV_CHECKPOINTS_SECRET_KEY: ("trainyard-s3", "AWS_SECRET_ACCESS_KEY"),
        names.ENV_MODEL_ACCESS_KEY: ("trainyard-s3", "AWS_ACCESS_KEY_ID"),
        names.ENV_MODEL_SECRET_KEY: ("trainyard-s3", "AWS_SECRET_ACCESS_KEY"),
    }
    assert names.ENV_MODEL_ACCESS_KEY not in _env(_body())


def test_image_tolerations_and_priority_are_the_specs() -> None:
    """Beside our own: a node that is away is tolerated for 30 s."""
    own = {"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}
    body = _body(trainer={"image": "mine:2", "tolerations": [own], "priorityClassName": "high"})
    assert (_container(body)["image"], _container(_body())["image"]) == ("mine:2", "default:1")
    assert _pod_spec(body)["priorityClassName"] == "high"
    assert _pod_spec(body)["tolerations"][-1] == own
    assert [t["tolerationSeconds"] for t in _pod_spec(body)["tolerations"][:-1]] == [30, 30]


def test_pod_has_what_the_installation_says_and_the_job_wins() -> None:
    """Pull secrets, RuntimeClass, disk and /dev/shm; a job's own field replaces each."""
    defaults = PodDefaults("default:1", "Always", ("registry", "mirror"), "nvidia", "50Gi", "1Gi")
    plain, own = (
        _body(defaults=defaults, trainer=trainer)
        for trainer in (
            {"memory": "4Gi"},
            {
                "imagePullSecrets": ["mine"],
                "runtimeClassName": "kata",
                "ephemeralStorage": "10Gi",
                "sharedMemory": "3Gi",
            },
        )
    )
    for body, secrets, runtime_class, disk, shared in (
        (plain, ["registry", "mirror"], "nvidia", "50Gi", "1Gi"),
        (own, ["mine"], "kata", "10Gi", "3Gi"),
    ):
        assert _pod_spec(body)["imagePullSecrets"] == [{"name": name} for name in secrets]
        assert _pod_spec(body)["runtimeClassName"] == runtime_class
        volumes = {volume["name"]: volume.get("emptyDir") for volume in _pod_spec(body)["volumes"]}
        assert volumes["cache"] == {"sizeLimit": disk}
        assert volumes["shared-memory"] == {"medium": "Memory", "sizeLimit": shared}
        mounts = {mount["name"]: mount["mountPath"] for mount in _container(body)["volumeMounts"]}
        assert mounts["shared-memory"] == "/dev/shm"
        resources = _container(body)["resources"]
        assert resources["requests"]["ephemeral-storage"] == resources["limits"]["ephemeral-storage"] == disk
        told = {entry["name"]: entry.get("value") for entry in _container(body)["env"]}
        assert told["TRAINYARD_CACHE_BYTES"] == str(int(disk.removesuffix("Gi")) * 2**30)
    assert "TRAINYARD_CACHE_BYTES" not in {entry["name"] for entry in _container(_body())["env"]}
    assert not {"imagePullSecrets", "runtimeClassName"} & _pod_spec(_body()).keys()


def test_a_child_is_ours_by_its_controllers_uid() -> None:
    """Not by its name or labels."""
    body = _body()
    body["metadata"] |= {"uid": "child-uid"}
    found = read_child(body, UID)
    assert (found.ours, found.deleting, found.finished) == (True, False, False)
    assert found.run_config == ("sums-1-abc", body["metadata"]["annotations"][RUN_CONFIG_ANNOTATION])
    assert not read_child(body, "another").ours
    body["metadata"]["ownerReferences"][0]["controller"] = False
    assert not read_child(body, UID).ours


def test_a_child_is_finished_by_its_conditions() -> None:
    """Complete or Failed; suspended isn't finished."""
    body = _body()
    body["metadata"] |= {"uid": "child-uid", "deletionTimestamp": "2026-01-01T00:00:00Z"}
    for kind, finished in (("Complete", True), ("Failed", True), ("Suspended", False), ("FailureTarget", False)):
        body["status"] = {"conditions": [{"type": kind, "status": "True"}]}
        assert read_child(body, UID).finished is finished
    assert read_child(body, UID).deleting
    assert read_child(body, UID).finalizers == ()
    body["metadata"]["finalizers"] = ["foregroundDeletion"]
    assert read_child(body, UID).finalizers == ("foregroundDeletion",)
    assert body["metadata"]["labels"] == names.job_labels(NAME, UID, 1)


@pytest.mark.parametrize(
    ("conditions", "finished", "failed", "late"),
    [
        ([], False, False, False),
        ([("Complete", "True", "CompletionsReached")], True, False, False),
        ([("Failed", "True", "BackoffLimitExceeded")], True, True, False),
        ([("Failed", "True", "DeadlineExceeded")], True, True, True),
        ([("Failed", "False", "DeadlineExceeded")], False, False, False),
        ([("FailureTarget", "True", "DeadlineExceeded")], False, False, False),
        ([("Suspended", "True", ""), ("Complete", "True", "")], True, False, False),
    ],
)
def test_how_a_child_ended_is_told_by_what_holds(
    conditions: list[tuple[str, str, str]], finished: bool, failed: bool, late: bool
) -> None:
    """That it is over, that it failed, and that its own deadline was why."""
    body = _body()
    body["metadata"] |= {"uid": "child-uid", "creationTimestamp": time_text(-5)}
    body["status"] = {"conditions": [{"type": k, "status": s, "reason": r} for k, s, r in conditions]}
    found = read_child(body, UID)
    assert (found.finished, found.failed, found.deadline_exceeded) == (finished, failed, late)
    assert (found.name, found.uid, found.created_time) == ("sums-1", "child-uid", at(-5))


def test_a_strangers_job_is_read_too() -> None:
    """It has neither owner nor run config nor status."""
    body = {"metadata": {"name": "sums-1", "uid": "x"}, "spec": {"template": {"spec": {}}}}
    assert read_child(body, UID) == child(uid="x", ours=False, run_config=None)
    body["metadata"] |= {"annotations": {RUN_CONFIG_ANNOTATION: "{}"}}
    assert read_child(body, UID).run_config is None
    body["spec"]["template"]["spec"]["volumes"] = [
        {"name": "other"},
        {"name": "run-config", "configMap": {"name": "c"}},
    ]
    assert read_child(body, UID).run_config == ("c", "{}")
    body["metadata"]["annotations"] = {}
    assert read_child(body, UID).run_config is None


def test_the_baselines_secrets_are_given_too() -> None:
    """Those of the storage that its checkpoint lies in."""
    spec = {"algorithm": {"type": "Evaluation"}, "evaluation": {"baseline": {"checkpoint": "other"}}}
    made = child_job_body(job(**spec), Rendering(1, DEFAULTS, "c", "{}", None, checkpoint(claim())))
    assert names.ENV_BASELINE_ACCESS_KEY in _env(made)
    assert names.ENV_BASELINE_ACCESS_KEY not in _env(_body(**spec))


def test_the_pod_gets_what_the_task_names() -> None:
    """Module and data of ConfigMaps as files of their own folders, tokens and logins by reference to their Secrets."""
    login = {"bucket": "data", "secretRef": {"name": "data-s3"}}
    train, test = {"configMap": {"name": "queries", "key": "train.jsonl"}}, {"s3": login | {"prefix": "test.jsonl"}}
    task = {
        "name": "mine",
        "rewards": [{"name": "mine"}],
        "module": {"name": "my-task", "key": "my_task.py"},
        "data": {"train": train, "validation": train, "test": test},
    }
    hub = {"repository": "org/name", "revision": "0" * 40, "secretRef": {"name": "hub"}}
    tracking = {"wandb": {"project": "agents", "secretRef": {"name": "wandb"}}}
    body = _body(task=task, model={"huggingFace": hub}, tracking=tracking)
    mounts = {mount["name"]: mount for mount in _container(body)["volumeMounts"]}
    volumes = {volume["name"]: volume["configMap"] for volume in _pod_spec(body)["volumes"] if "configMap" in volume}
    for name, key, folder in (
        ("task-module", "my_task.py", names.MODULE_DIRECTORY),
        ("data-train", "train.jsonl", f"{names.DATA_DIRECTORY}/train"),
        ("data-validation", "train.jsonl", f"{names.DATA_DIRECTORY}/validation"),
    ):
        assert (mounts[name]["mountPath"], mounts[name]["readOnly"]) == (folder, True)
        assert volumes[name]["items"] == [{"key": key, "path": key}]
    assert "data-test" not in volumes
    used = {
        name: tuple(entry["valueFrom"]["secretKeyRef"].values())
        for name, entry in _env(body).items()
        if "secretKeyRef" in entry.get("valueFrom", {})
    }
    assert used[names.ENV_HUB_TOKEN] == ("hub", names.HUB_TOKEN_KEY)
    assert used[names.ENV_WANDB_KEY] == ("wandb", names.WANDB_KEY_KEY)
    assert used[names.ENV_DATA_ACCESS_KEYS["test"]] == ("data-s3", names.ACCESS_KEY_KEY)
    assert not {names.ENV_DATA_ACCESS_KEYS["train"], names.ENV_MODEL_ACCESS_KEY, names.ENV_MLFLOW_TOKEN} & used.keys()
