"""From pydantic's list of errors to one sentence for the person who wrote campaign.toml.

The sentence names the key as it stands in the file, what was expected, what was got and the
remedy; what was expected comes from the JSON Schema, so it cannot differ from what is published.
"""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, TypeAlias

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from loop.errors import SettingsError
from loop.records import Json

Loc: TypeAlias = Sequence[int | str]
Place: TypeAlias = tuple[str, ...]
Schema: TypeAlias = Mapping[str, Any]

SHOWN = 60  # characters of a wrong value that are repeated to its author


def refusal(
    error: ValidationError, model: type[BaseModel], raw: Mapping[str, Json], file: str
) -> SettingsError:
    """The first error as a SettingsError; a misspelt key before the missing one it stands for."""
    errors = sorted(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
    places = [_place(each, raw) for each in errors]
    place = places[0]
    same = [e for e, p in zip(errors, places, strict=True) if p == place]  # one per kind of value
    said = [_parts(each, model.model_json_schema()) for each in same]
    expected = " or ".join(dict.fromkeys(expected for expected, _, _ in said))
    _, got, remedy = said[0]
    if more := len(_apart(place, places)):
        remedy = f"{remedy} (Then {more} more to correct.)".strip()
    where = "".join(place).removeprefix(".")
    if errors[0]["type"].startswith("union_tag"):
        where += ".kind"
    return SettingsError(f"{file}: {where}", expected, got, remedy)


def nearest(name: object, valid: Iterable[str]) -> str:
    """`Did you mean ...?` with the valid name closest to this one; empty where none is close."""
    close = get_close_matches(str(name), list(valid), n=1, cutoff=0.5)
    return f"Did you mean {close[0]!r}?" if close else ""


def _parts(detail: ErrorDetails, schema: Schema) -> tuple[str, str, str]:
    """Expected, got, remedy."""
    loc, context = detail["loc"], detail.get("ctx", {})
    match detail["type"]:
        case "extra_forbidden":
            valid = sorted(_node(schema, loc[:-1]).get("properties", {}))
            remedy = nearest(loc[-1], valid) or "Remove it."
            return f"one of the keys {', '.join(valid)}", f"the unknown key {loc[-1]!r}", remedy
        case "missing":
            return _wanted(_node(schema, loc)), "nothing: the key is missing", f"Add {loc[-1]}."
        case "union_tag_not_found" if isinstance(detail["input"], Mapping):
            tags = sorted(_node(schema, loc)["discriminator"]["mapping"])
            return (
                f"a kind among {', '.join(tags)}",
                "none",
                f'Add kind = "{tags[0]}", for example.',
            )
        case "union_tag_invalid":
            tags = sorted(_node(schema, loc)["discriminator"]["mapping"])
            remedy = nearest(context["tag"], tags) or "Choose one of them."
            return f"a kind among {', '.join(tags)}", repr(context["tag"]), remedy
        case "literal_error":
            valid = _node(schema, loc).get("enum", [])
            return (
                _wanted(_node(schema, loc)),
                _shown(detail["input"]),
                nearest(detail["input"], valid),
            )
        case _:
            return _said(detail), _shown(detail["input"]), _slip(detail)


def _place(detail: ErrorDetails, raw: Json) -> Place:
    """The key as it stands in the file: `.parameter .T .low`, by name where there is one."""
    words, here, loc, tagged = [], raw, detail["loc"], None
    missing = loc[-1] if detail["type"] == "missing" else None
    for step in loc:
        match here:
            case {"kind": tag} if tag == step and here is not tagged:
                tagged = here  # a key may be called as the kind is: `function`, `command`
            case {} if isinstance(step, str) and (step in here or step == missing):
                words.append(f".{step}")
                here = here.get(step)
            case [*_] if isinstance(step, int) and step < len(here):
                here = here[step]
                named = here.get("name") if isinstance(here, Mapping) else None
                words.append(f".{named}" if isinstance(named, str) and named else f"[{step + 1}]")
            case _:  # the tag of a union, which the file does not spell as a step
                continue
    return tuple(words)


def _apart(place: Place, places: Iterable[Place]) -> set[Place]:
    """The places that are neither inside this one nor around it."""
    return {each for each in places if each[: len(place)] != place[: len(each)]}


def _node(schema: Schema, loc: Loc) -> Schema:
    """The part of the JSON Schema that governs this place; empty where it is silent."""
    node = schema
    for step in loc:
        node = _resolved(schema, _below(node, step))
    return node


def _below(node: Schema, step: int | str) -> Schema:
    """The part of a node that governs an item, a key, or the member of a union with that name."""
    if isinstance(step, int):
        found = node.get("items", {})
    elif step in (mapping := node.get("discriminator", {}).get("mapping", {})):
        found = {"$ref": mapping[step]}
    else:
        members = (m for m in node.get("anyOf", []) if m.get("$ref", "").endswith(f"/{step}"))
        others = node.get("additionalProperties") or {}
        found = node.get("properties", {}).get(step) or next(members, others)
    if not isinstance(found, Mapping) or not found:  # a member of a union that has no name there
        return node if "anyOf" in node else {}
    return found


def _resolved(schema: Schema, node: Schema) -> Schema:
    """The node with what it refers to; a union of one is that one, of choices all of them."""
    members = [each for each in node.get("anyOf", []) if each.get("type") != "null"]
    choices = [each.get("enum", [each.get("const")]) for each in members]
    if len(members) == 1:
        node = {**node, **members[0]}
    elif members and [None] not in choices:
        node = {**node, "enum": [choice for some in choices for choice in some]}
    if "$ref" in node:
        node = {**schema["$defs"][node["$ref"].rpartition("/")[2]], **node}
    return node


def _wanted(node: Schema) -> str:
    if "enum" in node:
        return "one of " + ", ".join(map(repr, node["enum"]))
    if "const" in node:
        return repr(node["const"])
    kind = {"object": "a table", "array": "a list"}.get(node.get("type", ""), "a value")
    kind = {"number": "a number", "integer": "a whole number", "string": "a string"}.get(
        node.get("type", ""), kind
    )
    says = node.get("description", "")
    return f"{kind} ({says.rstrip('.')})" if says else kind


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _said(detail: ErrorDetails) -> str:
    """What pydantic expected, in the words of a TOML file."""
    said = detail["msg"].removeprefix("Input should be ").removeprefix("List should have ")
    said = said.removeprefix("String should have ")
    if detail["type"] in {"model_type", "model_attributes_type", "dict_type"}:
        return "a table"
    if said.startswith(("greater", "less")):
        return f"a number {said}"
    return said.replace(" after validation, not 0", "")


def _slip(detail: ErrorDetails) -> str:
    """A word for the commonest slips: a number in quotes, a string without."""
    match detail["type"], detail["input"]:
        case (("float_type" | "int_type"), str()):
            return "Write the number without quotes."
        case "string_type", _:
            return "Put it in quotes."
        case "list_type", Mapping():
            return f"Write [[{detail['loc'][-1]}]], in double brackets."
        case "list_type", _:
            return "Put it in square brackets."
        case "too_short", _ if len(detail["loc"]) == 1:
            return f"Add a [[{detail['loc'][-1]}]]."
        case _:
            return "Correct the value."
