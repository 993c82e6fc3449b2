"""What a generation benchmark asks of every engine: the same prompts, and as many tokens for each row.

Lengths are forced, not sampled: engines that end by themselves would end at different places, and their speeds couldn't
be compared. They are drawn once, by a seed, from a lognormal, as lengths of completions are: most rows are short and a
few are long.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hack.bench.models import CONFIGS, FIRST_WORD

PROMPT_TOKENS = 64
MEAN, LONGEST, SIGMA = 24, 48, 0.8
CASES = ("lognormal", "equal", "g1", "tiny", "tiny-equal")
Completions = list[list[int]]
"""Sampled ids of each row of a workload, an end id included."""


@dataclass(frozen=True, slots=True)
class Workload:
    """Rows to generate.

    Attributes:
        name: what the table calls it.
        model: one of `models.CONFIGS`.
        prompts: each row's, as ids; rows of a group have the same.
        lengths: tokens to sample in each row.
        greedy: the most probable token rather than a random one, to check engines against each other.
    """

    name: str
    model: str
    prompts: tuple[tuple[int, ...], ...]
    lengths: tuple[int, ...]
    greedy: bool = False

    @property
    def tokens(self) -> int:
        """Counts the tokens that were asked for, without padding."""
        return sum(self.lengths)

    @property
    def shared(self) -> bool:
        """Says whether several rows have the same prompt."""
        return len(set(self.prompts)) < len(self.prompts)

    @property
    def ragged(self) -> bool:
        """Says whether some rows end before others."""
        return min(self.lengths) < max(self.lengths)

    def to_longest(self) -> Workload:
        """Makes every row as long as the longest: the cost of a batch that is kept together until all have ended."""
        return replace(self, lengths=(max(self.lengths),) * len(self.lengths))

    def few(self, *, greedy: bool) -> Workload:
        """Takes a few of the rows, at most eight tokens each, for checks."""
        chosen = range(0, len(self.prompts), max(1, len(self.prompts) // 4))
        lengths = tuple(min(8, self.lengths[row]) for row in chosen for _ in range(2))
        return replace(
            self, prompts=tuple(self.prompts[row] for row in chosen for _ in range(2)), lengths=lengths, greedy=greedy
        )

    def unshared(self) -> Workload:
        """Gives each row a prompt of its own, as long as before."""
        vocabulary = CONFIGS[self.model]["vocab_size"]
        words = vocabulary - FIRST_WORD
        own = tuple(
            (FIRST_WORD + row % words, FIRST_WORD + row // words, *prompt[2:])
            for row, prompt in enumerate(self.prompts)
        )
        return replace(self, prompts=own)


def lognormal_lengths(rows: int, *, mean: float = MEAN, longest: int = LONGEST, seed: int = 0) -> tuple[int, ...]:
    """Draws `rows` lengths from 1 to `longest`: a lognormal of sigma 0.8, rounded and cut, placed so that the mean is
    as given, to within a twentieth of a token.
    """
    normal = np.random.default_rng(seed).standard_normal(rows)

    def drawn(location: float) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return np.clip(np.rint(np.exp(location + SIGMA * normal)), 1, longest).astype(np.int64)

    low, high = 0.0, 10.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if drawn(middle).mean() < mean else (low, middle)
    return tuple(drawn(high).tolist())


def make_workload(case: str, *, prompts: int = 16, group: int = 8) -> Workload:
    """Makes one of `CASES`: `prompts` x `group` rows; `g1` has as many rows, each with a prompt of its own.

    Raises:
        KeyError: there is no such case.
    """
    model = {name: "tiny" if name.startswith("tiny") else "bench-60m" for name in CASES}[case]
    rows = prompts * group
    lengths = (MEAN,) * rows if case.endswith("equal") else lognormal_lengths(rows)
    each = 1 if case == "g1" else group
    random = np.random.default_rng(1)
    drawn = random.integers(FIRST_WORD, CONFIGS[model]["vocab_size"], size=(rows // each, PROMPT_TOKENS))
    return Workload(case, model, tuple(tuple(row) for row in drawn.tolist() for _ in range(each)), lengths)
