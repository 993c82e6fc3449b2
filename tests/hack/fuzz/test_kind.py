"""What a fuzzer's promises say."""

from __future__ import annotations

import pytest

from hack.fuzz.kind import BrokenPromiseError, refused
from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import RefusedError


@pytest.mark.parametrize(
    ("message", "field"), [("two\nlines", None), ("", None), ("half \ud83d", None), ("a rule", "somewhere.else")]
)
def test_a_refusal_has_its_form(message: str, field: str | None) -> None:
    """One line that can be written, and a field that there is."""
    refused(RefusedError(TerminationReason.INVALID_DATA, "a rule", field_path="spec.task.data.train"))
    with pytest.raises(BrokenPromiseError):
        refused(RefusedError(TerminationReason.INVALID_DATA, message, field_path=field))
