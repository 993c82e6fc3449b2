"""Claims about reading a manifest: whatever a file holds, it is a TrainingJob or a line that says why not."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.contract.cel_breaks import changed
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.local.manifest import MAX_BYTES, MAX_FAULTS, read_manifest

EXAMPLES = Path(__file__).parents[3] / "crds" / "examples"
MINIMAL = (EXAMPLES / "minimal.yaml").read_text()


def refusal(path: Path) -> str:
    """What is said about a file."""
    with pytest.raises(RefusedError) as caught:
        read_manifest(path)
    assert caught.value.reason == "InvalidManifest"
    return str(caught.value)


def said(text: str | bytes, folder: Path) -> str:
    """What is said about a file with this content."""
    path = folder / "job.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return refusal(path)


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_example_can_be_read(example: Path) -> None:
    """The same files that `kubectl apply` takes."""
    assert read_manifest(example).metadata.name == example.stem


@pytest.mark.parametrize(
    ("tail", "line"),
    [
        ("  tags: {2001-01-01: x}\n", 'spec.tags.2001-01-01: must match ^[A-Za-z_][A-Za-z0-9_.-]*$; got "2001-01-01"'),
        ("  tags: &t {a: *t}\n", "line 13, column 16: an alias stands in the value that it refers to"),
        ("  tags: {a: " + "[" * 3000 + "]" * 3000 + "}\n", "lists and maps must lie at most 100 deep in each other"),
        ("  tags: {a: [[x]]}\n", 'spec.tags.a: must be a string (quote it); got [["x"]]'),
        ('  tags: {a: "\\ud83d"}\n', "line 13, column 16: found invalid Unicode character escape code"),
        ('  tags: {a: "\\0"}\n', 'spec.tags.a: must match ^[^\\x00-\\x1f\\x7f]*$; got "\\u0000"'),
        ("  tags: {a: \0}\n", "line 13, column 13: unacceptable character #x0000: control characters are not allowed"),
        ("  tags: {[a]: x}\n", "a key must be a text, a number, true or false"),
        ("  tags: {a b: x}\n", "spec.tags.a b: must match"),
        ('  tags: {"a\\nb": x}\n', "spec.tags.a\\nb: must match"),
        ("  tags:\n    ? " + "k" * 5000 + "\n    : x\n", "k…: must have at most 63 characters"),
        ("  tags: {? [" + "k" * 5000 + "] : x}\n", "a key must be a text"),
        ("  budgett: 1\n", "spec.budgett: is not a field of this API; got 1"),
        ("---\nkind: TrainingJob\n", "must hold one TrainingJob, not 2 documents"),
        ("items: []\n", "must hold one TrainingJob, not a list of objects"),
    ],
)
def test_a_fault_is_one_line(tail: str, line: str, tmp_path: Path) -> None:
    """With the field where there is one, the rule and the value, and never a traceback."""
    answer = said(MINIMAL + tail, tmp_path)
    assert line in answer
    assert "\n" not in answer
    assert "; got " in answer


@pytest.mark.parametrize(
    ("place", "value", "line"),
    [
        ("metadata.name", "A/b c", "metadata.name: must match ^[a-z0-9]([-a-z0-9]*[a-z0-9])?"),
        (
            "metadata.namespace",
            "../../../escaped",
            "metadata.namespace: must match ^[a-z0-9]([-a-z0-9]*[a-z0-9])?$; got ",
        ),
        ("metadata.name", "a" * 41, "metadata.name: must have at most 40 characters and no dots"),
        ("metadata.clusterName", "x", 'metadata.clusterName: is not a field of this API; got "x"'),
        ("status", {"cost": {"foo": 1}}, "status.cost.foo: is not a field of this API; got 1"),
        ("kind", None, "kind: is required; got nothing"),
        ("apiVersion", "v1", "apiVersion: must be 'trainyard.dev/v1alpha1'; got \"v1\""),
        ("spec.algorithm.sft.batch_size", 5, "spec.algorithm.sft.batch_size: is not a field of this API; got 5"),
        ("spec.algorithm.sft.learningRate", 0.001, "learningRate: must be a string (quote it); got 0.001"),
    ],
)
def test_what_kubectl_refuses_is_refused(place: str, value: object, line: str, tmp_path: Path) -> None:
    """Names that leave their folder, fields in Python's spelling, bare numbers, missing words."""
    answer = said(yaml.safe_dump(changed(yaml.safe_load(MINIMAL), {place: value})), tmp_path)
    assert answer.startswith(line) or line in answer
    assert "\n" not in answer


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "must hold one TrainingJob, not 0 documents"),
        (b"- 1\n", "must hold a map, not [1]"),
        (b"5\n", "must hold a map, not 5"),
        (b"a: [", "must be YAML or JSON; line 2, column 1: "),
        (b"\xff\xfe\xff", "must hold a map, not "),
        (b"#" * (MAX_BYTES + 1), f"must have at most {MAX_BYTES} bytes"),
    ],
)
def test_what_is_no_manifest_is_refused(text: bytes, words: str, tmp_path: Path) -> None:
    """On one line, with the file's name."""
    answer = said(text, tmp_path)
    assert answer.startswith(f"MANIFEST: {words}")
    assert answer.endswith(f"; got '{tmp_path / 'job.yaml'}'")
    assert "\n" not in answer


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """Nobody is told that a missing file must be YAML."""
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "file").touch()
    assert "must be a file that can be read: No such file or directory" in refusal(tmp_path / "absent.yaml")
    assert "must be a file that can be read: Is a directory" in refusal(tmp_path)
    assert "must be a file that can be read: Not a directory" in refusal(tmp_path / "file" / "job.yaml")
    assert "must be a file that can be read: Too many levels of symbolic links" in refusal(tmp_path / "loop")
    assert "must be a file that can be read: embedded null byte" in refusal(tmp_path / "a\0b")


def test_the_copy_that_kubectl_adds_counts(tmp_path: Path) -> None:
    """A manifest so long that `kubectl apply` couldn't keep a copy of it in an annotation is refused here too."""
    options = {f"k{number}": "x" * 16_384 for number in range(8)}
    body = changed(yaml.safe_load(MINIMAL), {"spec.task.options": options})
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(body))
    assert read_manifest(tmp_path / "job.yaml").spec.task.options == options
    long = changed(body, {"spec.task.options": dict.fromkeys(options, "\n" * 16384)})
    assert "metadata.annotations: must have at most 262144 bytes" in said(yaml.safe_dump(long), tmp_path)


def test_a_flood_of_faults_is_cut(tmp_path: Path) -> None:
    """Nobody reads a thousand lines."""
    lines = said(MINIMAL + "".join(f"  x{number}: 1\n" for number in range(1000)), tmp_path).split("\n")
    assert lines[-1] == f"and {1000 - MAX_FAULTS} more"
    assert len(lines) == MAX_FAULTS + 1
