"""Claims about where a run may have checkpoints."""

from __future__ import annotations

import pytest

from tests.trainyard_operator.builders import NAME, PREFIX, UID, job
from trainyard_api import names
from trainyard_operator.checkpoint.uri import inside_run, run_uri


def test_the_runs_prefix_holds_namespace_name_and_uid() -> None:
    """Two runs never share a folder."""
    assert run_uri(job().spec.checkpoints.storage, "team-a", NAME, UID) == PREFIX


def test_a_folder_that_the_trainer_names_is_inside() -> None:
    """Both forms of `names.checkpoint_folder`."""
    storage = job().spec.checkpoints.storage
    for updates in (None, 3):
        uri = PREFIX + names.checkpoint_folder(7, "9d2f0c3e-0000", updates)
        assert inside_run(uri, storage, "team-a", NAME, UID)


@pytest.mark.parametrize(
    "tail",
    ["", "step-1-abc", "step-1-abc/more/", "../step-1-abc/", "a/../../step-1-abc/", "step-x-abc/", "step-1-abc/\n"],
)
def test_any_other_place_is_outside(tail: str) -> None:
    """No parents, no nesting, no other words."""
    assert not inside_run(PREFIX + tail, job().spec.checkpoints.storage, "team-a", NAME, UID)


def test_anothers_prefix_is_outside() -> None:
    """Another run's folder, though well-formed."""
    uri = PREFIX.replace(UID, "0" * 36) + "step-1-abc/"
    assert not inside_run(uri, job().spec.checkpoints.storage, "team-a", NAME, UID)
