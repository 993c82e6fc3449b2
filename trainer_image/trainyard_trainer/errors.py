"""Why a run can't go on.

Place in the data's way: station 4. Each error ends the process with an exit code and a `Termination`::

    TrainerError
    ├── RefusedError   exit 20: the user's mistake, or a run that can't go on; another attempt would end the same way
    └── StoppedError   exit 10: stopped on request, after a checkpoint

Everything else is a crash.
"""

from __future__ import annotations

from trainyard_api.termination import TerminationReason


class TrainerError(Exception):
    """Base of the errors that end a run on purpose."""


class RefusedError(TrainerError):
    """The user's mistake: which field, which rule, which value.

    Attributes:
        reason: a word of the contract.
        field_path: the manifest's field at fault, as `spec.task.name`; None where there is none.
        value: the value at fault; never a secret.
    """

    def __init__(
        self, reason: TerminationReason, message: str, *, field_path: str | None = None, value: str | None = None
    ) -> None:
        self.reason = reason
        self.field_path = field_path
        self.value = value
        super().__init__(message)

    def __str__(self) -> str:
        """The whole sentence: `<field path>: <rule>; got <value>`."""
        text = super().__str__()
        if self.field_path is not None:
            text = f"{self.field_path}: {text}"
        return text if self.value is None else f"{text}; got {self.value!r}"


class StoppedError(TrainerError):
    """A stop was requested and the newest state is committed.

    Attributes:
        last_step: finished steps.
        committed_uri: folder of the newest checkpoint.
    """

    def __init__(self, last_step: int, committed_uri: str | None) -> None:
        self.last_step = last_step
        self.committed_uri = committed_uri
        super().__init__(f"stopped on request after step {last_step}")


class RolloutInterruptedError(Exception):
    """A stop was asked for in the middle of a rollout: what isn't finished is dropped."""
