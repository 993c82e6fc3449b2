"""A dry run without a cluster: the manifest, the files beside it and the output folder, tried for real.

Place in the data's way: stations 1 to 6, where there is no cluster. `dry_run` does the work.
"""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path

from trainyard_api.training_job import TrainingJob
from trainyard_trainer.errors import DroppedError, StoppedError
from trainyard_trainer.local.local_config import local_inputs, local_run_config, open_output
from trainyard_trainer.reporting.log_lines import findings_shown
from trainyard_trainer.stop import Stop
from trainyard_trainer.training.dry_run import dry_run


def dry_run_here(job: TrainingJob, manifest: Path, output: Path, stop: Stop, say: Callable[[str], None] = print) -> str:
    """Does everything but train, and returns what to say at the end; leaves nothing but the output folder.

    Args:
        job: the manifest's.
        manifest: its file, beside which other files of it are looked for.
        output: folder that the run would write to.
        stop: asked between decode rounds.
        say: takes a line for a person.

    Raises:
        RefusedError: what the run would be refused for.
        StoppedError: a stop was asked for.
    """
    output = output.absolute()
    open_output(output)
    config = local_run_config(job, manifest, output, uid=str(uuid.uuid4()))
    with tempfile.TemporaryDirectory() as cache, findings_shown(say):
        try:
            dry_run(config, local_inputs(config, manifest, Path(cache)), stop=stop, say=say)
        except DroppedError:
            raise StoppedError(0, None) from None
    return f"dry run: nothing was trained; {output} can be written"
