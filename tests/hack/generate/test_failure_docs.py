"""How a pod's end is read, as the code has it."""

from __future__ import annotations

from hack.generate.failure_docs import failure_reference, member_texts
from trainyard_api.termination import ExitCode, TerminationReason
from trainyard_operator.trainingjob.attempt import failure


def test_every_row_code_and_reason_is_in_the_text() -> None:
    """Nothing that decides is left out, and rows stand in the order in which they count."""
    lines = failure_reference().splitlines()
    rows = failure.rows()
    first = lines.index("| " + " | ".join(rows[0]) + " |")
    shown = [line.strip("| ").split(" | ")[0] for line in lines[first + 2 : first + 2 + len(rows)]]
    assert shown == [next(iter(row.values())).replace("|", "\\|") for row in rows]
    assert all(any(line.startswith(f"| {code.value} | ") for line in lines) for code in ExitCode)
    assert all(f"- `{reason.value}`" in lines for reason in TerminationReason)


def test_a_members_text_is_the_docstring_below_it() -> None:
    """Every exit code has one, on one line."""
    texts = member_texts(ExitCode)
    assert texts.keys() == {code.name for code in ExitCode}
    assert all(text.strip() and "\n" not in text for text in texts.values())
