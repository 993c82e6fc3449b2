"""What a trainer pod is given besides its run config: its own identity, and secrets by reference.

Place in the data's way: station 4. Environment variables, by the names of the contract. Nothing here is ever logged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from trainyard_api import names
from trainyard_trainer.storage.storage_s3 import Credentials


@dataclass(frozen=True, slots=True)
class PodEnvironment:
    """Holds the pod's variables; `repr` shows no secret."""

    run_config: Path
    pod_uid: str
    cache_bytes: int | None
    """What the caches' volume may take before the pod is evicted; None: no bound is known."""
    dsn: str
    checkpoints: Credentials | None
    model: Credentials | None
    baseline: Credentials | None
    data: Mapping[str, Credentials]
    """Of data sets that lie in buckets, by the set's name."""
    hub_token: str
    """Of the Hub that the model lies on; empty for none."""
    wandb_key: str
    mlflow_token: str

    @property
    def secrets(self) -> tuple[str, ...]:
        """Lists the texts that no log line and no message may contain, longer ones first, for some contain others."""
        held = [self.dsn, _password(self.dsn), self.hub_token, self.wandb_key, self.mlflow_token]
        for credentials in (self.checkpoints, self.model, self.baseline, *self.data.values()):
            if credentials is not None:
                held += [credentials.access_key, credentials.secret_key]
        return tuple(sorted({secret for secret in held if secret}, key=len, reverse=True))

    def __repr__(self) -> str:
        return f"PodEnvironment(run_config={self.run_config}, pod_uid={self.pod_uid!r})"


def read_environment(variables: Mapping[str, str]) -> PodEnvironment:
    """Reads the pod's environment; a missing variable is an error only where it is used."""
    data = {
        name: _credentials(variables, access, names.ENV_DATA_SECRET_KEYS[name])
        for name, access in names.ENV_DATA_ACCESS_KEYS.items()
    }
    default = f"{names.RUN_CONFIG_DIRECTORY}/{names.RUN_CONFIG_FILE}"
    return PodEnvironment(
        run_config=Path(variables.get(names.ENV_RUN_CONFIG) or default),
        pod_uid=variables.get(names.ENV_POD_UID, ""),
        cache_bytes=_count(variables.get(names.ENV_CACHE_BYTES, "")),
        dsn=variables.get(names.ENV_DATABASE_DSN, ""),
        checkpoints=_credentials(variables, names.ENV_CHECKPOINTS_ACCESS_KEY, names.ENV_CHECKPOINTS_SECRET_KEY),
        model=_credentials(variables, names.ENV_MODEL_ACCESS_KEY, names.ENV_MODEL_SECRET_KEY),
        baseline=_credentials(variables, names.ENV_BASELINE_ACCESS_KEY, names.ENV_BASELINE_SECRET_KEY),
        data={name: credentials for name, credentials in data.items() if credentials is not None},
        # Copied from a file, a token easily ends with a line break, which no header may hold.
        hub_token=variables.get(names.ENV_HUB_TOKEN, "").strip(),
        wandb_key=variables.get(names.ENV_WANDB_KEY, "").strip(),
        mlflow_token=variables.get(names.ENV_MLFLOW_TOKEN, "").strip(),
    )


def _count(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None


def _credentials(variables: Mapping[str, str], access: str, secret: str) -> Credentials | None:
    access_key, secret_key = variables.get(access, ""), variables.get(secret, "")
    return Credentials(access_key, secret_key) if access_key and secret_key else None


def _password(dsn: str) -> str:
    try:
        return str(conninfo_to_dict(dsn).get("password") or "")
    except psycopg.ProgrammingError:
        return ""  # no connection string: whoever logs in says so
