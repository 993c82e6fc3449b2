"""A ledger of files that was cut off, edited or lost is mended by doing its steps again, and says so.

Whatever is made again equals what an undisturbed run makes, row for row and byte for byte, but for what `VOLATILE`
names: from the newest checkpoint whose rows are all there, or from the run's first weights.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.claims.local_runs import (
    LEDGER,
    STEPS,
    Runs,
    Undisturbed,
    assert_equal,
    job,
    lines,
    only_run,
    undisturbed_run,
)

pytestmark = pytest.mark.learning

Damage = Callable[[Path], None]
SFT = {"type": "SFT", "seed": 3, "sft": {"steps": STEPS, "batchSize": 4, "learningRate": "1e-3"}}


def change(name: str, work: Callable[[list[bytes]], list[bytes]]) -> Damage:
    """Other lines in a file."""

    def damage(folder: Path) -> None:
        path = folder / f"{name}.jsonl"
        path.write_bytes(b"".join(work(lines(path))))

    return damage


def instead(name: str, line: bytes, **members: Any) -> Damage:
    """Something else in place of the last record that has these members."""
    return change(name, lambda old: _instead(old, line, members))


def _instead(old: list[bytes], line: bytes, members: dict[str, Any]) -> list[bytes]:
    index = [n for n, one in enumerate(old) if members.items() <= json.loads(one).items()][-1]
    return [*old[:index], line, *old[index + 1 :]]


def both(*all_of: Damage) -> Damage:
    """One after the other."""

    def damage(folder: Path) -> None:
        for one in all_of:
            one(folder)

    return damage


def without(name: str) -> Damage:
    """A file that is gone."""
    return lambda folder: (folder / f"{name}.jsonl").unlink()


def as_folder(name: str) -> Damage:
    """A folder in a file's place."""
    return both(without(name), lambda folder: (folder / f"{name}.jsonl").mkdir())


def after(name: str, text: bytes) -> Damage:
    """More at the end of a file."""
    return change(name, lambda old: [*old, text])


LAST, THIRD = {"kind": "step", "step": STEPS - 1}, {"kind": "step", "step": 2}
DAMAGE: dict[str, tuple[Damage, int | None]] = {
    "the last trajectory and all after it are lost": (
        both(
            change("trajectories", lambda old: old[:-1]),
            change("metrics", lambda old: old[:-3]),
            change("answers", lambda old: old[:-4]),
            change("evaluations", lambda old: old[:-2]),
        ),
        3,
    ),
    "one trajectory is lost": (change("trajectories", lambda old: old[:-1]), 3),
    "the last step's metrics are lost": (instead("metrics", b"", **LAST), 3),
    "half of the last trajectory is lost": (change("trajectories", lambda old: [*old[:-1], old[-1][:900]]), 3),
    "half a character at the end": (change("trajectories", lambda old: [*old[:-1], b'{"id": "caf\xc3']), 3),
    "only the last line's end is lost": (change("trajectories", lambda old: [*old[:-1], old[-1][:-1]]), STEPS),
    "half a line more": (after("trajectories", b'{"id": {"ru'), STEPS),
    "half a line of the next step": (after("metrics", b'{"kind": "step", "step": 4'), STEPS),
    "zeros at the end": (after("metrics", bytes(300)), STEPS),
    "garbage among the metrics": (change("metrics", lambda old: [old[0], b"\xff\x00 garbage\n", *old[1:]]), STEPS),
    "a line of an editor's": (change("metrics", lambda old: [b"\xef\xbb\xbf" + old[0], *old[1:]]), None),
    "garbage in place of a step's metrics": (instead("metrics", b"garbage\n", **THIRD), 2),
    "no object in place of a trajectory": (instead("trajectories", b"[1]\n", trained_step=1), 1),
    "an object without its keys": (instead("trajectories", b"{}\n", trained_step=2), 2),
    "keys of another form": (instead("metrics", b'{"kind": "step", "step": "2", "values": {}}\n', **THIRD), 2),
    "a step before the first": (after("metrics", b'{"kind": "step", "step": -1, "values": {}}\n'), STEPS),
    "brackets without an end": (instead("metrics", b"[" * 100_000 + b"\n", **THIRD), 2),
    "a trajectory there twice, another lost": (change("trajectories", lambda old: [*old[:-2], old[-1], old[-1]]), 3),
    "the first trajectory is lost": (change("trajectories", lambda old: old[1:]), None),
    "a validation's answer is lost": (instead("answers", b"", kind="validation", step=2), 1),
    "the last validation's conclusion is lost": (instead("evaluations", b"", kind="validation", step=4), 3),
    "the first evaluation's metrics are lost": (instead("metrics", b"", kind="evaluation", step=0), None),
    "an answer of the last evaluation is lost": (instead("answers", b"", kind="evaluation", step=4), STEPS),
    "garbage among the claims": (change("checkpoints", lambda old: [b"\xff\n", *old[1:]]), STEPS),
    "no checkpoints": (without("checkpoints"), STEPS),
    "checkpoints is a folder": (as_folder("checkpoints"), STEPS),
    **{f"no {name}": (without(name), None) for name in LEDGER},
    **{f"{name} is a folder": (as_folder(name), None) for name in LEDGER},
}
"""What happened to a ledger, and from which step its run goes on; None: from its first weights."""
DAILY = (
    "the last trajectory and all after it are lost",
    "half of the last trajectory is lost",
    "garbage in place of a step's metrics",
    "the first evaluation's metrics are lost",
    "no trajectories",
)
"""One of each kind; the others take minutes."""
CASES = [pytest.param(what, marks=() if what in DAILY else pytest.mark.nightly) for what in DAMAGE]


def content(folder: Path) -> dict[str, bytes]:
    """The ledger's files."""
    return {path.name: path.read_bytes() for path in folder.glob("*.jsonl") if path.is_file()}


@pytest.mark.parametrize("what", CASES)
def test_a_broken_ledger_is_mended_by_doing_its_steps_again(runs: Runs, whole: Undisturbed, what: str) -> None:
    """From the newest checkpoint whose rows are all there; the files as they were found stay beside the new ones."""
    damage, step = DAMAGE[what]
    output = runs.copy(whole.output)
    folder = only_run(output)
    before = content(folder)
    damage(folder)
    damaged = content(folder)
    assert damaged != before
    ended = runs.resume(output)
    assert_equal(output, ended, whole)
    if step is None:
        assert f"beginning again at step 0 instead of {STEPS}, file://{folder}/step-{STEPS}-" in ended.said
    else:
        assert f"going on from file://{folder}/step-{step}-" in ended.said
        assert (f"going on from step {step} instead of {STEPS}, " in ended.said) == (step != STEPS)
    for name, found in damaged.items() if step != STEPS else ():
        kept = folder / f"{name}.broken"
        assert found == kept.read_bytes() if kept.exists() else content(folder)[name].startswith(found), name
    assert_equal(output, again := runs.resume(output), whole)
    assert "instead of" not in again.said, "it is whole now"
    assert "taken out" not in again.said


def test_what_is_no_record_is_said_by_file_and_line(runs: Runs, whole: Undisturbed) -> None:
    """With what is wrong with it, and where it is kept."""
    output = runs.copy(whole.output)
    folder = only_run(output)
    change("answers", lambda old: [old[0], b"{x}\n", b"[]\n", b"\xff\n", *old[1:], b'{"kind'])(folder)
    ended = runs.resume(output)
    assert_equal(output, ended, whole)
    path = folder / "answers.jsonl"
    for line in (
        f"{path}, line 2: isn't JSON (Expecting property name enclosed in double quotes, column 2); it is taken out",
        f"{path}, line 3: isn't a JSON object; it is taken out",
        f"{path}, line 4: isn't UTF-8 (byte 1 of the line); it is taken out",
        f"{path}, line {len(lines(path)) + 4}: is cut off; it is taken out",
        "files of the ledger that lose lines are kept beside the new ones, as .broken",
    ):
        assert line in ended.said.splitlines()
    assert lines(path.with_name("answers.jsonl.broken"))[1:4] == [b"{x}\n", b"[]\n", b"\xff\n"]


def test_what_a_killed_process_leaves_is_not_kept(runs: Runs, whole: Undisturbed) -> None:
    """Half a line of a step that isn't finished is of no use, so a folder doesn't fill with such."""
    output = runs.copy(whole.output)
    after("metrics", b'{"kind": "st')(only_run(output))
    assert_equal(output, runs.resume(output), whole)
    assert list(only_run(output).glob("*.broken*")) == []


def test_a_second_broken_file_does_not_take_the_place_of_the_first(runs: Runs, whole: Undisturbed) -> None:
    """Each is kept under a name of its own."""
    output = runs.copy(whole.output)
    folder = only_run(output)
    for garbage in (b"first\n", b"second\n"):
        after("metrics", garbage)(folder)
        assert_equal(output, runs.resume(output), whole)
    kept = [lines(folder / f"metrics.jsonl.broken{number}")[-1] for number in ("", "-2")]
    assert kept == [b"first\n", b"second\n"]


def test_a_fine_tuning_s_ledger_is_mended_too(runs: Runs) -> None:
    """It has no trajectories: a step is whole with its metrics."""
    manifest = job(algorithm=SFT, evaluation=None)
    whole = undisturbed_run(runs, manifest)
    output = runs.copy(whole.output)
    change("metrics", lambda old: [*old[:2], old[2][:40]])(only_run(output))
    ended = runs.resume(output, manifest)
    assert f"going on from step 2 instead of {STEPS}, " in ended.said
    assert_equal(output, ended, whole)
