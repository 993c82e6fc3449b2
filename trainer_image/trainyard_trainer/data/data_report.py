"""What a run's questions are like, before anything is trained on them: counts, doubts, and what is refused.

Place in the data's way: station 4, after reading and splitting, before the first step. Pure: it reads no file, and
knows no tokenizer; lengths and the limit are given. It changes no set.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from trainyard_api.termination import TerminationReason
from trainyard_trainer.answers import canonical
from trainyard_trainer.data.splits import Split
from trainyard_trainer.environment import Question
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.evaluation.significance import MIN_QUERIES

MIN_TRAINING_QUESTIONS = 100
"""Below this the policy meets every question so often that it may learn them by heart."""
_SHOWN = 120
"""Characters of a question that an error shows."""


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """Holds one set as it was read or drawn.

    `field_path` is the field of the manifest that it comes from. `lengths` are the prompts' tokens, one per question,
    None where it has no prompt; empty where no tokenizer counted them. `demonstrated` are the tokens of each question's
    demonstration in the same way. `drawn` says that a task draws them without end, so these are but some. `ignored`
    counts members of the file that nobody reads.
    """

    split: Split
    questions: Sequence[Question]
    field_path: str
    lengths: Sequence[int | None] = ()
    demonstrated: Sequence[int | None] = ()
    drawn: bool = False
    ignored: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True)
class SetCounts:
    """Holds the counts of one set; `duplicates` repeat an earlier question, `longest` is in tokens or None."""

    split: Split
    questions: int
    duplicates: int
    longest: int | None
    drawn: bool


@dataclass(frozen=True, slots=True)
class Refusal:
    """Says why the run can't begin: the field, the rule, the value at fault, and the reason's word."""

    field_path: str
    rule: str
    value: str | None
    reason: TerminationReason = TerminationReason.INVALID_DATA


@dataclass(frozen=True, slots=True)
class DataReport:
    """Holds all sets' counts, what a person should know, and what is refused."""

    sets: tuple[SetCounts, ...]
    warnings: tuple[str, ...]
    refusals: tuple[Refusal, ...]

    @property
    def longest_prompt(self) -> int:
        """Returns the tokens of the longest prompt; 0 where none were counted."""
        return max((counts.longest or 0 for counts in self.sets), default=0)

    def lines(self) -> list[str]:
        """Lists lines for a person: one per set, then warnings, then refusals."""
        return [
            *(_line(counts) for counts in self.sets),
            *(f"warning: {warning}" for warning in self.warnings),
            *(f"refused: {_sentence(refusal)}" for refusal in self.refusals),
        ]

    def refuse(self) -> None:
        """Raises RefusedError for the first refusal, which says how many more there are."""
        if self.refusals:
            first, more = self.refusals[0], len(self.refusals) - 1
            rule = f"{first.rule} ({more} more in the data report)" if more else first.rule
            raise RefusedError(first.reason, rule, field_path=first.field_path, value=first.value)


def data_report(
    sets: Sequence[QuestionSet],
    max_prompt_tokens: int | None,
    more: Sequence[Refusal] = (),
    *,
    max_tokens: int | None = None,
) -> DataReport:
    """Judges the sets of a run.

    Refused: an empty set, a question in two sets, and a prompt or demonstration of more tokens than the model can read.
    Doubted: few training questions, fewer test questions than can ever be significant, repeated questions, other
    answers for the same question, unknown members.

    Args:
        sets: each set that the run needs, once.
        max_prompt_tokens: the longest prompt that leaves room for an answer; None where lengths weren't counted.
        more: what others refuse of the same data, such as a chat template that isn't prefix-stable.
        max_tokens: what the model can read; None where lengths of demonstrations weren't counted.
    """
    counts, warnings, refusals = [], [], []
    for one in sets:
        counts.append(_count(one))
        warnings += _doubts(one, counts[-1])
        refusals += _faults(one, max_prompt_tokens, max_tokens)
    for first, second in combinations(sets, 2):
        refusals += _overlap(first, second)
    return DataReport(tuple(counts), tuple(warnings), (*refusals, *more))


def _count(one: QuestionSet) -> SetCounts:
    texts = {canonical(question.text) for question in one.questions}
    count = len(one.questions)
    return SetCounts(
        one.split,
        count,
        count - len(texts),
        max((length for length in one.lengths if length is not None), default=None),
        one.drawn,
    )


def _doubts(one: QuestionSet, counts: SetCounts) -> list[str]:
    """Lists what a person should know of one set."""
    distinct = counts.questions - counts.duplicates
    doubts = []
    if one.split is Split.TRAIN and not one.drawn and 0 < distinct < MIN_TRAINING_QUESTIONS:
        doubts.append(f"{distinct} training questions; below {MIN_TRAINING_QUESTIONS} a policy may learn them by heart")
    if one.split is Split.TEST and 0 < distinct < MIN_QUERIES:
        doubts.append(f"{distinct} test questions; no difference on fewer than {MIN_QUERIES} can be significant")
    if counts.duplicates and not one.drawn:
        effect = "is asked more often" if one.split is Split.TRAIN else "is asked once all the same"
        doubts.append(f"{counts.duplicates} of the {one.split} questions repeat an earlier one, which {effect}")
    if contradicted := _contradicted(one.questions):
        doubts.append(f"{len(contradicted)} of the {one.split} questions have more than one expected outcome; "
                      f"the first is {_cut(contradicted[0])!r}")  # fmt: skip
    if one.ignored:
        names = ", ".join(f"{_cut(name)!r} ({count})" for name, count in sorted(one.ignored.items())[:8])
        doubts.append(f"{one.field_path}: members that nobody reads: {names}")
    return doubts


def _faults(one: QuestionSet, max_prompt_tokens: int | None, max_tokens: int | None) -> list[Refusal]:
    """Lists what can't be used of one set."""
    if not one.questions:
        rule = f"must leave at least one {one.split} question; a hash of the text decides, so more data helps"
        return [Refusal(one.field_path, rule, "0 questions")]
    return [
        *_too_long(one, "prompt", one.lengths, max_prompt_tokens, "what the model reads less the longest answer"),
        *_too_long(one, "demonstration", one.demonstrated, max_tokens, "what the model reads"),
    ]


def _too_long(
    one: QuestionSet, what: str, lengths: Sequence[int | None], longest: int | None, reason: str
) -> list[Refusal]:
    if longest is None or not lengths:
        return []
    pairs = zip(one.questions, lengths, strict=True)
    over = [(question.text, length) for question, length in pairs if (length or 0) > longest]
    if not over:
        return []
    text, length = over[0]
    rule = f"no {one.split} {what} may have more than {longest} tokens, {reason}; {len(over)} have, the first {length}"
    return [Refusal(one.field_path, rule, _cut(text))]


def _overlap(first: QuestionSet, second: QuestionSet) -> list[Refusal]:
    """Makes the refusal of questions that are in both sets, for success on them would mean nothing."""
    known = {canonical(question.text) for question in first.questions}
    both = {canonical(question.text): None for question in second.questions if canonical(question.text) in known}
    if not both:
        return []
    same = f"no {second.split} question may be a {first.split} question too"
    rule = f"{same}, or success on it means nothing; {len(both)} are"
    return [Refusal(second.field_path, rule, _cut(next(iter(both))))]


def _contradicted(questions: Sequence[Question]) -> list[str]:
    """Lists questions with different expected outcomes, in order."""
    outcomes = {(canonical(question.text), canonical(question.expected)): None for question in questions}
    counts = Counter(text for text, _ in outcomes)
    return [text for text, count in counts.items() if count > 1]


def _line(counts: SetCounts) -> str:
    if counts.drawn:
        number = "drawn by the task" if counts.split is Split.TRAIN else f"{counts.questions} drawn by the task"
    else:
        number = f"{counts.questions} questions, {counts.duplicates} of them repeated"
    longest = "" if counts.longest is None else f"; the longest prompt has {counts.longest} tokens"
    return f"{counts.split}: {number}{longest}"


def _sentence(refusal: Refusal) -> str:
    got = "" if refusal.value is None else f"; got {refusal.value!r}"
    return f"{refusal.field_path}: {refusal.rule}{got}"


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
