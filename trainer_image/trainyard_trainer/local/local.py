"""`python -m trainyard_trainer run MANIFEST --output DIR`: a TrainingJob in this process, without a cluster.

Place in the data's way: station 1, where there is no API server. Reads the manifest as strictly as `kubectl apply`
would and says what is wrong with it before torch is even loaded; `local_run` does the work. Turns errors into exit
codes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from trainyard_api.termination import ExitCode
from trainyard_api.training_job import TrainingJob
from trainyard_trainer.errors import RefusedError, StoppedError
from trainyard_trainer.local.manifest import read_manifest
from trainyard_trainer.stop import SignalStop


def main(argv: Sequence[str]) -> int:
    """Runs what the arguments say and returns the exit code: 0 done, 10 stopped on request, 20 refused."""
    arguments = _parser().parse_args(argv)
    stop = SignalStop()
    stop.install()
    try:
        job = read_manifest(arguments.manifest, stored=arguments.resume)
        print(_run(job, arguments, stop))
    except RefusedError as error:
        print(f"refused ({error.reason}): {error}", file=sys.stderr)
        return ExitCode.REFUSED
    except StoppedError as error:
        print(f"{error}; saved: {error.committed_uri}", file=sys.stderr)
        return ExitCode.STOPPED
    return ExitCode.DONE


def _run(job: TrainingJob, arguments: argparse.Namespace, stop: SignalStop) -> str:
    # Loading torch takes seconds, which nobody should wait for to hear of a fault in a manifest.
    if arguments.dry_run:
        from trainyard_trainer.local.local_dry_run import dry_run_here  # noqa: PLC0415

        return dry_run_here(job, arguments.manifest, arguments.output, stop)
    from trainyard_trainer.local.local_run import run_here  # noqa: PLC0415

    return run_here(job, arguments.manifest, arguments.output, stop, resume=arguments.resume)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m trainyard_trainer",
        description="Run a TrainingJob's manifest in this process. Secrets, database, S3 and budget aren't read.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="train without a cluster")
    run.add_argument("manifest", type=Path, help="YAML file with one TrainingJob")
    run.add_argument(
        "--output",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder for checkpoints, trajectories and metrics: DIR/<namespace>/<job>/<uid>/",
    )
    how = run.add_mutually_exclusive_group()
    how.add_argument("--resume", action="store_true", help="go on with the job's run that was begun last")
    how.add_argument("--dry-run", action="store_true", help="do everything but train, and say what was found")
    return parser
