"""`python -m trainyard_trainer`: in a pod without arguments; `run MANIFEST --output DIR` without a cluster.

Place in the data's way: station 4. Takes the signals, chooses between the ways in and ends the process; nothing else.
"""

from __future__ import annotations

import io
import os
import sys

from trainyard_trainer.stop import SignalStop, leave

_HELP = """\
usage: python -m trainyard_trainer
       python -m trainyard_trainer write-rows [URI]
       python -m trainyard_trainer run MANIFEST --output DIR

Without arguments: train as the run config of this pod says. Reads the file that TRAINYARD_RUN_CONFIG names
(/etc/trainyard/run.json by default) and the secrets that the operator put into the environment.

write-rows: write the rows that the checkpoint at URI carries into the database, which was away; then end. Without URI:
     those of the newest one that the run could go on from. Reads the same run config and secrets; the ledger must name
     its attempt as the current one. Written again, nothing changes.

run: train the TrainingJob of a manifest in this process, without a cluster: checkpoints and trajectories go below DIR.
     `python -m trainyard_trainer run --help` says more.

Exit codes: 0 done; 10 stopped on request, after a checkpoint; 20 refused, and why, on the last line; else a crash.
"""


def main(arguments: list[str]) -> int:
    """Runs what the arguments ask for and returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that can't show a character shows its number: no text ends a run.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if " ".join(arguments).removeprefix("write-rows ") in {"-h", "--help"}:
        print(_HELP, end="")
        return 0
    # Imported late: torch takes seconds, in which --help must answer and a signal must not be lost (a container's first
    # process ignores those that it hasn't taken).
    if arguments and arguments[0] == "write-rows":
        return _write_rows(arguments[1:])
    if arguments:
        from trainyard_trainer.local import local  # noqa: PLC0415

        return local.main(arguments)
    stop = SignalStop()
    stop.install()
    from trainyard_trainer.pod import pod  # noqa: PLC0415

    return pod.main(stop)


def _write_rows(arguments: list[str]) -> int:
    if len(arguments) > 1:
        print("write-rows takes one argument at most, the URI of a checkpoint", file=sys.stderr)
        return 2
    from trainyard_trainer.pod.pod_environment import read_environment  # noqa: PLC0415 (late, as above)
    from trainyard_trainer.pod.write_rows import write_rows  # noqa: PLC0415 (likewise)

    return write_rows(arguments[0] if arguments else None, read_environment(os.environ))


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
