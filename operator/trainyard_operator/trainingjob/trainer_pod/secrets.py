"""Which Secrets a trainer pod is given, by reference, and which field of the manifest names each.

Place in the data's way: station 3; and back to station 2, when one of them is missing. One table, so that what is
mounted and what an error names can't differ. Pure; the operator never reads a Secret.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from trainyard_api import names
from trainyard_api.checkpoint import Checkpoint
from trainyard_api.model_source import S3Location
from trainyard_api.trainer_pod import TrainerSpec
from trainyard_api.training_job_spec import TrainingJobSpec
from trainyard_operator.trainingjob.trainer_pod.defaults import PodDefaults


@dataclass(frozen=True)
class SecretUse:
    """One key of a Secret as an environment variable of the pod."""

    variable: str
    secret: str
    key: str
    field_path: str
    """The manifest's field that leads to it."""

    def entry(self) -> dict[str, Any]:
        """Builds the item of a container's `env`."""
        return {"name": self.variable, "valueFrom": {"secretKeyRef": {"name": self.secret, "key": self.key}}}


def secrets_of(
    spec: TrainingJobSpec, pinned: Checkpoint | None = None, baseline: Checkpoint | None = None
) -> list[SecretUse]:
    """Lists every Secret of a trainer pod.

    Args:
        spec: what is asked for.
        pinned: the Checkpoint that the model is, if any; its Secret is another job's, perhaps.
        baseline: the Checkpoint that it is compared with, if any.
    """
    database, storage = spec.database.secret_ref.name, spec.checkpoints.storage.s3
    checkpoints = (names.ENV_CHECKPOINTS_ACCESS_KEY, names.ENV_CHECKPOINTS_SECRET_KEY)
    model = (names.ENV_MODEL_ACCESS_KEY, names.ENV_MODEL_SECRET_KEY)
    compared = (names.ENV_BASELINE_ACCESS_KEY, names.ENV_BASELINE_SECRET_KEY)
    uses = [SecretUse(names.ENV_DATABASE_DSN, database, names.DSN_KEY, "spec.database.secretRef.name")]
    uses += _login(storage, checkpoints, "spec.checkpoints.storage.s3.secretRef.name")
    if spec.model.s3 is not None:
        uses += _login(spec.model.s3, model, "spec.model.s3.secretRef.name")
    if pinned is not None:
        uses += _login(pinned.spec.storage.s3, model, "spec.model.checkpoint")
    if baseline is not None:
        uses += _login(baseline.spec.storage.s3, compared, "spec.evaluation.baseline.checkpoint")
    return [*uses, *_data(spec), *_tokens(spec)]


def pull_secrets_of(trainer: TrainerSpec, defaults: PodDefaults) -> list[dict[str, str]]:
    """Builds a pod's `imagePullSecrets`; the job's own list replaces the installation's, an empty one too."""
    own = trainer.image_pull_secrets
    return [{"name": name} for name in (defaults.pull_secrets if own is None else own)]


def _data(spec: TrainingJobSpec) -> Iterator[SecretUse]:
    data = spec.task.data
    for name in ("train", "validation", "test") if data is not None else ():
        source = getattr(data, name)
        if source is not None and source.s3 is not None:
            variables = (names.ENV_DATA_ACCESS_KEYS[name], names.ENV_DATA_SECRET_KEYS[name])
            yield from _login(source.s3, variables, f"spec.task.data.{name}.s3.secretRef.name")


def _tokens(spec: TrainingJobSpec) -> Iterator[SecretUse]:
    hub, tracking = spec.model.hugging_face, spec.tracking
    wandb, mlflow = (tracking.wandb, tracking.mlflow) if tracking is not None else (None, None)
    for source, variable, key, field in (
        (hub, names.ENV_HUB_TOKEN, names.HUB_TOKEN_KEY, "spec.model.huggingFace.secretRef.name"),
        (wandb, names.ENV_WANDB_KEY, names.WANDB_KEY_KEY, "spec.tracking.wandb.secretRef.name"),
        (mlflow, names.ENV_MLFLOW_TOKEN, names.MLFLOW_TOKEN_KEY, "spec.tracking.mlflow.secretRef.name"),
    ):
        if source is not None and source.secret_ref is not None:
            yield SecretUse(variable, source.secret_ref.name, key, field)


def _login(location: S3Location, variables: tuple[str, str], field_path: str) -> list[SecretUse]:
    secret, keys = location.secret_ref.name, (names.ACCESS_KEY_KEY, names.SECRET_KEY_KEY)
    return [SecretUse(variable, secret, key, field_path) for variable, key in zip(variables, keys, strict=True)]
