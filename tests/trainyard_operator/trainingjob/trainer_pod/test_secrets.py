"""Claims about the Secrets that a pod is given."""

from __future__ import annotations

from tests.trainyard_operator.builders import checkpoint, claim, job
from trainyard_api import names
from trainyard_api.trainer_pod import TrainerSpec
from trainyard_operator.trainingjob.trainer_pod.defaults import PodDefaults
from trainyard_operator.trainingjob.trainer_pod.secrets import pull_secrets_of, secrets_of

SETS = ("train", "validation", "test")


def test_every_secret_is_named_by_the_field_that_leads_to_it() -> None:
    """So that an error about a missing one names a field of the manifest."""
    token = {"repository": "a/b", "revision": "0" * 40, "secretRef": {"name": "hub"}}
    uses = {use.variable: use for use in secrets_of(job(model={"huggingFace": token}).spec)}
    assert uses[names.ENV_DATABASE_DSN].field_path == "spec.database.secretRef.name"
    assert uses[names.ENV_CHECKPOINTS_ACCESS_KEY].field_path == "spec.checkpoints.storage.s3.secretRef.name"
    hub = uses[names.ENV_HUB_TOKEN]
    assert (hub.secret, hub.key, hub.field_path) == (
        "hub",
        names.HUB_TOKEN_KEY,
        "spec.model.huggingFace.secretRef.name",
    )


def test_a_checkpoints_secret_is_that_of_its_own_storage() -> None:
    """The model's and the baseline's may be another job's; each is told by the field that refers to it."""
    made = checkpoint(claim())
    uses = {use.variable: use for use in secrets_of(job().spec, pinned=made, baseline=made)}
    assert uses[names.ENV_MODEL_ACCESS_KEY].field_path == "spec.model.checkpoint"
    assert uses[names.ENV_BASELINE_SECRET_KEY].field_path == "spec.evaluation.baseline.checkpoint"
    assert names.ENV_MODEL_ACCESS_KEY not in {use.variable for use in secrets_of(job().spec)}


def test_a_jobs_pull_secrets_replace_the_installations() -> None:
    """An empty list too: then the nodes pull by themselves."""
    defaults = PodDefaults("default:1", "Always", pull_secrets=("registry",))
    for own, found in ((None, ["registry"]), (["mine", "yours"], ["mine", "yours"]), ([], [])):
        trainer = TrainerSpec.model_validate({} if own is None else {"imagePullSecrets": own})
        assert pull_secrets_of(trainer, defaults) == [{"name": name} for name in found]


def test_trackers_and_data_name_the_fields_of_their_secrets() -> None:
    """Each of its own."""
    login = {"bucket": "data", "secretRef": {"name": "data-s3"}}
    task = {"name": "mine", "rewards": [{"name": "exact"}], "data": {n: {"s3": login} for n in SETS}}
    tracking = {
        "wandb": {"project": "agents", "secretRef": {"name": "wandb"}},
        "mlflow": {"endpoint": "https://mlflow.example", "experiment": "agents", "secretRef": {"name": "mlflow"}},
    }
    uses = {use.variable: use for use in secrets_of(job(task=task, tracking=tracking).spec)}
    wandb, mlflow = uses[names.ENV_WANDB_KEY], uses[names.ENV_MLFLOW_TOKEN]
    assert (wandb.secret, wandb.key, wandb.field_path) == (
        *("wandb", names.WANDB_KEY_KEY, "spec.tracking.wandb.secretRef.name"),
    )
    assert (mlflow.secret, mlflow.key, mlflow.field_path) == (
        *("mlflow", names.MLFLOW_TOKEN_KEY, "spec.tracking.mlflow.secretRef.name"),
    )
    for name in SETS:
        for variable in (names.ENV_DATA_ACCESS_KEYS[name], names.ENV_DATA_SECRET_KEYS[name]):
            assert uses[variable].field_path == f"spec.task.data.{name}.s3.secretRef.name"
