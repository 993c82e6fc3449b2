"""Values of a task's options, read from texts.

Place in the data's way: station 4. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import RefusedError


def whole_number(options: Mapping[str, str], name: str, default: int, lowest: int, highest: int) -> int:
    """Reads the number that an option gives, between two bounds.

    Raises:
        RefusedError: INVALID_OPTION.
    """
    text = options.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 10 and lowest <= int(text) <= highest):
        raise invalid(name, f"must be a whole number from {lowest} to {highest}", text)
    return int(text)


def choice(options: Mapping[str, str], name: str, known: Sequence[str]) -> str:
    """Reads the word that an option gives, one of `known`; the first by default.

    Raises:
        RefusedError: INVALID_OPTION.
    """
    text = options.get(name, known[0])
    if text not in known:
        raise invalid(name, f"must be one of {', '.join(known)}", text)
    return text


def choices(options: Mapping[str, str], name: str, known: Sequence[str]) -> tuple[str, ...]:
    """Reads the words that an option gives, separated by commas, in the order of `known`; all by default.

    Raises:
        RefusedError: INVALID_OPTION.
    """
    text = options.get(name, ",".join(known))
    words = {word.strip() for word in text.split(",")}
    if not words <= set(known):
        raise invalid(name, f"must be some of {', '.join(known)}, parted by commas", text)
    return tuple(word for word in known if word in words)


def invalid(name: str, rule: str, value: str) -> RefusedError:
    """Makes the refusal of an option's value."""
    return RefusedError(TerminationReason.INVALID_OPTION, rule, field_path=f"spec.task.options.{name}", value=value)
