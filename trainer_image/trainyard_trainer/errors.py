"""Says why a run can't go on, or why something in it can't be done: one base for all that the trainer raises itself.

* TrainerError
  x RefusedError               ends the run, exit 20: another attempt would end the same way
    + UnreadableError          a checkpoint is whole, but another version of the trainer wrote it
    + UnknownLayoutError       a checkpoint's manifest is one of another version
  x StoppedError               ends the run, exit 10: it was asked to stop, and its state is committed
  x DroppedError               drops work in its middle, for a stop was asked for
  x DatabaseAwayError          the database can't be reached for longer than the run may wait
  x LoginLostError             the database no longer takes a login that it has taken before
  x AbandonedError             the writing of a checkpoint was given up
  x OutOfMemoryError           a pass or a decode round needs more memory than is free
  x UnwritableError            a text, or a conversation, has no ids that the model can read
    + TemplateFailedError      the chat template raises, or leaves something out
    + TemplateChangesError     the chat template writes an earlier turn otherwise later
  x _MalformedError            a policy's tool call can't be read
  x _RuleError                 a line of a data file breaks a rule
  x ModuleError                the user's module can't be imported
  x AttributeUnreadableError   an attribute of a user's object can't be read
  x FailedEnvironmentError     a user's environment raised, or took too long
  x TaskExitedError            a task of a user's environment tried to end the process
  x LostError                  the process of a user's rewards ended
  x ToolError                  a tool's answer to arguments that it can't use
  x ExpressionError            a text isn't arithmetic, or has no value
  x UnknownCacheError          a model's cache isn't one that slots can be made of
  x KubeError                  progress didn't reach the API server

Place in the data's way: everywhere; each class stands beside what raises it. Only `RefusedError` and `StoppedError` end
a run on purpose, with an exit code and a `Termination`; any other that nobody catches is a crash. A text names the
field, the rule and the value; what a program may want to compare stands in attributes.
"""

from __future__ import annotations

from trainyard_api.termination import CommittedCheckpoint, TerminationReason


class TrainerError(Exception):
    """Base of all errors that this package raises."""


class RefusedError(TrainerError):
    """Refuses what the user asked for: which field, which rule, which value.

    Attributes:
        reason: a word of the contract.
        field_path: the manifest's field at fault, as `spec.task.name`; None where there is none.
        value: what the field says, or what was measured, with its unit; never a sentence, never a secret.
    """

    def __init__(
        self, reason: TerminationReason, message: str, *, field_path: str | None = None, value: str | None = None
    ) -> None:
        self.reason = reason
        self.field_path = field_path
        self.value = value
        super().__init__(message)

    def __str__(self) -> str:
        """Joins the parts: `<field path>: <rule>; got <value>`."""
        text = super().__str__()
        if self.field_path is not None:
            text = f"{self.field_path}: {text}"
        return text if self.value is None else f"{text}; got {self.value!r}"


class StoppedError(TrainerError):
    """Ends a run that was asked to stop; its newest state is committed, where it had one of its own.

    Attributes:
        last_step: finished steps.
        committed_uri: folder of the newest checkpoint; None where there is none.
        dropped_seconds: of this pod's work that no checkpoint holds, for the stop came in its middle.
        committed: what the newest checkpoint's row in the ledger claims; None where there is none.
        saved: whether the newest checkpoint has all that was done, but for what was dropped.
    """

    def __init__(
        self,
        last_step: int,
        committed_uri: str | None,
        dropped_seconds: float = 0.0,
        *,
        committed: CommittedCheckpoint | None = None,
        saved: bool = True,
    ) -> None:
        self.last_step = last_step
        self.committed_uri = committed_uri
        self.dropped_seconds = dropped_seconds
        self.committed = committed
        self.saved = saved and committed_uri is not None
        lacking = "without a checkpoint" if committed_uri is None else "without a checkpoint of what was done since"
        super().__init__(f"stopped on request after step {last_step}" + ("" if self.saved else f", {lacking}"))


class DroppedError(TrainerError):
    """Ends work in its middle, for a stop was asked for; what isn't finished is dropped, and nothing has changed.

    Attributes:
        seconds: that the work has taken; None where whoever catches this knows better.
    """

    def __init__(self, seconds: float | None = None) -> None:
        self.seconds = seconds
        super().__init__("a stop was asked for")
