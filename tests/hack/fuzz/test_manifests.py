"""The fuzzing of manifests finds what the command may not do."""

from __future__ import annotations

import signal
import sys

import pytest

from hack.fuzz import manifests
from hack.fuzz.kind import BrokenPromiseError
from hack.fuzz.manifests import EXAMPLES, check, own_signals

GOOD = (EXAMPLES / "calculator-grpo.yaml").read_bytes()


@pytest.mark.parametrize("content", [GOOD, b"", b"\xff", b"a: [", GOOD.replace(b"steps: ", b"steps: x")])
def test_whatever_a_manifest_holds_the_product_keeps_its_promises(content: bytes) -> None:
    """A good one, none, no text, no YAML, and a wrong value."""
    check(content)


@pytest.mark.parametrize(
    ("code", "said", "promise"),
    [
        (0, "refused (x): y", "ends with 20; got 0"),
        (20, "", "says that it is one"),
        (20, "Traceback: refused (", "no traceback"),
    ],
)
def test_a_planted_fault_is_found(code: int, said: str, promise: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong exit code, silence, and a traceback."""

    def planted(_: list[str]) -> int:
        print(said, file=sys.stderr)
        return code

    monkeypatch.setattr(manifests, "main", planted)
    with pytest.raises(BrokenPromiseError, match=promise):
        check(b"a: [")


def test_signals_are_given_back() -> None:
    """Or Ctrl-C wouldn't end the fuzzing."""
    before = signal.getsignal(signal.SIGTERM)
    with own_signals():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    assert signal.getsignal(signal.SIGTERM) == before
