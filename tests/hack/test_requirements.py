"""Exact versions are compiled with hashes and without an index; the images get those that the tests run with."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from hack import requirements


def test_images_are_held_to_what_tests_run_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """The development environment is compiled first, and every other list is constrained to it."""
    called: list[list[str]] = []
    monkeypatch.setattr(subprocess, "run", lambda command, **_: called.append(command))
    requirements.main()
    written = [command[command.index("--output-file") + 1] for command in called]
    assert written == list(requirements.SELECTIONS)
    assert written[0] == requirements.DEV
    assert all({"--generate-hashes", "--no-emit-index-url"} <= set(command) for command in called)
    assert "--constraint" not in called[0]
    assert all(command[command.index("--constraint") + 1] == requirements.DEV for command in called[1:])


def test_every_list_is_there_and_says_how_it_is_made() -> None:
    """A person who opens one finds the command in its head."""
    for name in requirements.SELECTIONS:
        assert "make requirements" in (Path(requirements.ROOT) / name).read_text()[:300], name
