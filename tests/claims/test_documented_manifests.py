"""Every fragment of a manifest in the documentation is legal, and every function in it does what it says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.trainyard_trainer.trajectories import trajectory
from trainyard_api.manifest import check_manifest
from trainyard_trainer.algorithms.losses import DEFAULT_CLIPS

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "training.md").read_text()


def blocks(language: str) -> list[str]:
    """Fenced blocks of a language."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, flags=re.DOTALL | re.MULTILINE)
    return [content for named, content in found if named == language]


@pytest.mark.parametrize("fragment", blocks("yaml"))
def test_fragment_makes_a_legal_manifest(fragment: str) -> None:
    """Put under the spec of the smallest example, each is accepted, with no field that the API doesn't know."""
    body: dict[str, Any] = yaml.safe_load((ROOT / "crds/examples/minimal.yaml").read_text())
    body["spec"] |= yaml.safe_load(fragment)
    assert check_manifest(body).spec.to_wire()


def test_the_documented_reward_is_a_reward() -> None:
    """It scores an answer as its docstring says."""
    (code,) = blocks("python")
    module: dict[str, Any] = {}
    exec(compile(code, "documented", "exec"), module)
    scores = [
        module["close_enough"](trajectory(answer=answer, expected="00020")) for answer in ("00021", "00022", "x", None)
    ]
    assert scores == [1.0, 0.0, 0.0, 0.0]


def test_defaults_in_the_table_of_losses_are_those_of_the_code() -> None:
    """Bounds by loss, as an update uses them where a manifest says nothing."""
    for loss, clip in DEFAULT_CLIPS.items():
        row = next(line for line in TEXT.splitlines() if line.startswith(f"| {loss} |"))
        low, high = (text.strip() for text in row.rstrip(" |").rpartition("|")[2].split(","))
        assert (None if low == "none" else float(low), float(high)) == (clip.low, clip.high), loss
