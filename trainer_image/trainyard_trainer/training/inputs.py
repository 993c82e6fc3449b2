"""What a run is given beside its config, brought to this machine before any work.

Place in the data's way: station 4. Values only; a pod and a run without a cluster make them in their own ways.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from trainyard_trainer.checkpoints.resumable import Resumed
from trainyard_trainer.data.jsonl import QuestionFile
from trainyard_trainer.data.splits import Split


@dataclass(frozen=True, slots=True)
class RunInputs:
    """Holds the files that were brought to this machine.

    `model` is the folder of the first weights, as `save_pretrained` writes it, where the config's model is a
    checkpoint, in a bucket or on the Hub; None for `scratch` and for `path`, which is read where it lies. `module` is
    the user's own Python file. `data` are the questions of the task's files by set; empty where the task asks its own.
    `baseline` is the folder of the checkpoint that an evaluation is compared with. `resumed` is this run's own newest
    checkpoint.
    """

    model: Path | None = None
    module: Path | None = None
    data: Mapping[Split, QuestionFile] = field(default_factory=dict)
    baseline: Path | None = None
    resumed: Resumed | None = None
