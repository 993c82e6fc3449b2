"""Manifests as people write them, right and wrong: sent to a real API server by kubectl, and read without a cluster.

`NAME` stands for the object's name, which is each text's own. What the contract's rules refuse is taken from
`rules.py` and `cel_breaks.py`; here stands what a file, a YAML text and an object's metadata can do to a reader.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import yaml

from hack.generate.crd import to_yaml
from tests.contract import bases, cel_breaks
from tests.contract.cel_breaks import changed
from tests.contract.manifest_places import PLACES
from tests.contract.rules import Rule, break_bound

MANIFEST = """\
apiVersion: trainyard.dev/v1alpha1
kind: TrainingJob
metadata:
  name: NAME
spec:
  model: {scratch: {}}
  algorithm: {type: SFT, sft: {steps: 100}}
  task: {name: calculator, rewards: [{name: exact}]}
  database: {secretRef: {name: trainyard-db}}
  budget: {maxCostUSD: "1.00"}
  checkpoints: {storage: {s3: {bucket: trainyard, secretRef: {name: trainyard-s3}}}}
"""
NAMESPACES = ("default", "team-a")
"""Those that the API server of the test has."""

# One a line: what may stand for a value without being what it looks like.
SCALARS = r"""
1e-3
1e3
1E+3
.5
5.
5.0
8.5
0o10
010
09
0x1F
0X1f
0b101
0b2
-0b101
+0x1
1:30
1:30:45
y
n
Y
No
on
Off
true
TRUE
tRUE
~
null
Null
nULL
1_000
1__0
_1
1_
0x_1
+
-
.
..
.inf
-.Inf
+.INF
.nan
.NaN
2001-01-01
2001-01-01T00:00:00Z
2001-1-1
9007199254740992
9007199254740993
9007199254740993.0
9223372036854775807
9223372036854775808
18446744073709551616
-9223372036854775809
123456789012345678901234567890
0x1ffffffffffffffffffff
1e400
1e-400
-0.0
1e21
1.2.3
1e
0x
<<
=
@a
`a
%a
*a
|
>
a: b
a:b
a #b
a#b
-a
?a
:a
[a, b]
[a,]
[,]
{a: b}
{a}
"\ud83d"
"\U0001F600"
"\UFFFFFFFF"
"\x41"
"\/"
"\z"
"a\0b"
"a\x01b"
"a\tb"
"a\
'it''s'
!!str 8
!!int "8"
!!int 8.5
!!int x
!!float 8
!!float x
!!bool yes
!!bool x
!!null x
!!null ""
!!binary aGk=
!!binary /w==
!!binary a
!!timestamp 2001-01-01
!!timestamp x
!!python/object/apply:os.system x
!!python/name:os.system x
!foo 8
! 8
!<tag:yaml.org,2002:int> 8
!<x
!!merge <<
!e!x 8
""".strip().splitlines()

# What goyaml.v2 takes as a value and libyaml, which reads here, doesn't: the known differences.
LIBYAML_REFUSES = (r'"\'"', "[a:]", "[!x, a]", "!x,y z", "!x[] a", "!!, a", "!%ED%A0%80 a")

# Where a scalar is put; `VALUE` stands for it.
SLOTS = {
    "tag": MANIFEST + "  tags: {commit: VALUE}\n",
    "key": MANIFEST + "  tags:\n    VALUE: x\n",
    "steps": MANIFEST.replace("steps: 100", "steps: VALUE"),
    "seed": MANIFEST.replace("type: SFT,", "seed: VALUE, type: SFT,"),
    "rate": MANIFEST.replace("steps: 100", "steps: 100, learningRate: VALUE"),
    "label": MANIFEST.replace("name: NAME", "name: NAME\n  labels: {VALUE: a}"),
}

_JSON = json.dumps(
    changed(
        bases.example("minimal"), {"metadata.name": "NAME", "spec.tags": {"commit": "VALUE"}, "spec.algorithm.seed": 0}
    )
)

_LINES = """\
  task:
    name: qa
    rewards: [{name: exact}]
    options:
      system: |
        One.

        \tTwo.
"""

# Whole files.
FILES: tuple[str | bytes, ...] = (
    MANIFEST,
    # Documents and their marks.
    f"---\n{MANIFEST}",
    f"--- # a comment\n{MANIFEST}...\n",
    f"---\n---\n{MANIFEST}---\n",
    f"--- x\n{MANIFEST}",
    f"---x\n{MANIFEST}",
    f"%YAML 1.1\n---\n{MANIFEST}",
    f"%YAML 1.2\n---\n{MANIFEST}",
    f"%YAML 1.1\r---\r{MANIFEST}".replace("\n", "\r"),
    f"%YAML 1.2\r---\r{MANIFEST}".replace("\n", "\r"),
    f"# a comment\n%TAG !e! tag:e,2000:\n---\n{MANIFEST}",
    f"{MANIFEST}...\n]]]",
    f"{MANIFEST}---\n",
    f"{MANIFEST}---\nnull\n---\n~\n",
    f"{MANIFEST}---\n]",
    "",
    "\n",
    "---\n",
    "# nothing but a comment\n",
    "null\n",
    "5\n",
    "text\n",
    "- 1\n",
    "[]\n",
    "{}\n",
    "a: [",
    "[" * 3000,
    MANIFEST + "  tags: {a: " + "[" * 3000 + "]" * 3000 + "}\n",
    MANIFEST + "  tags:\n" + "".join(f"{' ' * level}a:\n" for level in range(4, 200)),
    # Encodings.
    b"\xef\xbb\xbf" + MANIFEST.encode(),
    b"\xef\xbb\xbf" * 2 + MANIFEST.encode(),
    b"\xef\xbb\xbf" * 3 + MANIFEST.encode(),
    b"\xef\xbb\xbf" * 4 + MANIFEST.encode(),
    b"\xef\xbb\xbf---\n\xef\xbb\xbf" + MANIFEST.encode(),
    MANIFEST.encode().replace(b"kind", b"\xef\xbb\xbfkind"),
    MANIFEST.encode("utf-16-le"),
    b"\xfe\xff" + MANIFEST.encode("utf-16-be"),
    b"\xff\xfe" + MANIFEST.encode("utf-16-le"),
    MANIFEST.encode("utf-32"),
    (MANIFEST + "  tags: {a: \u00e9}\n").encode("latin-1"),
    MANIFEST.encode() + b"  tags: {a: \xed\xa0\xbd}\n",
    MANIFEST + "  tags: {a: \0}\n",
    MANIFEST + "  tags: {a: \x01}\n",
    MANIFEST + "  tags: {a: \x7f}\n",
    MANIFEST + "  tags: {a: \ufeff}\n",
    MANIFEST + "  tags: {a: \U0001f600\u00a0\u3000}\n",
    MANIFEST.replace("\n", "\r\n"),
    MANIFEST.replace("\n", "\r"),
    MANIFEST.replace("\n", "\u2028"),
    MANIFEST.removesuffix("\n"),
    # Blanks.
    MANIFEST.replace("  name", "\tname"),
    MANIFEST.replace("name: NAME", "name:\tNAME\t"),
    MANIFEST.replace("name: NAME", "name: NAME\t# a comment"),
    MANIFEST.replace("spec:", "spec: \t"),
    MANIFEST.replace("{scratch: {}}", "{scratch:\t{}}"),
    MANIFEST.replace("{scratch: {}}", "{\n\tscratch: {}}"),
    MANIFEST.replace("{scratch: {}}", "{scratch:{}}"),
    MANIFEST.replace("{scratch: {}}", '{"scratch":{}}'),
    MANIFEST.replace("kind:", " kind:"),
    # Keys, twice and odd.
    MANIFEST + "spec: {}\n",
    MANIFEST.replace("name: NAME", "name: other\n  name: NAME"),
    MANIFEST + "  tags: {a: x, a: y}\n",
    MANIFEST + "  ? tags\n  : {a: x}\n",
    MANIFEST + "  ? [a]\n  : x\n",
    MANIFEST + "  tags: {? a}\n",
    MANIFEST + "  tags: {null: x}\n",
    MANIFEST + "  tags: {[a]: x}\n",
    MANIFEST + "  tags: {{a: b}: x}\n",
    MANIFEST + "  tags: {18446744073709551615: x}\n",
    MANIFEST + "  tags: {on: x, n: y}\n",
    MANIFEST.replace("name: NAME", "name: NAME\n  annotations: {1.0: a, 1e6: b, 1e-7: c, .5: d, 0x10: e, yes: f}"),
    # Anchors, aliases and merge keys.
    MANIFEST + "  tags: &t {a: x}\n  trainer: {nodeSelector: *t}\n",
    MANIFEST + "  tags: &t {a: x, b: *t}\n",
    MANIFEST + "  tags: &t [*t]\n",
    MANIFEST + "  tags: {a: *none}\n",
    MANIFEST + "  tags: {a: b?c}\n",
    MANIFEST + "  tags: {b?c: a}\n",
    MANIFEST + "  tags: {a: !!str, b: c}\n",
    MANIFEST + "  tags: {a: !!str , b: c}\n",
    MANIFEST + "  tags: {<<: {a: x}, b: y}\n",
    MANIFEST + "  tags: {<<: [{a: x}, {a: y, b: z}]}\n",
    MANIFEST + "  tags: {a: first, <<: {a: merged}}\n",
    MANIFEST + "  tags: {'<<': {a: x}}\n",
    MANIFEST + "  tags: {<<: x}\n",
    MANIFEST + "  tags: {<<: [x]}\n",
    MANIFEST + "  tags: &t {<<: *t}\n",
    MANIFEST
    + "x1: &x1 [a, a, a, a, a, a, a, a, a]\n"
    + "".join(f"x{n + 1}: &x{n + 1} [{', '.join([f'*x{n}'] * 9)}]\n" for n in range(1, 9)),
    # Texts of several lines.
    MANIFEST.replace("{name: calculator,", "{name: calculator, options: {system: |-\n  a},"),
    MANIFEST.replace("  task: {name: calculator, rewards: [{name: exact}]}\n", _LINES),
    MANIFEST + "  tags:\n    a: >-\n      one\n      two\n",
    MANIFEST + "  tags:\n    a: |\n      one\n",
    MANIFEST + "  tags:\n    a: |+1\n     one\n",
    MANIFEST + "  tags:\n    a: |0\n     one\n",
    MANIFEST + "  tags:\n    a: |\n      \tone\n",
    MANIFEST + '  tags:\n    a: "one\n      two"\n',
    MANIFEST + "  tags:\n    a: one\n      two\n",
    MANIFEST + "  tags:\n    a: one\n    two\n",
    # JSON.
    _JSON,
    f"  \n{_JSON}\n",
    f"{_JSON}\n---\n",
    f"{_JSON} x",
    f"{_JSON},",
    _JSON.replace('"VALUE"', '"\\ud83d"'),
    _JSON.replace('"VALUE"', '"\\ud83d\\ude00"'),
    _JSON.replace('"VALUE"', '"a\\u0000b"'),
    _JSON.replace('"VALUE"', '"a\tb"'),
    _JSON.replace('"VALUE"', "NaN"),
    _JSON.replace('"VALUE"', "'x'"),
    _JSON.replace("VALUE", "\u00e9").encode("latin-1"),
    _JSON.replace('"seed": 0', '"seed": 1e400'),
    _JSON.replace('"seed": 0', '"seed": 5.0'),
    _JSON.replace('"seed": 0', '"seed": 0, "seed": 7'),
    _JSON.replace('"seed": 0', f'"seed": {"9" * 5000}'),
    _JSON.replace('"seed": 0', '"seed": 0,'),
    _JSON.replace('"kind"', "kind"),
)


def texts() -> Iterator[tuple[str, str | bytes]]:
    """Each manifest with its label."""
    for slot, text in SLOTS.items():
        for scalar in SCALARS:
            yield f"{slot} {scalar}", text.replace("VALUE", scalar)
    for number, file in enumerate(FILES):
        yield f"file {number}", file
    for place, values in PLACES.items():
        for value in values:
            yield f"{place} {value!r:.60}", dumped(changed(bases.example("minimal"), {place: value}))


def broken(bounds: list[Rule]) -> Iterator[tuple[str, str]]:
    """A manifest for each rule of the spec, which breaks it."""
    for rule in bounds:
        yield rule.id, dumped(break_bound(rule, bases.training_jobs()).body, yaml.safe_dump)
    for key, several in cel_breaks.ON_CREATE.items():
        for changes in several:
            yield " ".join(key), dumped(changed(bases.training_jobs()[0], changes))


def legal() -> Iterator[tuple[str, str]]:
    """The manifests that the others are made of."""
    for number, body in enumerate(bases.training_jobs()):
        yield f"base {number}", dumped(body, to_yaml)
    for file in sorted(bases.EXAMPLES.glob("*.yaml")):
        yield file.name, re.sub(rf"(?m)^  name: {file.stem}\b", "  name: NAME", file.read_text(), count=1)


def dumped(body: dict[str, Any], dump: Callable[[Any], str] = json.dumps) -> str:
    """A manifest as a text; one that has the name of its base gets `NAME`."""
    metadata = body.get("metadata")
    named = isinstance(metadata, dict) and metadata.get("name") in ("minimal", "full")
    return dump(changed(body, {"metadata.name": "NAME"}) if named else body)
