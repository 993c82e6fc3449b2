"""Named phases with their seconds, and everything said on the way, for the README."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console


@dataclass
class Story:
    """What the demo has said and how long each phase took."""

    console: Console = field(default_factory=lambda: Console(highlight=False, soft_wrap=True))
    seconds: dict[str, float] = field(default_factory=dict)
    transcript: list[str] = field(default_factory=list)

    def say(self, text: str = "", *, keep: bool = True) -> None:
        """Prints plain text; `keep` puts it into the transcript."""
        self.console.print(text, markup=False)
        if keep:
            self.transcript.append(text)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Times a phase; its seconds are kept even if it fails."""
        self.console.print(f"\n[bold]== {name} ==[/bold]")
        began = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = time.monotonic() - began

    def table(self) -> str:
        """Lists the phases and their seconds."""
        rows = [f"{name:<38} {seconds:>7.1f} s" for name, seconds in self.seconds.items()]
        return "\n".join([*rows, f"{'total':<38} {sum(self.seconds.values()):>7.1f} s"])
