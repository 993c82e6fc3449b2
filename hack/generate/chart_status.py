"""The status fields that only the operator may change, as a template that the admission policy includes.

Place in the data's way: station 11. Taken from the model, so that a new field is protected from its first day.
"""

from __future__ import annotations

from hack.generate.crd import NOTICE
from trainyard_api.training_job_status import TrainingJobStatus

TRAINERS_FIELD = "progress"


def operator_fields() -> str:
    """Writes the text of templates/_status.tpl: API names of all status fields but the trainer's, separated by
    spaces.
    """
    names = [field.alias or name for name, field in TrainingJobStatus.model_fields.items()]
    fields = " ".join(name for name in names if name != TRAINERS_FIELD)
    return (
        f'{{{{- /* {NOTICE} */ -}}}}\n{{{{- define "trainyard.operatorStatusFields" -}}}}\n{fields}\n{{{{- end -}}}}\n'
    )
