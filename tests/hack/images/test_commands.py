"""Long commands write logs, and an error shows their end."""

from __future__ import annotations

from pathlib import Path

import pytest

from hack.images import commands
from hack.images.errors import ImageError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Logs of this test's own."""
    monkeypatch.setenv("TRAINYARD_CACHE", str(tmp_path))
    return tmp_path / "trainyard"


def test_output_goes_to_a_log_of_the_steps_name(cache: Path) -> None:
    """With the environment that is given, added to the machine's own."""
    seconds = commands.logged("trainer: build", ["sh", "-c", "echo $MORE; echo $HOME"], {"MORE": "given"})
    lines = (cache / "images" / "logs" / "trainer-build.log").read_text().splitlines()
    assert lines[0] == "given"
    assert lines[1]
    assert seconds > 0.0


def test_a_failure_shows_the_logs_end() -> None:
    """The last lines, where the cause stands, and the place of the rest."""
    with pytest.raises(
        ImageError, match=r"trainer: build: sh ended with 3; the end of .*trainer-build\.log:"
    ) as caught:
        commands.logged("trainer: build", ["sh", "-c", "seq 40; exit 3"])
    assert str(caught.value).splitlines()[1:] == [str(number) for number in range(26, 41)]


def test_a_person_sees_that_it_goes_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The last line that the command wrote, or dots before the first."""
    monkeypatch.setattr(commands, "_SAY_EVERY", 0.0)
    commands.logged("trainer: push", ["sh", "-c", "sleep 0.2; echo layer; sleep 0.3"])
    shown = capsys.readouterr().out
    assert "trainer: push: ..." in shown
    assert "trainer: push: layer" in shown


def test_short_commands_answer_or_fail_with_what_they_said() -> None:
    """On one line, under the program's name alone: arguments may be long."""
    assert commands.answer(["echo", " hi "]) == "hi"
    with pytest.raises(ImageError, match=r"^sh: ended with 2: no$"):
        commands.answer(["sh", "-c", "echo no >&2; exit 2"])
    assert commands.succeeds(["true"])
    assert not commands.succeeds(["false"])
