"""Every derived name: objects, labels, finalizers, field managers, environment variables, paths and keys.

Place in the data's way: stations 3, 4, 9, 10 and 11. One TrainingJob name (at most 40 characters, no dots) gives all
others, each at most 63 characters. Pure string functions.
"""

from __future__ import annotations

from typing import Final

PREFIX: Final = "trainyard.dev/"

# Field managers of server-side apply and merge patches.
OPERATOR_MANAGER: Final = "trainyard-operator"
BUDGET_MANAGER: Final = "trainyard-operator-budget"
TRAINER_MANAGER: Final = "trainyard-trainer"

# Labels on everything that the operator makes for a job.
MANAGED_BY_LABEL: Final = "app.kubernetes.io/managed-by"
MANAGED_BY: Final = "trainyard-operator"
JOB_LABEL: Final = PREFIX + "training-job"
JOB_UID_LABEL: Final = PREFIX + "training-job-uid"
ATTEMPT_LABEL: Final = PREFIX + "attempt"
ROLE_LABEL: Final = PREFIX + "role"
"""What a pod that doesn't train is for."""
ROWS_ROLE: Final = "write-rows"
CONTROLLER_UID_LABEL: Final = "batch.kubernetes.io/controller-uid"
"""uid of its Job, which the Job controller writes onto each pod."""

# Finalizers.
ACCOUNTING_FINALIZER: Final = PREFIX + "accounting"
"""On trainer pods: exit code, message and times stay readable until they are booked."""
SETTLEMENT_FINALIZER: Final = PREFIX + "settlement"
"""On TrainingJobs: the object stays until its pods have ended and its spend is booked."""

TRAINER_CONTAINER: Final = "trainer"
TASK_ENTRY_POINTS: Final = "trainyard.tasks"
REWARD_ENTRY_POINTS: Final = "trainyard.rewards"
DATABASE_SCHEMA: Final = "trainyard"
TRAINER_DATABASE_ROLE: Final = "trainyard_trainer"
"""Postgres group role whose members may write what a trainer writes."""
GPU_PRODUCT_NODE_LABEL: Final = "nvidia.com/gpu.product"
GPU_RESOURCE: Final = "nvidia.com/gpu"

# Inside the trainer pod.
RUN_CONFIG_DIRECTORY: Final = "/etc/trainyard"
RUN_CONFIG_FILE: Final = "run.json"
CACHE_DIRECTORY: Final = "/cache"
TERMINATION_LOG: Final = "/dev/termination-log"
ENV_RUN_CONFIG: Final = "TRAINYARD_RUN_CONFIG"
ENV_POD_NAME: Final = "TRAINYARD_POD_NAME"
ENV_POD_UID: Final = "TRAINYARD_POD_UID"
ENV_CACHE_BYTES: Final = "TRAINYARD_CACHE_BYTES"
"""What CACHE_DIRECTORY may take before the pod is evicted, in bytes; absent where nothing bounds it."""
ENV_DATABASE_DSN: Final = "TRAINYARD_DATABASE_DSN"
ENV_CHECKPOINTS_ACCESS_KEY: Final = "TRAINYARD_CHECKPOINTS_ACCESS_KEY_ID"
ENV_CHECKPOINTS_SECRET_KEY: Final = "TRAINYARD_CHECKPOINTS_SECRET_ACCESS_KEY"
ENV_MODEL_ACCESS_KEY: Final = "TRAINYARD_MODEL_ACCESS_KEY_ID"
ENV_MODEL_SECRET_KEY: Final = "TRAINYARD_MODEL_SECRET_ACCESS_KEY"
ENV_DATA_ACCESS_KEYS: Final = {
    name: f"TRAINYARD_DATA_{name.upper()}_ACCESS_KEY_ID" for name in ("train", "validation", "test")
}
ENV_DATA_SECRET_KEYS: Final = {
    name: f"TRAINYARD_DATA_{name.upper()}_SECRET_ACCESS_KEY" for name in ("train", "validation", "test")
}
ENV_BASELINE_ACCESS_KEY: Final = "TRAINYARD_BASELINE_ACCESS_KEY_ID"
ENV_BASELINE_SECRET_KEY: Final = "TRAINYARD_BASELINE_SECRET_ACCESS_KEY"
ENV_HUB_TOKEN: Final = "TRAINYARD_HUB_TOKEN"
ENV_WANDB_KEY: Final = "TRAINYARD_WANDB_API_KEY"
ENV_MLFLOW_TOKEN: Final = "TRAINYARD_MLFLOW_TRACKING_TOKEN"
MODULE_DIRECTORY: Final = "/etc/trainyard-module"
"""Where the task's module of a ConfigMap is mounted, by its key."""
DATA_DIRECTORY: Final = "/etc/trainyard-data"
"""Where data of ConfigMaps is mounted: train, validation and test below it, each with its key."""

# Keys inside Secrets.
HUB_TOKEN_KEY: Final = "HF_TOKEN"
WANDB_KEY_KEY: Final = "WANDB_API_KEY"
MLFLOW_TOKEN_KEY: Final = "MLFLOW_TRACKING_TOKEN"
DSN_KEY: Final = "dsn"
ACCESS_KEY_KEY: Final = "AWS_ACCESS_KEY_ID"
SECRET_KEY_KEY: Final = "AWS_SECRET_ACCESS_KEY"

# Files of a checkpoint folder.
MANIFEST_FILE: Final = "manifest.json"
COMMIT_FILE: Final = "COMMIT"
ROWS_FOLDER: Final = "rows"
"""Holds the rows that the ledger lacked when the checkpoint was committed, where it lacked any."""


def child_job(job: str, attempt: int) -> str:
    """Names the batch/v1 Job of one attempt."""
    return f"{job}-{attempt}"


def rows_job(job: str, attempt: int) -> str:
    """Names the batch/v1 Job that writes the rows which an attempt's last checkpoint carries."""
    return f"{child_job(job, attempt)}-rows"


def run_config_map(job: str, attempt: int, digest: str) -> str:
    """Names the immutable ConfigMap of an attempt's run config; `digest` is the hex digest of its text."""
    return f"{job}-{attempt}-{digest[:10]}"


def trainer_account(job: str) -> str:
    """Names the job's ServiceAccount, Role and RoleBinding."""
    return f"{job}-trainer"


def checkpoint(job: str, job_uid: str, attempt: int, step: int, updates: int | None = None) -> str:
    """Names the Checkpoint object; `updates` is set only for one taken between the updates of a step."""
    tail = "" if updates is None else f"u{updates}"
    return f"{job}-{job_uid[:5]}-{attempt}-{step}{tail}"


def run_prefix(prefix: str, namespace: str, job: str, job_uid: str) -> str:
    """Returns the key prefix of all checkpoints of one run, with a trailing slash."""
    return "/".join(part for part in (prefix.strip("/"), namespace, job, job_uid) if part) + "/"


def checkpoint_folder(step: int, pod_uid: str, updates: int | None = None) -> str:
    """Names a checkpoint's folder below the run's prefix, with a trailing slash; a pod writes under its own uid."""
    tail = "" if updates is None else f"-u{updates}"
    return f"step-{step}{tail}-{pod_uid[:8]}/"


def attempt_log(attempt: int) -> str:
    """Names the file below the run's prefix that holds the end of what an attempt's pod has logged."""
    return f"logs/attempt-{attempt}.log"


def job_labels(job: str, job_uid: str, attempt: int | None = None) -> dict[str, str]:
    """Returns the labels of everything made for a job, or for one attempt of it."""
    labels = {MANAGED_BY_LABEL: MANAGED_BY, JOB_LABEL: job, JOB_UID_LABEL: job_uid}
    return labels if attempt is None else labels | {ATTEMPT_LABEL: str(attempt)}
