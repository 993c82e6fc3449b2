"""What stands beside an adapter says which weights it belongs to."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainyard_api.model_source import ScratchModel
from trainyard_api.run_config import RunModel
from trainyard_trainer.models.adapter_base import ADAPTER_FOLDER, BASE_FILE, AdapterBase, read_adapter_base

DIGEST = "sha256:" + "7" * 64


def written(folder: Path, text: str) -> Path:
    """A checkpoint's folder with this file."""
    (folder / ADAPTER_FOLDER).mkdir()
    (folder / ADAPTER_FOLDER / BASE_FILE).write_text(text)
    return folder


def test_a_checkpoint_of_whole_weights_belongs_to_nothing(tmp_path: Path) -> None:
    """There is no file, and that is no error."""
    assert read_adapter_base(tmp_path) is None


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    """With the place where the weights were found, or without."""
    base = AdapterBase(digest=DIGEST, model=RunModel(scratch=ScratchModel()))
    assert read_adapter_base(written(tmp_path, base.model_dump_json(by_alias=True))) == base
    (tmp_path / ADAPTER_FOLDER / BASE_FILE).write_text(f'{{"digest": "{DIGEST}"}}')
    assert read_adapter_base(tmp_path) == AdapterBase(digest=DIGEST)


@pytest.mark.parametrize("text", ["", "{}", '{"digest": "7"}', f'{{"digest": "{DIGEST}", "more": 1}}'])
def test_a_file_that_we_did_not_write_is_named(text: str, tmp_path: Path) -> None:
    """Empty, without a digest, with one that is none, with a member that nobody knows."""
    with pytest.raises(ValueError, match=r"^adapter/base\.json: "):
        read_adapter_base(written(tmp_path, text))
