"""A kind's definition is the same for kubectl and for the chart."""

from __future__ import annotations

import pytest
import yaml

from hack.generate import crd
from hack.generate.crd import KEEP, KINDS, definition, plain, template, to_yaml

IDS = [kind.names.kind for kind in KINDS]


@pytest.mark.parametrize("kind", KINDS, ids=IDS)
def test_the_charts_copy_adds_a_toggle_and_stays_when_the_release_goes(kind) -> None:
    """Everybody's jobs would go with the definition."""
    lines = template(kind).splitlines()
    assert lines[1] == "{{- if .Values.crds.install }}"
    assert lines[-1] == "{{- end }}"
    content = yaml.safe_load("\n".join(lines[2:-1]))
    assert content["metadata"].pop("annotations") == KEEP
    assert content == yaml.safe_load(plain(kind)) == definition(kind)


@pytest.mark.parametrize("kind", KINDS, ids=IDS)
def test_status_is_written_apart_and_one_version_is_stored(kind) -> None:
    """Who may write a spec may not write a status by it."""
    (version,) = definition(kind)["spec"]["versions"]
    assert version["subresources"] == {"status": {}}
    assert (version["served"], version["storage"]) == (True, True)


def test_a_text_that_helm_would_execute_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the kind."""
    monkeypatch.setattr(crd, "structural_schema", lambda _: {"description": "say {{ hello }}"})
    with pytest.raises(ValueError, match=r"^TrainingJob: a template can't hold"):
        template(KINDS[0])


def test_texts_like_numbers_are_quoted_and_nothing_is_an_anchor() -> None:
    """PyYAML leaves 1e-6 bare, which Kubernetes reads as a number."""
    shared = ["1e-6", "-1", ".5", "a"]
    text = to_yaml({"one": shared, "two": shared})
    assert '- "1e-6"\n- "-1"\n- ".5"\n- a\n' in text
    assert "&" not in text
    assert "*" not in text
