"""A run of Weights & Biases.

Place in the data's way: behind `tracking`. Sends numbers and tags; no code, no console, nothing about the machine.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

from trainyard_api.run_config import RunConfig
from trainyard_api.termination import TerminationReason
from trainyard_api.tracking import WandbTracking
from trainyard_trainer.errors import RefusedError

_FIELD: Final = "spec.tracking.wandb"
_REFUSED: Final = re.compile(r"returned error 40[13]\b")
"""How the library tells of a server that refuses the key: one error stands for all that a server may answer."""


class WandbTracker:
    """Sends numbers to the run whose id is the run's uid, so that a later attempt continues it; see `tracking.Tracker`.

    Args:
        asked: project, entity and server.
        config: the run.
        key: of the account.
        folder: for the files that the library keeps before it sends them.
        mode: `offline` sends nothing.

    Raises:
        RefusedError: the image lacks the package, or the server refuses the key.
        wandb.errors.Error: the server can't be reached.
    """

    def __init__(
        self,
        asked: WandbTracking,
        config: RunConfig,
        key: str,
        folder: Path,
        mode: Literal["online", "offline"] = "online",
    ) -> None:
        try:
            import wandb  # noqa: PLC0415 (an extra)
        except ImportError as error:
            raise RefusedError(
                TerminationReason.INVALID_MANIFEST,
                "the trainer's image must carry the package wandb (build it on ours)",
                field_path=_FIELD,
            ) from error
        settings: dict[str, Any] = {"api_key": key or None, "silent": True, "console": "off", "init_timeout": 30}
        settings |= dict.fromkeys(("disable_git", "disable_code", "x_disable_stats", "x_disable_meta"), True)
        settings |= {} if asked.endpoint is None else {"base_url": asked.endpoint}
        folder.mkdir(parents=True, exist_ok=True)
        try:
            self._run = wandb.init(
                project=asked.project,
                entity=asked.entity,
                id=config.run.uid,
                name=config.run.name,
                resume="allow",
                mode=mode,
                dir=folder,
                config={"tags": dict(config.tags), "algorithm": config.algorithm.to_wire()},
                settings=wandb.Settings(**settings),
            )
        except wandb.errors.CommError as error:
            if not isinstance(error, wandb.errors.AuthenticationError) and not _REFUSED.search(str(error)):
                raise
            raise RefusedError(
                TerminationReason.INVALID_MANIFEST,
                "the Secret's key WANDB_API_KEY must be one that the server accepts",
                field_path=f"{_FIELD}.secretRef.name",
                value=asked.secret_ref.name,
            ) from error

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Sends named numbers of a step."""
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        """Sends what is left and ends the run."""
        self._run.finish()
