"""The README holds what the last demo said, and nothing else of it is touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from hack.demo import readme
from hack.demo.phases import Story

TEXT = f"before\n{readme.BEGIN}\nold\n{readme.END}\nafter\n"


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A README with a transcript, on a machine where no demo has run."""
    path = tmp_path / "README.md"
    path.write_text(TEXT)
    monkeypatch.setenv("TRAINYARD_CACHE", str(tmp_path))
    monkeypatch.setattr(readme, "README", path)
    return path


def test_only_what_stands_between_the_markers_is_replaced(page: Path) -> None:
    """By the transcript with the machine it ran on; a backslash in it stays one."""
    readme.kept().parent.mkdir()
    readme.keep_transcript(Story(transcript=[r"\1 step", "done"]))
    readme.write_readme()
    text = page.read_text()
    assert text.startswith(f"before\n{readme.BEGIN}\n```\n\\1 step\ndone\n```\n\nOn ")
    assert "torch" in text
    assert text.endswith(f"\n{readme.END}\nafter\n")
    readme.write_readme()
    assert page.read_text() == text


def test_without_a_demo_the_page_stays(page: Path) -> None:
    """And it is said what to do first."""
    with pytest.raises(SystemExit, match="run `make demo`"):
        readme.write_readme()
    assert page.read_text() == TEXT


def test_the_real_page_has_both_markers_once() -> None:
    """Or nothing would be replaced, silently."""
    text = (Path(__file__).parents[3] / "README.md").read_text()
    assert (text.count(readme.BEGIN), text.count(readme.END)) == (1, 1)
