"""Claims about the command line."""

from __future__ import annotations

import pytest

from trainyard_operator import __main__ as entry


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TRAINYARD_TRAINER_IMAGE", "TRAINYARD_OPERATOR_NAMESPACE"):
        monkeypatch.delenv(name, raising=False)


def test_an_unknown_word_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """With the usage, and exit code 2."""
    assert entry.main(["everything"]) == 2
    assert "usage: python -m trainyard_operator [release]" in capsys.readouterr().err


def test_missing_settings_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    """In one line, not a traceback."""
    assert entry.main([]) == 2
    assert capsys.readouterr().err == "TRAINYARD_TRAINER_IMAGE: must be set; got nothing\n"


def test_bad_prices_are_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: pytest.TempPathFactory
) -> None:
    """A file that isn't there, and one that is wrong."""
    monkeypatch.setenv("TRAINYARD_TRAINER_IMAGE", "trainer:1")
    file = tmp_path / "prices.yaml"
    monkeypatch.setenv("TRAINYARD_PRICES_FILE", str(file))
    assert entry.main([]) == 2
    assert "prices.yaml" in capsys.readouterr().err
    file.write_text("gpus: {}")
    assert entry.main([]) == 2
    assert capsys.readouterr().err.startswith("prices.")
