"""The end of a pod's log lies beside its checkpoints, without secrets, and nothing waits for it long."""

from __future__ import annotations

import logging
import sys
import threading
from pathlib import Path
from typing import BinaryIO

import pytest
from tqdm import tqdm

from tests.waiting import GUARD_SECONDS, until
from trainyard_trainer.pod import kept_log
from trainyard_trainer.pod.kept_log import MAX_BYTES, KeptLog
from trainyard_trainer.storage.storage_folder import FolderStorage

KEY = "n/j/u/logs/attempt-1.log"


def test_what_is_printed_is_shown_and_kept_without_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    """A library's print and a user's; also a secret that came in two parts."""
    log = KeptLog(["s3cr3t"])
    before = sys.stdout, sys.stderr
    with log.listening():
        print("from a task")
        sys.stderr.writelines(["s3c", "r3t\n"])
        assert sys.stdout.encoding == before[0].encoding
    assert (sys.stdout, sys.stderr) == before
    print("afterwards")
    assert log.content() == b"from a task\n[hidden]\n"
    assert capsys.readouterr() == ("from a task\nafterwards\n", "s3cr3t\n")


def test_the_newest_mebibyte_is_kept_from_the_beginning_of_a_line_on() -> None:
    """However much is printed, memory is bounded; no half of a secret is at the cut."""
    secret = "x" * 5000
    log = KeptLog([secret])
    for number in range(5 * MAX_BYTES // 5000):
        log.keep(f"{number:06d} {secret}\n")
        log.keep(f"{number:06d} {'.' * 4990}\n")
    content = log.content()
    assert MAX_BYTES // 2 < len(content) <= MAX_BYTES
    assert content.endswith(b".\n")
    assert b"xx" not in content
    assert content[:6].isdigit()


def test_of_one_endless_line_the_newest_is_kept() -> None:
    """Within bounds, also of memory, and with no half of a secret or of a character."""
    secret, rockets = "x" * 5000, "\N{ROCKET}" * 3750
    log = KeptLog([secret])
    for number in range(5 * MAX_BYTES // 20_000):
        log.keep(f"{secret}{rockets}{number:06d}")
        assert log.held_bytes() < 5 * MAX_BYTES
    content = log.content().decode()
    assert MAX_BYTES // 2 < len(content.encode()) <= MAX_BYTES
    assert content.endswith(f"{number:06d}")
    assert "xx" not in content
    log.keep("\nafterwards")
    assert log.content().decode().endswith(f"{number:06d}\nafterwards")


def test_of_a_progress_bar_the_last_state_is_kept() -> None:
    """However often it was drawn, it takes no room of the lines before it, nor of those of the other stream."""
    log = KeptLog([])
    with log.listening():
        print("before")
        print("unfinished", end="")
        for _ in tqdm(range(20_000), desc="download", mininterval=0, miniters=1, file=sys.stderr):
            pass
        print(", and finished")
        print("after")
    before, bar, *after = log.content().decode().splitlines()
    assert (before, after) == ("before", ["unfinished, and finished", "after"])
    assert bar.startswith("download: 100%")
    assert "20000/20000" in bar


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        (["50%\r", "60%\r"], "60%"),
        (["50%\r", "\r\n", "next"], "50%\nnext"),
        (["a\r\nb\r\n"], "a\nb\n"),
        (["a longer one\rshort\n"], "short\n"),
        (["a\n\rb"], "a\nb"),
        (["a", "\r", "", "b", "c"], "bc"),
    ],
)
def test_a_return_begins_the_line_anew(written: list[str], kept: str) -> None:
    """Once there is something to take its place."""
    log = KeptLog([])
    for text in written:
        log.keep(text)
    assert log.content().decode() == kept


def test_it_is_written_soon_and_at_the_end(tmp_path: Path) -> None:
    """At once, when it is asked for, and for the last time; not again where nothing is new."""
    storage, log = FolderStorage(tmp_path), KeptLog([])
    log.keep("one\n")
    log.place(storage, KEY)
    until((tmp_path / KEY).exists, "it is written at the beginning")
    log.keep("two\n")
    log.write_soon()
    until(lambda: (tmp_path / KEY).read_text() == "one\ntwo\n", "it is written after a commit")
    written = (tmp_path / KEY).stat().st_mtime_ns
    log.write_soon()
    log.close(GUARD_SECONDS)
    assert (tmp_path / KEY).stat().st_mtime_ns == written
    log = KeptLog([])
    log.place(storage, KEY)
    log.keep("last words\n")
    log.close(GUARD_SECONDS)
    assert (tmp_path / KEY).read_text() == "last words\n"


def test_it_is_written_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pod that is killed before its first checkpoint leaves it, too."""
    monkeypatch.setattr(kept_log, "EVERY_SECONDS", 0.05)
    storage, log = FolderStorage(tmp_path), KeptLog([])
    log.place(storage, KEY)
    until((tmp_path / KEY).exists, "it is written at the beginning")
    log.keep("later\n")
    until(lambda: (tmp_path / KEY).read_text() == "later\n", "it is written again")
    log.close(GUARD_SECONDS)


class Hangs(FolderStorage):
    """A storage that never answers."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.asked, self.go_on = threading.Event(), threading.Event()

    def put(self, key: str, content: bytes | BinaryIO) -> None:  # noqa: ARG002 (the protocol's)
        """Wait."""
        self.asked.set()
        assert self.go_on.wait(GUARD_SECONDS)


def test_nobody_waits_for_a_storage_that_hangs(tmp_path: Path) -> None:
    """Neither training nor the end."""
    storage, log = Hangs(tmp_path), KeptLog([])
    log.place(storage, KEY)
    assert storage.asked.wait(GUARD_SECONDS)
    log.keep("still kept\n")
    log.write_soon()
    log.close(0.05)
    assert log.content() == b"still kept\n"
    storage.go_on.set()


def test_a_storage_that_fails_costs_one_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file stands where the folder must be."""
    (tmp_path / "n").write_text("")
    log = KeptLog([])
    with caplog.at_level(logging.WARNING):
        log.place(FolderStorage(tmp_path), KEY)
        until(lambda: caplog.text, "the failure is said")
        log.write_soon()
        log.close(GUARD_SECONDS)
    assert caplog.text.count("log: not written to") == 1


def test_a_log_without_a_place_is_none() -> None:
    """A pod that is refused before its storage is known."""
    KeptLog([]).close(GUARD_SECONDS)
