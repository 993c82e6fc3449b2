"""Progress for a person: a bar on a terminal, plain lines elsewhere.

Place in the data's way: station 11, where there is no API server. Shows; decides nothing.
"""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Column

from trainyard_api.progress import Progress as RunProgress
from trainyard_trainer.sinks import SavedCheckpoint

PLAIN_SECONDS = 2.0
"""Least seconds between two plain lines that nothing hurries."""


class ConsoleReporter:
    """A `Reporter` on a console; use it in a `with` statement, which puts the terminal right at the end."""

    def __init__(self, console: Console, name: str) -> None:
        self._console = console
        self._bar: Progress | None = None
        if console.is_terminal:
            # On a narrow terminal the end of the line is cut, not the name.
            whole = Column(no_wrap=True, min_width=len(name))
            columns = (
                TextColumn("[bold]{task.description}", table_column=whole),
                BarColumn(bar_width=16),
                TextColumn("{task.fields[line]}"),
            )
            self._bar = Progress(*columns, console=console)
            self._task = self._bar.add_task(name, total=100, line="")
        self._last_line = ""
        self._last_time = -PLAIN_SECONDS

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def report(self, progress: RunProgress, *, at_once: bool = False) -> None:
        """Shows this progress; plain lines that come too fast are left out, unless `at_once`."""
        line = describe(progress)
        if self._bar:
            self._bar.update(self._task, completed=progress.percent or 0, line=line)
            return
        now = time.monotonic()
        if line != self._last_line and (at_once or now - self._last_time >= PLAIN_SECONDS):
            self.say(line)
            self._last_line, self._last_time = line, now

    def checkpoint(self, saved: SavedCheckpoint) -> None:
        """Says where a checkpoint was committed."""
        self.say(f"checkpoint of step {saved.step}: {saved.uri}")

    def say(self, line: str) -> None:
        """Prints a line above the bar."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


def describe(progress: RunProgress) -> str:
    """Writes a progress as one line: `step 31/60  reward 0.84  12000 tokens/s  10 s left`."""
    if not progress.step:
        words = [progress.phase or "starting"]
    else:
        words = [f"step {progress.steps}"]
        words += [f"reward {progress.reward}"] if progress.reward is not None else []
        # With a reward it is a loss of group-relative advantages, which is 0 by construction.
        words += [f"loss {progress.loss}"] if progress.loss is not None and progress.reward is None else []
        words += [f"{progress.tokens_per_second} tokens/s"] if progress.tokens_per_second is not None else []
        left = progress.estimated_remaining_seconds
        words += [f"{left} s left"] if left is not None else []
    if progress.validation:
        best = progress.validation
        words += [f"validation {best.success_rate}, best {best.best_success_rate} after step {best.best_step}"]
    evaluation = progress.evaluation
    if evaluation and evaluation.before:
        words += [f"held-out success {evaluation.before.success_rate} before"]
        words += [f"{evaluation.after.success_rate} after"] if evaluation.after else []
        words += [str(evaluation.verdict)] if evaluation.verdict else []
    return "  ".join(words)
