"""Which run without a cluster goes on, and under which config."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.trainyard_trainer.run_configs import run_config
from trainyard_trainer.local.local_resume import keep_config, newest_run


def test_a_process_that_died_while_it_wrote_its_config_has_begun_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a config would make every later try to go on fail; the run before it still counts."""
    config = run_config({"type": "SFT", "sft": {"steps": 1}})
    keep_config(config, tmp_path / "run-1")
    whole = Path.write_text

    def half(path: Path, text: str, **options: Any) -> int:
        whole(path, text[: len(text) // 2], **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_text", half)
    with pytest.raises(KeyboardInterrupt):
        keep_config(config, tmp_path / "run-2")
    assert newest_run(tmp_path) == config
