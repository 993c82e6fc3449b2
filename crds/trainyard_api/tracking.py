"""Where else every step's measurements go.

Place in the data's way: station 1, the part of a manifest that names experiment trackers. No I/O, no policy.
"""

from __future__ import annotations

from trainyard_api.fields import ApiModel, Endpoint, Identifier
from trainyard_api.model_source import SecretReference


class WandbTracking(ApiModel):
    """A run of Weights & Biases."""

    project: Identifier
    """Name of the project."""
    entity: Identifier | None = None
    """User or team. Default: that of the key."""
    endpoint: Endpoint | None = None
    """URL of the server. Default: the public one."""
    secret_ref: SecretReference
    """Secret with the key WANDB_API_KEY."""


class MlflowTracking(ApiModel):
    """A run of MLflow."""

    endpoint: Endpoint
    """URL of the tracking server."""
    experiment: Identifier
    """Name of the experiment; made where it doesn't exist."""
    secret_ref: SecretReference | None = None
    """Secret with the key MLFLOW_TRACKING_TOKEN. Default: none."""


class Tracking(ApiModel):
    """Experiment trackers that get every step's measurements; the image must carry their packages."""

    wandb: WandbTracking | None = None
    """Weights & Biases. Default: none."""
    mlflow: MlflowTracking | None = None
    """MLflow. Default: none."""
