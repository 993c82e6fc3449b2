"""Resumes checkpoints that an earlier version wrote, and compares the end with the one that version itself reached.

Each fixture holds a manifest, the run's folder, the final weights, and `digests.json`: the commit that wrote it, the
machine, the measured numbers of the last step, and a digest of each file and each other part of the state at the end.
Fixtures are never made anew: a version that can't read them can't read what users have.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.waiting import GUARD_SECONDS

pytestmark = pytest.mark.learning

FIXTURES = Path(__file__).parents[1] / "trainyard_trainer" / "checkpoints" / "fixtures"
HOME = "/fixture"
"""Stands in a fixture for the folder that it is copied to."""
ELSEWHERE = {"ATEN_CPU_CAPABILITY": "default"}
"""Makes torch sum in another order, as another model of processor does."""
CHANGES_BY_NATURE = {"COMMIT", "manifest.json", "trainer_state.pt"}
"""Files that hold times. Of the state, all parts are compared without their times."""
MOST_APART = 2e-5
"""Largest difference of a weight between processors; measured 1e-8. One update moves a weight by 1e-3 or more."""


NAMED_SINCE = {
    "clip_low": "clip_ratio/low_mean",
    "clip_high": "clip_ratio/high_mean",
    "sampler_gap": "sampling_logp_difference/max",
    "sampler_gap_mean": "sampling_logp_difference/mean",
}
"""The names that numbers had, and have."""
GROUPS = 6
"""Of each step; how many of them nothing was learned from is a share by now."""


def as_named_now(numbers: dict[str, str]) -> dict[str, str]:
    """Returns recorded numbers under today's names; supervised fine-tuning has no clips any more."""
    found = {NAMED_SINCE.get(name, name): value for name, value in numbers.items()}
    if (alike := found.pop("zero_variance_groups", None)) is not None:
        return found | {"frac_reward_zero_std": f"{float(alike) / GROUPS:.6f}"}
    return {name: value for name, value in found.items() if not name.startswith("clip_ratio/")}


def machine() -> dict[str, str]:
    """Returns what the bytes depend on besides code and threads; threads are always one."""
    known = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    about = dict(re.findall(r"^(model name|cpu family|model)\s*: (.*)$", known, re.MULTILINE))
    return about | {"instructions": torch.backends.cpu.get_cpu_capability(), "torch": torch.__version__}


def copied(name: str, into: Path) -> Path:
    """Copies a fixture, and writes its new place into its files."""
    folder = Path(shutil.copytree(FIXTURES / name, into / name))
    written = [folder / "job.json", *folder.glob("out/*/*/*/run.json"), *folder.glob("out/*/*/*/*.jsonl")]
    for path in written:
        path.write_text(path.read_text().replace(HOME, str(folder)))
    return folder


def finish(folder: Path, **variables: str) -> Path:
    """Resumes a run by the command line; returns the folder of its last checkpoint."""
    manifest, output = folder / "job.json", folder / "out"
    command = ["-m", "trainyard_trainer", "run", str(manifest), "--output", str(output), "--resume"]
    ended = subprocess.run(
        [sys.executable, *command],
        env=os.environ | {"OMP_NUM_THREADS": "1", **variables},
        capture_output=True,
        text=True,
        timeout=GUARD_SECONDS,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    (begun,) = {path.parent for path in output.glob("*/*/*/run.json")}
    newest = max(begun.glob("step-*"), key=lambda path: path.stat().st_mtime)
    assert f"model in {newest.as_uri()}/" in ended.stdout + ended.stderr
    return newest


def state_of(folder: Path) -> dict[str, Any]:
    """Reads a checkpoint's state, in which nothing but tensors and plain types may be."""
    return torch.load(folder / "trainer_state.pt", weights_only=True)


def digests(last: Path, home: Path) -> dict[str, str]:
    """Returns the SHA-256 of each file and part of the state, without times, measured numbers and local paths."""
    files = {
        path.relative_to(last).as_posix(): path.read_bytes().replace(str(home).encode(), HOME.encode())
        for path in sorted(last.rglob("*"))
        if path.is_file() and path.name not in CHANGES_BY_NATURE
    }
    state = state_of(last)
    position = {f"position.{name}": part for name, part in state.pop("position").items() if name != "metrics"}
    parts = {f"state: {name}": b"".join(_bytes(part)) for name, part in (state | position).items()}
    return {name: hashlib.sha256(content).hexdigest() for name, content in (files | parts).items()}


def _bytes(value: Any) -> Iterator[bytes]:
    """Yields the bytes of a value, without durations and speeds."""
    if isinstance(value, torch.Tensor):
        yield f"{value.dtype}{tuple(value.shape)}".encode()
        yield value.numpy().tobytes()
    elif isinstance(value, dict):
        for key in sorted(value, key=str):
            if not str(key).endswith(("_seconds", "_per_second")):
                yield f"{key!r}:".encode()
                yield from _bytes(value[key])
    elif isinstance(value, (list, tuple)):
        yield f"[{len(value)}".encode()
        for item in value:
            yield from _bytes(item)
    else:
        yield repr(value).encode()


def apart(last: Path, name: str) -> float:
    """Returns the largest difference between a final weight and the recorded one."""
    expected, got = load_file(FIXTURES / name / "final.safetensors"), load_file(last / "model.safetensors")
    assert expected.keys() == got.keys()
    return max((expected[key] - got[key]).abs().max().item() for key in expected)


NAMES = ("between_steps", "phase_update", "lora", "sft")


@pytest.mark.parametrize("name", NAMES)
def test_an_earlier_version_s_checkpoint_goes_on_to_its_own_end(tmp_path: Path, name: str) -> None:
    """Reaches the recorded files and state byte for byte on the same kind of machine, else nearly the same weights."""
    recorded = json.loads((FIXTURES / name / "digests.json").read_text())
    folder = copied(name, tmp_path)
    last = finish(folder)
    if machine() == recorded["machine"]:
        assert digests(last, folder) == recorded["digests"]
        assert as_named_now(recorded["numbers"]).items() <= state_of(last)["position"]["metrics"].items()
    assert apart(last, name) <= MOST_APART


def test_another_processor_s_end_is_nearly_the_same(tmp_path: Path) -> None:
    """Shows that another order of sums changes the weights, and by less than the tolerance."""
    last = finish(copied("phase_update", tmp_path), **ELSEWHERE)
    assert 0 < apart(last, "phase_update") <= MOST_APART


def test_the_checkpoints_are_what_they_are_called() -> None:
    """Finds a batch between two updates with the loss's earlier name, an adapter without its base, and whole steps."""
    (update,) = FIXTURES.glob("phase_update/out/*/*/*/step-*")
    state = state_of(update)
    assert len(state["position"]["batch"]["outcomes"]) == 3
    assert json.loads((update.parent / "run.json").read_text())["algorithm"]["grpo"]["loss"] == "DR_GRPO"
    (adapter,) = FIXTURES.glob("lora/out/*/*/*/step-*")
    assert (adapter / "adapter" / "adapter_model.safetensors").is_file()
    assert not (adapter / "model.safetensors").exists()
    for name in ("between_steps", "sft"):
        (between,) = FIXTURES.glob(f"{name}/out/*/*/*/step-*")
        position = state_of(between)["position"]
        assert (position["batch"], position["step"] > 0) == (None, True)
