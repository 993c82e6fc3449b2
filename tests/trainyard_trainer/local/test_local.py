"""`run MANIFEST --output DIR`: what is wrong with a manifest is said in one go, before any work."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from trainyard_trainer.local.local import main

EXAMPLES = Path(__file__).parents[3] / "crds" / "examples"


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """`main` takes signals; give them back."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


def refused(text: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What is said about a manifest with this text."""
    (folder / "job.yaml").write_text(text)
    assert main(["run", str(folder / "job.yaml"), "--output", str(folder / "out")]) == 20
    assert not (folder / "out").exists()
    return capsys.readouterr().err


def test_every_fault_has_its_line_with_field_rule_and_value(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Unknown fields, broken patterns and broken rules together, as an API server would refuse them."""
    body = yaml.safe_load((EXAMPLES / "calculator-grpo.yaml").read_text())
    body["spec"]["algorithm"]["grpo"]["stepz"] = 5
    body["spec"]["algorithm"]["grpo"]["learningRate"] = "fast"
    body["spec"]["algorithm"]["grpo"]["groupSize"] = 1
    said = refused(yaml.safe_dump(body), tmp_path, capsys)
    assert "InvalidManifest" in said
    assert "spec.algorithm.grpo.stepz: is not a field of this API; got 5" in said
    assert "spec.algorithm.grpo.learningRate: must match" in said
    assert '; got "fast"' in said
    assert "spec.algorithm.grpo.groupSize: must be at least 2; got 1" in said


def test_settings_of_another_algorithm_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A rule across fields, which the API server has as CEL."""
    body = yaml.safe_load((EXAMPLES / "calculator-sft.yaml").read_text())
    body["spec"]["algorithm"]["type"] = "GRPO"
    assert "spec.algorithm" in refused(yaml.safe_dump(body), tmp_path, capsys)


@pytest.mark.parametrize(
    ("text", "said"), [("a: [", "must be YAML or JSON"), ("", "not 0 documents"), ("- 1", "must hold a map")]
)
def test_what_is_no_manifest_is_refused(
    text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the file's name."""
    answer = refused(text, tmp_path, capsys)
    assert said in answer
    assert "job.yaml" in answer


def test_a_missing_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not with a traceback, and not as one that isn't YAML."""
    assert main(["run", str(tmp_path / "absent.yaml"), "--output", str(tmp_path)]) == 20
    said = capsys.readouterr().err
    assert "absent.yaml" in said
    assert "No such file" in said
    assert "YAML" not in said


def test_a_namespace_cannot_leave_the_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A manifest from elsewhere writes below `--output` or nowhere."""
    body = yaml.safe_load((EXAMPLES / "minimal.yaml").read_text())
    body["metadata"]["namespace"] = "../../../escaped"
    assert "metadata.namespace: must match" in refused(yaml.safe_dump(body), tmp_path, capsys)
    assert list(tmp_path.rglob("*escaped*")) == []
