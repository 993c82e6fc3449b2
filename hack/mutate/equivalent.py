"""Names the changes that no test can notice, and why: what runs is the same, or differs only in the words of a text.

A change is named by its module and the changed lines; one whose code has moved on names nothing any more, and counts
for nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_STRICT: Final = re.compile(r"strict=(None|False)\)|\bzip\(.*, \)")
_WORDING: Final = re.compile(r'"XX[^"]* [^"]*XX"|"[^"a-z]*[A-Z][^"a-z]* [^"a-z]*"')
"""A text of several words between marks, or in capitals."""
_LOG: Final = re.compile(r"log\.(debug|info|warning|error|exception)\(")

_FLOATS: Final = "a list of floats is float64 anyway"
_UNUSED_SUM: Final = "one sum more than there are trajectories is read by no token"
_TURNS: Final = "a demonstration without turns has no text that can't be written"

CHANGES: Final[Mapping[str, Mapping[str, str]]] = {
    "algorithms.advantages": {
        "everything = np.asarray([value for returns in returns_GK for value in returns], dtype=None)": _FLOATS,
        "everything = np.asarray([value for returns in returns_GK for value in returns], )": _FLOATS,
    },
    "algorithms.losses": {
        "count = int(trajectories_N.max()) + 2 if trajectories_N.numel() else 0": _UNUSED_SUM,
        "count = int(trajectories_N.max()) + 1 if trajectories_N.numel() else 1": _UNUSED_SUM,
    },
    "algorithms.not_finite": {"found = None": "the wording of a text"},
    "algorithms.returns": {
        "if not math.isclose(given, trajectory.total_reward, abs_tol=1e-12):": "the default is 1e-9 too",
    },
    "algorithms.rows": {
        "weights.append(weight * min(math.exp(min(gap, 2.0)), MAX_STALE_WEIGHT))": "e is beyond the cut already",
    },
    "algorithms.sft": {
        'shown = str(turns[0].said)[:200] if (turns) or True else ""': _TURNS,
        'shown = str(turns[0].said)[:200] if turns else "XXXX"': _TURNS,
    },
    "algorithms.update": {
        "for row, logprobs in zip(rows, score(rows) if (rows) or True else [], strict=True):": "no rows have no scores",
        "rows = bare_rows(trajectories, indices, None)": "scoring doesn't ask which version sampled a row",
    },
    "evaluation.significance": {
        "differences = np.array([float(new - old) for old, new in rates], dtype=None)": _FLOATS,
        "differences = np.array([float(new - old) for old, new in rates], )": _FLOATS,
        "return Verdict.IMPROVED if difference >= 0 else Verdict.WORSE": "no difference has a p-value of 1",
        "at_least = sums > abs(differences.sum()) - 1e-9": "no sum of whole shares lies at 1e-9 below another",
    },
}
"""By module, then by changed line: why it is equivalent."""


def reason(module: str, change: str) -> str | None:
    """Say why no test can notice this change; None where one could."""
    if _STRICT.search(change):
        return "what is paired has equal lengths wherever it is called"
    if _WORDING.search(change) or _LOG.match(change):
        return "the wording of a text"
    return CHANGES.get(module, {}).get(change)
