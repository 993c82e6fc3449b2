"""The fuzzers' command."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st

from hack.fuzz.__main__ import KINDS, main
from hack.fuzz.kind import Kind, promise


def small(number: int) -> None:
    """Breaks a promise for every large number."""
    promise(number < 1000, "numbers are small")


BROKEN = Kind("broken", 200, st.integers(0, 10**6), small)


SOUND = Kind("sound", 50, st.integers(0, 999), small)


def test_the_command_knows_its_kinds(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Names are unique, an unknown one is a usage error; it ends with 1 where it has found something, and says what."""
    assert len({kind.name for kind in KINDS}) == len(KINDS)
    with pytest.raises(SystemExit):
        main(["chess"])
    monkeypatch.setattr("hack.fuzz.__main__.KINDS", (SOUND, BROKEN))
    assert main(["--seconds", "0", "--seed", "3", "sound"]) == 0
    assert "sound: seed 3" in capsys.readouterr().out
    assert main(["--seconds", "0.2", "--seed", "3", "--quiet"]) == 1
    assert "FOUND broken:" in capsys.readouterr().out
