"""A run without a cluster goes on exactly, whatever was done to it, or is refused in one line.

Some are killed between any two writes; of others a checkpoint or the config that they were begun with is broken, or
two go on at once.
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from signal import SIGKILL
from typing import Any

import pytest
import torch

from tests.claims.local_runs import GRPO, STEPS, Runs, Undisturbed, assert_equal, job, only_run, rows
from tests.claims.mortal_pods import Death
from tests.trainyard_trainer.saved_models import change_file, commit_manifest
from trainyard_api.termination import ExitCode
from trainyard_trainer.storage.storage_folder import FolderStorage

pytestmark = pytest.mark.learning


def checkpoint_of(folder: Path, step: int = STEPS) -> Path:
    """The folder of a step's checkpoint."""
    (found,) = folder.glob(f"step-{step}-*")
    return found


def replaced(folder: Path, name: str, content: bytes) -> None:
    """Another file, whose digests hold all the same."""
    change_file(FolderStorage(folder), "", name, content)


def made_a_folder(path: Path) -> None:
    """What was a file."""
    path.unlink()
    path.mkdir()


def state_without(folder: Path, member: str) -> None:
    """The state that a trainer wrote which had no such member."""
    path = folder / "trainer_state.pt"
    state = torch.load(path, weights_only=True)
    torch.save({name: part for name, part in state.items() if name != member}, path)
    replaced(folder, path.name, path.read_bytes())


CODE = b"cos\nsystem\n(S'exit 3'\ntR."
"""A pickle that runs a command."""
BROKEN: dict[str, Callable[[Path], Any]] = {
    "no COMMIT": lambda folder: (folder / "COMMIT").unlink(),
    "an empty COMMIT": lambda folder: (folder / "COMMIT").write_bytes(b""),
    "a COMMIT of other bytes": lambda folder: (folder / "COMMIT").write_bytes(b"\xff\x00"),
    "a COMMIT that is a folder": lambda folder: made_a_folder(folder / "COMMIT"),
    "no manifest": lambda folder: (folder / "manifest.json").unlink(),
    "half a manifest": lambda folder: (folder / "manifest.json").write_bytes(b'{"version": 1, '),
    "a manifest that is a folder": lambda folder: made_a_folder(folder / "manifest.json"),
    "a manifest of another version": lambda folder: commit_manifest(FolderStorage(folder), "", b'{"version":2}'),
    "no state": lambda folder: (folder / "trainer_state.pt").unlink(),
    "half a state": lambda folder: (folder / "trainer_state.pt").write_bytes(b"PK\x03\x04"),
    "a state that is a folder": lambda folder: made_a_folder(folder / "trainer_state.pt"),
    "a committed state of other bytes": lambda folder: replaced(folder, "trainer_state.pt", b"garbage"),
    "a committed state that runs code": lambda folder: replaced(folder, "trainer_state.pt", CODE),
    "a committed state without a position": lambda folder: state_without(folder, "position"),
    "a committed state without an optimizer": lambda folder: state_without(folder, "optimizer"),
}
DAILY = ("no COMMIT", "half a state", "a committed state that runs code", "empty", "cut off", "of another version")
"""One of each kind, here and below; the others take minutes."""


def cases(damage: Iterable[str]) -> list[Any]:
    """Some each day, all each night."""
    return [pytest.param(what, marks=() if what in DAILY else pytest.mark.nightly) for what in damage]


@pytest.mark.parametrize("what", cases(BROKEN))
def test_a_broken_checkpoint_gives_way_to_the_one_before(runs: Runs, whole: Undisturbed, what: str) -> None:
    """Said with its folder, left where it is, and its steps are made again."""
    output = runs.copy(whole.output)
    newest = checkpoint_of(only_run(output))
    BROKEN[what](newest)
    ended = runs.resume(output)
    assert_equal(output, ended, whole)
    assert f"going on from {checkpoint_of(only_run(output), STEPS - 1).as_uri()}/" in ended.said
    assert (str(newest) in ended.said) == (what != "no COMMIT"), "a folder without one is no checkpoint, and no fault"
    assert newest.is_dir()


def test_weights_of_other_bytes_that_are_committed_are_refused(runs: Runs, whole: Undisturbed) -> None:
    """Somebody made them so: they are another model's. In a line, not in a traceback."""
    output = runs.copy(whole.output)
    newest = checkpoint_of(only_run(output))
    replaced(newest, "model.safetensors", b"garbage")
    ended = runs.resume(output)
    assert (ended.code, "Traceback" in ended.said) == (ExitCode.REFUSED, False), ended.said
    assert rows(output) == whole.rows


def test_a_run_does_not_begin_again_for_what_another_version_could_read(runs: Runs, whole: Undisturbed) -> None:
    """Where not one of its states can be read, though all are whole: refused, and everything stays."""
    output = runs.copy(whole.output)
    folder = only_run(output)
    for step in range(1, STEPS + 1):
        state_without(checkpoint_of(folder, step), "optimizer")
    ended = runs.resume(output)
    assert (ended.code, "Traceback" in ended.said) == (ExitCode.REFUSED, False)
    assert f"{checkpoint_of(folder).as_uri()}/: must be a checkpoint that this trainer can read" in ended.said
    assert rows(output) == whole.rows
    assert len(list(folder.glob("step-*"))) == STEPS


def test_a_run_without_one_whole_checkpoint_begins_again(runs: Runs, whole: Undisturbed) -> None:
    """Nobody could use them: the run is made again from its first weights, and says so."""
    output = runs.copy(whole.output)
    for commit in only_run(output).glob("step-*/COMMIT"):
        commit.write_bytes(b"{}")
    ended = runs.resume(output)
    assert f"beginning again at step 0 instead of {STEPS}, " in ended.said
    assert_equal(output, ended, whole)


RUN_FILES: dict[str, Callable[[Path], Any]] = {
    "empty": lambda path: path.write_bytes(b""),
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:100]),
    "zeros": lambda path: path.write_bytes(bytes(500)),
    "of another version": lambda path: path.write_text(path.read_text().replace('"version":1', '"version":2')),
    "with a member that nobody knows": lambda path: path.write_text(path.read_text()[:-1] + ',"x":1}'),
    "not UTF-8": lambda path: path.write_bytes(b"\xff\xfe{}"),
    "a list": lambda path: path.write_bytes(b"[]"),
    "brackets": lambda path: path.write_bytes(b"[" * 100_000),
    "a folder": made_a_folder,
    "of another run": lambda path: path.write_text(path.read_text().replace(path.parent.name, "another")),
}


@pytest.mark.parametrize("what", cases(RUN_FILES))
def test_a_run_whose_config_is_broken_is_refused(runs: Runs, whole: Undisturbed, what: str) -> None:
    """With the file, the rule and what to do. Nothing is changed, and no older run is taken instead."""
    output = runs.copy(whole.output)
    folder = only_run(output)
    older = Path(shutil.copytree(folder, folder.with_name("older"))) / "run.json"
    older.write_text(older.read_text().replace(folder.name, "older"))
    os.utime(older, (1, 1))
    RUN_FILES[what](folder / "run.json")
    for there_is_an_older in (True, False):
        ended = runs.resume(output)
        assert ended.code == ExitCode.REFUSED, ended.said
        (line,) = ended.said.splitlines()
        assert line.startswith(f"refused (InvalidRunConfig): {folder}/run.json: must hold what the run was begun with")
        assert "run without --resume to begin another" in line
        assert (f"move {folder} away to go on with the run before, older" in line) == there_is_an_older
        assert len(line) < 1000
        if there_is_an_older:
            shutil.rmtree(older.parent)
    kept = whole.output / folder.relative_to(output)
    for path in kept.glob("*.jsonl"):
        assert (folder / path.name).read_bytes() == path.read_bytes()


def test_the_day_of_its_begin_stays_the_run_s(runs: Runs, whole: Undisturbed) -> None:
    """A run that goes on on another day is dated as it was; one that was begun without a date stays without."""
    for day in ("2020-02-29", None):
        output = runs.copy(whole.output)
        path = only_run(output) / "run.json"
        config = json.loads(path.read_text())
        assert len(config["run"].pop("beganOn")) == len("2020-02-29")
        config["run"] |= {} if day is None else {"beganOn": day}
        path.write_text(json.dumps(config))
        assert_equal(output, runs.resume(output), whole)
        assert json.loads(path.read_text())["run"].get("beganOn") == day


def test_a_member_that_changed_is_named_with_both_values(runs: Runs, whole: Undisturbed) -> None:
    """In a line; what isn't immutable may change."""
    output = runs.copy(whole.output)
    changed = job(algorithm={"type": "GRPO", "seed": 3, "grpo": GRPO | {"learningRate": "2e-3"}})
    assert runs.resume(output, changed).said == (
        "refused (InvalidManifest): spec.algorithm.grpo.learningRate: must be what the run was begun with (1e-3), for "
        "it goes on; run without --resume to begin another; got '2e-3'\n"
    )
    tagged = job(tags={"a": "b"}, trainer={"cpu": "2", "memory": "2Gi"})
    assert_equal(output, runs.resume(output, tagged), whole)


def test_a_run_that_another_process_trains_is_refused(runs: Runs, whole: Undisturbed) -> None:
    """By that one's number; once it has ended, however it did, the lock is nobody's."""
    output = runs.copy(whole.output)
    folder = only_run(output)
    with (folder / ".lock").open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        ended = runs.resume(output)
    assert ended.code == ExitCode.REFUSED
    number = int((folder / ".lock").read_text())
    assert ended.said == (
        f"refused (Fenced): --resume: must be a run that no other process trains; process {number} does, so wait for "
        f"its end, or stop it; got '{folder}'\n"
    )
    assert_equal(output, runs.resume(output), whole)


def places(calls: dict[str, int], most: int) -> list[Death]:
    """Before or after calls of what a run writes with, drawn; at most so many of a kind."""
    drawn = random.Random(7)
    deaths = [Death("begin", 1), Death("begin", 1, after=True)]
    for edge, count in (("append", 10), ("commit", 4), ("put", 4), ("flush", 8), ("rename", 4), ("rewrite", 4)):
        chosen = drawn.sample(range(1, calls[edge] + 1), min(count, most))
        deaths += [Death(edge, nth, after=bool(drawn.getrandbits(1))) for nth in chosen]
    return deaths


@pytest.mark.parametrize("most", [1, pytest.param(10, marks=pytest.mark.nightly)])
def test_a_run_that_is_killed_between_two_writes_goes_on_exactly(runs: Runs, whole: Undisturbed, most: int) -> None:
    """Wherever it was; every second one is killed again while it takes out what was half done."""
    for number, death in enumerate(places(whole.ended.calls, most)):
        output = runs.folder() / "out"
        assert runs.run(output, death=death).code == -SIGKILL, death
        if number % 2 and death.edge != "begin":
            again = runs.resume(output, death=Death("rewrite", 1 + number % 5, after=True))
            assert again.code == -SIGKILL, f"{death}: {again.said}"
        assert_equal(output, runs.resume(output), whole)
