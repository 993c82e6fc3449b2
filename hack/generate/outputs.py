"""Which file comes from which generator.

Place in the data's way: before station 1. The one list; a generated file that isn't in it doesn't exist for `--check`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from hack.generate import api_docs, chart_status, chart_values, crd, failure_docs
from trainyard_api.fields import API_GROUP

ROOT = Path(__file__).parents[2]
CHART = "charts/trainyard"


def outputs() -> Mapping[str, Callable[[], str]]:
    """Maps paths below the repository's root to what makes the files' texts."""
    files: dict[str, Callable[[], str]] = {}
    for kind in crd.KINDS:
        files[f"crds/{API_GROUP}_{kind.names.plural}.yaml"] = partial(crd.plain, kind)
        files[f"{CHART}/templates/crds/{kind.names.plural}.yaml"] = partial(crd.template, kind)
    files["docs/api.md"] = api_docs.api_reference
    files["docs/failures.md"] = failure_docs.failure_reference
    files[f"{CHART}/templates/_status.tpl"] = chart_status.operator_fields
    files[f"{CHART}/values.yaml"] = chart_values.values_yaml
    files[f"{CHART}/values.schema.json"] = chart_values.values_schema
    files[f"{CHART}/README.md"] = _readme
    return files


def _readme() -> str:
    introduction = Path(__file__).with_name("chart_readme.md").read_text(encoding="utf-8")
    return chart_values.chart_readme(introduction)


# Folders in which every file of that form is generated: one that no generator makes any more is left over.
OWNED = ("crds/*.yaml", f"{CHART}/templates/crds/*")
