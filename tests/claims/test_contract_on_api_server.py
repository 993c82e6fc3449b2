"""The contract, on a real API server: what is legal is accepted, and every rule is enforced and names its field."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from hack.cluster.controlplane import control_plane
from hack.generate.crd import KINDS, definition
from tests.contract import bases, cel_breaks
from tests.contract.cel_breaks import GONE, changed
from tests.contract.rules import Rule, break_bound, rules
from tests.contract.server import Refusal, Server
from trainyard_api.checkpoint import Checkpoint
from trainyard_api.training_job import TrainingJob

pytestmark = pytest.mark.integration


def _rules(kind: str) -> list[Rule]:
    crd = definition(next(each for each in KINDS if each.__name__ == kind))
    return list(rules(crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]))


JOB_RULES, CHECKPOINT_RULES = _rules("TrainingJob"), _rules("Checkpoint")
CEL = "x-kubernetes-validations"


def _bounds(all_rules: list[Rule], part: str) -> list[Any]:
    found = [rule for rule in all_rules if rule.keyword != CEL and (rule.path[:1] or ("spec",)) == (part,)]
    return [pytest.param(rule, id=rule.id) for rule in found]


def _cel(all_rules: list[Rule]) -> list[Any]:
    return [pytest.param(rule, id=rule.id) for rule in all_rules if rule.keyword == CEL]


TABLES = (
    *(cel_breaks.ON_CREATE, cel_breaks.ON_UPDATE, cel_breaks.ON_STATUS),
    *(cel_breaks.CHECKPOINT_ON_UPDATE, cel_breaks.CHECKPOINT_ON_STATUS),
)


def _key(rule: Rule) -> cel_breaks.Key:
    place = ".".join(rule.path) or "root", rule.demand.get("fieldPath", "")
    alone = (*place, rule.demand["message"])
    return alone if any(alone in table for table in TABLES) else place


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An API server of its own, with both kinds and nothing else."""
    with control_plane(tmp_path_factory.mktemp("plane")) as plane:
        server = Server(plane.kubeconfig)
        server.install_crds()
        server.must("create", "namespace", "team-a")
        yield server


@pytest.fixture(scope="module")
def stored_job(server: Server) -> dict[str, Any]:
    """A stored TrainingJob with a full status."""
    return _store(server, bases.training_jobs()[0], bases.training_job_status())


@pytest.fixture(scope="module")
def stored_checkpoint(server: Server) -> dict[str, Any]:
    """A stored Checkpoint with a full status."""
    return _store(server, bases.checkpoint(), bases.checkpoint_status())


def _store(server: Server, body: dict[str, Any], status: dict[str, Any]) -> dict[str, Any]:
    created = server.create(body, dry_run=False)
    assert isinstance(created, dict), created
    stored = server.update_status(created | {"status": status}, dry_run=False)
    assert isinstance(stored, dict), stored
    assert stored["status"] == status, "the server dropped a part of the status"
    return stored


def _assert_refused(answer: Any, field: str, words: str) -> None:
    assert isinstance(answer, Refusal), f"accepted, although it breaks a rule of {field}"
    assert answer.status == 422, answer
    assert any(
        field in (cause_field, message.split(":")[0]) and words in message for cause_field, message in answer.causes
    ), f"no cause names {field!r} with {words!r}: {answer.causes}"


@pytest.mark.parametrize("name", sorted(path.stem for path in bases.EXAMPLES.glob("*.yaml")))
def test_every_example_is_accepted(server: Server, name: str) -> None:
    """`kubectl apply --validate=strict` takes every manifest of crds/examples."""
    file = bases.EXAMPLES / f"{name}.yaml"
    server.must("apply", "--dry-run=server", "--validate=strict", "-f", str(file))


@pytest.mark.parametrize("number", range(5))
def test_every_base_is_accepted(server: Server, number: int) -> None:
    """What the tests below break is legal before they break it."""
    answer = server.create(bases.training_jobs()[number])
    assert isinstance(answer, dict), answer


@pytest.mark.parametrize("rule", _bounds(JOB_RULES, "spec"))
def test_bound_of_training_job_spec(server: Server, rule: Rule) -> None:
    """A TrainingJob that breaks this bound is refused, and the error names the field and the rule."""
    broken = break_bound(rule, bases.training_jobs())
    _assert_refused(server.create(broken.body), broken.field, broken.words)


@pytest.mark.parametrize("rule", _bounds(JOB_RULES, "status"))
def test_bound_of_training_job_status(server: Server, stored_job: dict[str, Any], rule: Rule) -> None:
    """A status that breaks this bound is refused, and the error names the field and the rule."""
    broken = break_bound(rule, [stored_job])
    _assert_refused(server.update_status(broken.body), broken.field, broken.words)


@pytest.mark.parametrize("rule", _bounds(CHECKPOINT_RULES, "spec"))
def test_bound_of_checkpoint_spec(server: Server, rule: Rule) -> None:
    """A Checkpoint that breaks this bound is refused, and the error names the field and the rule."""
    broken = break_bound(rule, [bases.checkpoint()])
    _assert_refused(server.create(broken.body), broken.field, broken.words)


@pytest.mark.parametrize("rule", _bounds(CHECKPOINT_RULES, "status"))
def test_bound_of_checkpoint_status(server: Server, stored_checkpoint: dict[str, Any], rule: Rule) -> None:
    """A Checkpoint's status that breaks this bound is refused, and the error names the field and the rule."""
    broken = break_bound(rule, [stored_checkpoint])
    _assert_refused(server.update_status(broken.body), broken.field, broken.words)


@pytest.mark.parametrize("rule", _cel(JOB_RULES))
def test_cel_rule_of_training_job(server: Server, stored_job: dict[str, Any], rule: Rule) -> None:
    """Each manifest that breaks this rule alone is refused, and the error names the field and says the rule."""
    key, job = _key(rule), bases.training_jobs()[0]
    field = ".".join(part for part in (*rule.path, key[1].lstrip(".")) if part).replace(".[]", "[0]")
    words = rule.demand["message"]
    on_create = cel_breaks.ON_CREATE.get(key, [])
    for changes in on_create:
        _assert_refused(server.create(changed(job, changes)), field, words)
    for changes in cel_breaks.ON_UPDATE.get(key, []):
        _assert_refused(server.update(changed(stored_job, changes)), field, words)
    for changes in cel_breaks.ON_STATUS.get(key, []):
        _assert_refused(server.update_status(changed(stored_job, changes)), field, words)
    assert on_create or key in cel_breaks.ON_UPDATE or key in cel_breaks.ON_STATUS, f"no manifest breaks {rule.id}"


@pytest.mark.parametrize("rule", _cel(CHECKPOINT_RULES))
def test_cel_rule_of_checkpoint(server: Server, stored_checkpoint: dict[str, Any], rule: Rule) -> None:
    """Each Checkpoint that breaks this rule alone is refused, and the error names the field and says the rule."""
    key = _key(rule)
    field = ".".join(part for part in (*rule.path, key[1].lstrip(".")) if part)
    for changes in cel_breaks.CHECKPOINT_ON_UPDATE.get(key, []):
        _assert_refused(server.update(changed(stored_checkpoint, changes)), field, rule.demand["message"])
    for changes in cel_breaks.CHECKPOINT_ON_STATUS.get(key, []):
        _assert_refused(server.update_status(changed(stored_checkpoint, changes)), field, rule.demand["message"])
    assert key in cel_breaks.CHECKPOINT_ON_UPDATE | cel_breaks.CHECKPOINT_ON_STATUS, f"no manifest breaks {rule.id}"


def test_no_broken_manifest_is_for_a_rule_that_is_gone() -> None:
    """Every entry of the table of broken manifests belongs to a rule of the schema."""
    tables = (cel_breaks.ON_CREATE, cel_breaks.ON_UPDATE, cel_breaks.ON_STATUS)
    known = {_key(rule) for rule in JOB_RULES if rule.keyword == CEL}
    assert {key for table in tables for key in table} <= known
    known = {_key(rule) for rule in CHECKPOINT_RULES if rule.keyword == CEL}
    assert cel_breaks.CHECKPOINT_ON_UPDATE.keys() | cel_breaks.CHECKPOINT_ON_STATUS.keys() <= known


def test_evaluation_cannot_be_added_later(server: Server) -> None:
    """An optional immutable field can't appear after creation either."""
    body = changed(bases.training_jobs()[0], {"spec.evaluation": GONE, "metadata.name": "without-evaluation"})
    created = server.create(body, dry_run=False)
    assert isinstance(created, dict), created
    answer = server.update(changed(created, {"spec.evaluation": {"questions": 5}}))
    _assert_refused(answer, "spec.evaluation", "is immutable")


@pytest.mark.parametrize("changes", cel_breaks.LEGAL_UPDATES, ids=lambda changes: next(iter(changes)))
def test_legal_update_is_accepted(server: Server, stored_job: dict[str, Any], changes: dict[str, Any]) -> None:
    """What may change after creation can be changed."""
    answer = server.update(changed(stored_job, changes))
    assert isinstance(answer, dict), answer


@pytest.mark.parametrize("changes", cel_breaks.LEGAL_STATUS_UPDATES, ids=lambda changes: next(iter(changes)))
def test_legal_status_is_accepted(server: Server, stored_job: dict[str, Any], changes: dict[str, Any]) -> None:
    """Sums may rise or stay, and what isn't a sum may change or vanish."""
    answer = server.update_status(changed(stored_job, changes))
    assert isinstance(answer, dict), answer


def test_unknown_field_is_refused(server: Server) -> None:
    """Strict validation names a field that the API doesn't have."""
    answer = server.create(changed(bases.training_jobs()[0], {"spec.algorithm.grpo.stepz": 5}))
    assert isinstance(answer, Refusal)
    assert 'unknown field "spec.algorithm.grpo.stepz"' in answer.message


def test_defaults_are_those_of_the_models(server: Server) -> None:
    """What the API server fills in is what the models would."""
    body = bases.example("minimal")
    answer = server.create(body)
    assert isinstance(answer, dict), answer
    ours, theirs = TrainingJob.model_validate(body), TrainingJob.model_validate(answer)
    assert ours.spec == theirs.spec


@pytest.mark.parametrize("kind", KINDS)
def test_columns_are_those_declared(server: Server, kind: type[TrainingJob | Checkpoint]) -> None:
    """`kubectl get -o wide` shows the declared columns, in order."""
    body = bases.training_jobs()[0] if kind is TrainingJob else bases.checkpoint()
    server.create(changed(body, {"metadata.namespace": "team-a"}), dry_run=False)
    header = server.must("get", kind.names.plural, "-n", "team-a", "-o", "wide").splitlines()[0]
    assert ["NAME", *(column.name.upper() for column in kind.columns)] == header.split()
    narrow = server.must("get", kind.names.short_names[0], "-n", "team-a").splitlines()[0]
    assert ["NAME", *(column.name.upper() for column in kind.columns if not column.priority)] == narrow.split()


def test_columns_show_values(server: Server, stored_job: dict[str, Any]) -> None:
    """Every column of a job with a full status has a value: its path and its type are right."""
    name = stored_job["metadata"]["name"]
    table = server.must("get", "tj", name, "-o", "wide").splitlines()
    expected = ["full", "Completed", "3/60", "5", "0.5", "1.5", "25.00", None, "2", "1", "a-checkpoint", "10"]
    shown = table[1].split()
    assert [want or got for want, got in itertools.zip_longest(expected, shown)] == shown


def test_explain_tells_a_field(server: Server) -> None:
    """`kubectl explain` shows the text that stands below the field in Python."""
    text = " ".join(server.must("explain", "trainingjobs.spec.budget.maxCostUSD").split())
    assert "The most that this job may cost, in US dollars; greater than 0." in text


def test_category_lists_both_kinds(
    server: Server, stored_job: dict[str, Any], stored_checkpoint: dict[str, Any]
) -> None:
    """`kubectl get trainyard` shows jobs and checkpoints; `kubectl get all` shows neither."""
    shown = server.must("get", "trainyard", "-o", "name").split()
    assert f"trainingjob.trainyard.dev/{stored_job['metadata']['name']}" in shown
    assert f"checkpoint.trainyard.dev/{stored_checkpoint['metadata']['name']}" in shown
    assert "trainyard.dev" not in server.must("get", "all", "-o", "name")
