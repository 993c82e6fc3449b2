"""A pydantic model as the structural schema of a CustomResourceDefinition.

Place in the data's way: before station 1. Refuses a model that would make a bad API (a field without a description, a
string, number, list or map without a bound, a float, a union) with the field's path. Adds no rule of its own; of the
defaults, those below a list's items stay in Python.
"""

from __future__ import annotations

import re
from typing import Any, get_args

from pydantic import BaseModel

JsonSchema = dict[str, Any]
INT32_MAX = 2**31 - 1
_PERL_CLASS = re.compile(r"(?<!\\)(\\\\)*\\[sSdDwWbBpP]")
"""Where Go, which matches patterns on the API server, and Rust, which does here, mean different characters."""
_RULES = "x-kubernetes-validations"
_CARRIED = ("pattern", "minLength", "maxLength", "minItems", "maxItems", "minimum", "maximum", "enum")


class UnfitModelError(Exception):
    """A model can't or must not become part of the API: `<path>: <rule>`."""


def structural_schema(model: type[BaseModel]) -> JsonSchema:
    """Makes the schema of a kind: everything inlined, bounded and described.

    Raises:
        UnfitModelError: the model breaks a rule of this API.
    """
    _refuse_undocumented(model, model.__name__)
    source = model.model_json_schema(by_alias=True)
    return _Inliner(source.pop("$defs", {})).object(source, model.__name__, root=True)


class _Inliner:
    """Turns the nodes of one pydantic schema into structural ones; knows its definitions."""

    def __init__(self, definitions: dict[str, JsonSchema]) -> None:
        self._definitions = definitions

    def node(self, source: JsonSchema, path: str) -> JsonSchema:
        """Makes one node, with its references resolved and its union with null taken as optional."""
        source = self._resolved(source, path)
        if "const" in source:
            source = source | {"enum": [source["const"]]}
        match source.get("type"):
            case "object" if "properties" in source:
                return self.object(source, path)
            case "object":
                return self._map(source, path)
            case "array":
                return self._list(source, path)
            case "string":
                return _string(source, path)
            case "integer":
                return _integer(source, path)
            case "boolean":
                return _scalar(source, {"type": "boolean"})
            case kind:
                raise UnfitModelError(f"{path}: an API field is a string, integer, boolean, list or map; got {kind}")

    def object(self, source: JsonSchema, path: str, *, root: bool = False) -> JsonSchema:
        """Makes a map with named fields; of a kind, only spec and status are ours to describe."""
        result: JsonSchema = {"type": "object", "description": _one_line(source["description"])}
        fields = source["properties"]
        if root:
            fields = {name: field for name, field in fields.items() if name in ("spec", "status")}
            result["properties"] = _type_meta()
        properties = result.setdefault("properties", {})
        for name, field in fields.items():
            properties[name] = self.node(field, f"{path}.{name}")
        if required := [name for name in source.get("required", []) if name in fields]:
            result["required"] = required
        if source.get("default"):
            # The fields have their own defaults, which the API server fills in one by one.
            result["default"] = {}
        return result | _extensions(source)

    def _resolved(self, source: JsonSchema, path: str) -> JsonSchema:
        siblings = {key: value for key, value in source.items() if key not in ("anyOf", "$ref")}
        if "anyOf" in source:
            members = [member for member in source["anyOf"] if member != {"type": "null"}]
            if len(members) != 1:
                raise UnfitModelError(f"{path}: a union has no structural schema; use one member per type")
            siblings = {key: value for key, value in siblings.items() if key != "default"}
            return self._resolved(members[0] | siblings, path)
        if "$ref" in source:
            return self._resolved(self._definitions[source["$ref"].rsplit("/", 1)[1]] | siblings, path)
        return source

    def _list(self, source: JsonSchema, path: str) -> JsonSchema:
        _needs(source, path, "maxItems", "x-kubernetes-list-type")
        # Filled in by the server, a default would make the stored list differ from the applied one for ever.
        items = _without_defaults(self.node(source["items"], f"{path}[]"))
        return _scalar(source, {"type": "array", "items": items})

    def _map(self, source: JsonSchema, path: str) -> JsonSchema:
        _needs(source, path, "maxProperties")
        keys, patterns = source.get("propertyNames", {}), source.get("patternProperties", {})
        if len(patterns) != 1 or "maxLength" not in keys:
            raise UnfitModelError(f"{path}: a map's keys need a pattern and maxLength")
        ((pattern, values),) = patterns.items()
        result = {
            "type": "object",
            "maxProperties": source["maxProperties"],
            "additionalProperties": self.node(values, f"{path}{{}}"),
        }
        node = _scalar(source, result)
        of_keys = [_key_rule(pattern, keys["maxLength"]), *map(_rule_of_keys, keys.get(_RULES, []))]
        return node | {_RULES: [*of_keys, *node.get(_RULES, [])]}


def _without_defaults(node: JsonSchema) -> JsonSchema:
    """Removes the defaults from a structural node and all below it."""
    result = {key: value for key, value in node.items() if key != "default"}
    for name in ("items", "additionalProperties"):
        if name in node:
            result[name] = _without_defaults(node[name])
    if "properties" in node:
        result["properties"] = {name: _without_defaults(field) for name, field in node["properties"].items()}
    return result


def _string(source: JsonSchema, path: str) -> JsonSchema:
    if "enum" not in source:
        _needs(source, path, "maxLength")
    if _PERL_CLASS.search(source.get("pattern", "")):
        raise UnfitModelError(f"{path}: a pattern must name its characters, for \\s differs; got {source['pattern']}")
    return _scalar(source, {"type": "string"} | ({"format": source["format"]} if "format" in source else {}))


def _integer(source: JsonSchema, path: str) -> JsonSchema:
    _needs(source, path, "minimum", "maximum")
    return _scalar(source, {"type": "integer", "format": "int32" if source["maximum"] <= INT32_MAX else "int64"})


def _scalar(source: JsonSchema, result: JsonSchema) -> JsonSchema:
    text = {"description": _one_line(source["description"])} if "description" in source else {}
    default = {"default": source["default"]} if source.get("default") not in (None, "", [], {}) else {}
    return result | text | {key: source[key] for key in _CARRIED if key in source} | default | _extensions(source)


def _extensions(source: JsonSchema) -> JsonSchema:
    return {key: value for key, value in source.items() if key.startswith("x-kubernetes-")}


def _key_rule(pattern: str, longest: int) -> dict[str, str]:
    # A structural schema has no word for a map's keys, so CEL says it.
    quoted = pattern.replace("\\", "\\\\").replace("'", "\\'")
    return {
        "rule": f"self.all(key, key.size() <= {longest} && key.matches('{quoted}'))",
        "message": f"keys must match {pattern} and have at most {longest} characters",
    }


def _rule_of_keys(entry: dict[str, str]) -> dict[str, str]:
    """Turns a rule on a key's text into one on the map."""
    rule = re.sub(r"\bself\b", "key", entry["rule"])
    return {"rule": f"self.all(key, {rule})", "message": f"keys {entry['message']}"}


def _refuse_undocumented(model: type[BaseModel], path: str) -> None:
    # On the models, for a schema shows a model's own text where a field has none.
    if not (model.__doc__ or "").strip():
        raise UnfitModelError(f"{path}: every model needs a docstring")
    for name, field in model.model_fields.items():
        here = f"{path}.{field.alias or name}"
        if not (field.description or "").strip():
            raise UnfitModelError(f"{here}: every field needs a description (a docstring below it)")
        for member in _models_in(field.annotation):
            _refuse_undocumented(member, here)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _needs(source: JsonSchema, path: str, *keywords: str) -> None:
    missing = [keyword for keyword in keywords if keyword not in source]
    if missing:
        raise UnfitModelError(f"{path}: everything in the API is bounded; {' and '.join(missing)} missing")


def _type_meta() -> JsonSchema:
    return {
        "apiVersion": {"type": "string", "description": "Version of the API that the object is written in."},
        "kind": {"type": "string", "description": "Kind of the object."},
        # The only restriction that Kubernetes allows on metadata; it lets rules name the field.
        "metadata": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 253}}},
    }
