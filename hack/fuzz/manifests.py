"""Manifests as texts of YAML, through the command that runs one without a cluster."""

from __future__ import annotations

import contextlib
import functools
import io
import signal
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st

from hack.fuzz.kind import Kind, one_line, promise, refused
from hack.fuzz.texts import edited, texts
from trainyard_api.termination import ExitCode
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.local.local import main
from trainyard_trainer.local.local_config import local_run_config, run_folder
from trainyard_trainer.local.manifest import read_manifest

EXAMPLES = Path(__file__).parents[2] / "crds" / "examples"
YAML_PIECES = (
    *(
        "1e-3",
        "0.5",
        "-1",
        "0",
        "1e999",
        ".inf",
        ".nan",
        "null",
        "~",
        "true",
        "yes",
        "no",
        "on",
        "0x1f",
        "0o7",
        "1_000",
    ),
    *("2026-01-31", "2026-01-31T12:00:00Z", "12:30:45", '""', "''", "[]", "{}", "[1, 2]", "{a: b}", "!!str 1"),
    *("!!binary aGk=", "!!set {a}", "!!python/object:os.system x", "!x y", "&a [*a]", "*a", "<<: *a", "? [a]: b"),
    *("- ", "  ", "\n", "\n  ", ": ", "#", "---\n", "...\n", "%YAML 1.1\n", "|\n", ">-\n", '"\\ud83d"', '"\\0"', "\t"),
    *("A/b c", "../../../escaped", "a" * 300, "[" * 3000, "{" * 1000, "512m", "1Gi", "500m", "metadata:\n  name: x\n"),
)


def _documents() -> dict[str, str]:
    return {path.stem: path.read_text() for path in sorted(EXAMPLES.glob("*.yaml"))}


class _Quoting(yaml.Dumper):
    """Writes texts as texts: PyYAML would leave 1e-3 bare, which other readers take for a number."""


_Quoting.add_representer(str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"'))


@functools.cache
def _bodies() -> list[dict[str, Any]]:
    return [body for text in _documents().values() for body in yaml.safe_load_all(text) if body]


def _values() -> st.SearchStrategy[Any]:
    return st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-10, 10**20)
        | st.floats()
        | texts()
        | st.dates()
        | st.binary(max_size=4),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts(2), inner, max_size=3),
        max_leaves=4,
    )


@st.composite
def _changed(draw: st.DrawFn) -> str:
    """Draws an example in which values deep inside are others, as YAML writes them."""
    body = yaml.safe_load(yaml.safe_dump(draw(st.sampled_from(_bodies()))))
    for _ in range(draw(st.integers(1, 3))):
        place: Any = body
        while isinstance(place, dict | list) and place:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            key = draw(st.sampled_from(keys))
            if not isinstance(place[key], dict | list) or not place[key] or draw(st.integers(0, 9)) == 0:
                _change(draw, place, key)
                break
            place = place[key]
    return str(yaml.dump(body, Dumper=_Quoting, allow_unicode=draw(st.booleans())))


def _alike(value: Any) -> st.SearchStrategy[Any]:
    """Draws what may stand in a value's place without being of another type."""
    if isinstance(value, bool):
        return st.booleans()
    if isinstance(value, int):
        return st.sampled_from((0, 1, 2, 7, 100, 1023, 1024, 4096, 10**6, 2**31, 2**53, 2**53 + 1, -1))
    if isinstance(value, str) and value[:1].isdigit():
        return st.sampled_from(
            ("0", "1", "0.5", "1.0", "1e-3", "1e-60", "999999999", "1Gi", "512m", "0.0", "-1", "1e3")
        )
    if isinstance(value, str):
        return st.text("abcxyz-./:", max_size=20) | st.text("abc-", min_size=1, max_size=70) | texts(2)
    return _values()


def _change(draw: st.DrawFn, place: Any, key: Any) -> None:
    what = draw(st.sampled_from(("value", "value", "alike", "alike", "out", "more")))
    if what == "value":
        place[key] = draw(_values())
    elif what == "alike":
        place[key] = draw(_alike(place[key]))
    elif what == "out":
        del place[key]
    elif isinstance(place, dict):
        place[draw(texts(2) | st.integers() | st.none() | st.dates())] = draw(_values())
    else:
        place.append(draw(_values()))


@st.composite
def _manifests(draw: st.DrawFn) -> bytes:
    pieces = st.sampled_from(YAML_PIECES) | texts(2)
    text = draw(st.one_of(_changed(), edited(list(_documents().values()), pieces), st.lists(pieces).map("".join)))
    encoding = draw(st.sampled_from(("utf-8",) * 12 + ("utf-8-sig", "utf-16", "latin-1")))
    return text.encode(encoding, "surrogatepass" if encoding != "latin-1" else "replace")


def check(content: bytes) -> None:
    """Reads it: a good one becomes a run config with a folder below the output, a bad one ends the command with 20."""
    with tempfile.TemporaryDirectory() as name:
        manifest, output = Path(name, "manifest.yaml"), Path(name, "out")
        manifest.write_bytes(content)
        try:
            job = read_manifest(manifest)
        except RefusedError as error:
            refused(error, lines=True)
            _command(manifest, output)
            return
        try:
            config = local_run_config(job, manifest, output, uid=str(uuid.UUID(int=7)))
        except RefusedError as error:
            refused(error, lines=True)  # it may show the command that makes what is missing
            return
        folder = run_folder(config, output).resolve()
        promise(output.resolve() in folder.parents, f"a run stays below its output; got {folder}")


def _command(manifest: Path, output: Path) -> None:
    """Checks that what is refused ends the command with 20 and a message, and that nothing is written."""
    shown, said = io.StringIO(), io.StringIO()
    with own_signals(), contextlib.redirect_stdout(shown), contextlib.redirect_stderr(said):
        code = main(["run", str(manifest), "--output", str(output), "--dry-run"])
    promise(code == ExitCode.REFUSED, f"what is refused ends with 20; got {code}")
    promise(shown.getvalue() == "", f"what is refused says so on stderr alone; got {shown.getvalue()!r}")
    promise("Traceback" not in said.getvalue(), f"no traceback; got {said.getvalue()!r}")
    promise(said.getvalue().startswith("refused ("), f"a refusal says that it is one; got {said.getvalue()!r}")
    for line in said.getvalue().rstrip("\n").split("\n"):
        one_line(line)
    promise(not output.exists(), "what is refused writes nothing")


@contextlib.contextmanager
def own_signals() -> Iterator[None]:
    """Gives back the signals that the command takes, or Ctrl-C wouldn't end the fuzzing."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


KIND = Kind("manifests", 300, _manifests(), check)
