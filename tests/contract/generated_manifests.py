"""Manifests that nobody wrote: legal ones with something changed, always the same ones."""

from __future__ import annotations

import json
from typing import Any

import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.contract import bases
from tests.contract.cel_breaks import changed
from tests.contract.manifest_texts import MANIFEST, dumped
from tests.contract.rules import Path, replaced

# What has been read in more ways than one.
_WORDS = (
    *(
        "",
        "x",
        "1e-3",
        "0.5",
        "-1",
        "1.0",
        "null",
        "on",
        "0o10",
        "1:30",
        "2001-01-01",
        "\0",
        "\n",
        " ",
        "\u2028",
        "\U0001f600",
    ),
    *("a" * 64, "\u00e9" * 64, "a b", "a/b", "/a", "..", "64Mi", "Exists", "GRPO", "SFT", "Evaluation", "Latest"),
)
_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-2, 5000)
    | st.sampled_from([2**31, 2**53 + 1, 2**63, -(2**63) - 1, 0.5, 8.0, -0.0, 1e21])
    | st.sampled_from(_WORDS)
    | st.text(st.characters(codec="utf-8"), max_size=8)
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_WORDS), inner, max_size=3),
    max_leaves=5,
)
_BITS = st.sampled_from(
    [
        *" \t\n-:?[]{}#&*!|>'\"%@`,.0a~\\",
        "\r\n",
        "\n  ",
        "---\n",
        "...",
        "\u00e9",
        "\x85",
        "&x ",
        "*x",
        "<<: ",
        "!!int ",
    ]
)


def _places(value: Any, path: Path = ()) -> list[Path]:
    """Every member of every map, every item of every list."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for name, member in members for place in ((*path, name), *_places(member, (*path, name)))]


@st.composite
def _changed_bodies(draw: st.DrawFn) -> str:
    body = draw(st.sampled_from([*bases.training_jobs(), bases.example("minimal"), bases.example("calculator-grpo")]))
    body = changed(body, {"metadata.name": "full"})
    for _ in range(draw(st.integers(1, 2))):
        places = [place for place in _places(body) if place[0] == "spec"]
        body = replaced(body, draw(st.sampled_from(places)), draw(_VALUES))
    return dumped(body, draw(st.sampled_from([json.dumps, yaml.safe_dump])))


@st.composite
def _changed_texts(draw: st.DrawFn) -> str:
    text = draw(st.sampled_from([MANIFEST, dumped(bases.example("minimal"))]))
    head = text.index("spec")
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(head, len(text)))
        text = text[:at] + draw(_BITS) + text[at + draw(st.integers(0, 2)) :]
    return text


def generated(count: int) -> list[str]:
    """That many manifests of each kind, the same at each call."""
    found: list[str] = []
    for strategy in (_changed_bodies(), _changed_texts()):

        @settings(
            derandomize=True,
            max_examples=count,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(strategy)
        def collect(text: str) -> None:
            found.append(text)

        collect()
    return found
