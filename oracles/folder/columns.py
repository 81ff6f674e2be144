"""What the columns of a results file mean, told by their headers: `name [unit]`.

candidate             the id on the worklist (`id` where there is no `candidate`)
replicate             tells repeated measurements of one candidate apart, as does `measurement`
revision              a whole number: a row with a higher one supersedes those with lower ones
status, reason        a failure: `failed` or a kind of `loop.records.Kind`; and why (`failure`
                      where there is no `status`)
toughness [J]         a target
toughness error [J]   the standard error of its value
executed:T [degC]     a parameter as it was really made, or actual:T; `executed:alloy.Cu` for a
                      composition
T [degC]              a parameter as it was asked, as on the worklist: only compared
code, why this one    what only the worklist says, as are repeats wanted, weigh ... and
                      predicted ..., and what rejected/ says: not read
anything else         a note
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Literal, TypeAlias

from loop.errors import OracleError, UnitError
from loop.objective import Objective
from loop.space.composition import Composition
from loop.space.parameters import Categorical, Parameter, is_named
from loop.space.pool import Pool
from loop.space.space import SearchSpace
from loop.units import convert
from oracles.folder.reading import Reading

Role: TypeAlias = Literal[
    "candidate",
    "replicate",
    "measurement",
    "revision",
    "status",
    "reason",
    "value",
    "error",
    "executed",
    "asked",
    "told",
    "note",
]
CODE, REPEATS, WHY = "code", "repeats wanted", "why this one"
WEIGH, PREDICTED = "weigh ", "predicted "
REJECTED = ("rejected row", "rejected column", "rejected because")
IDS = frozenset({"candidate", "id", CODE})  # which make a line the header of a results file
ALIASES: Mapping[str, Role] = {"id": "candidate", CODE: "candidate", "failure": "status"}
HEADER = re.compile(r"(?P<name>[^\[\]]*?)\s*(?:\[\s*(?P<unit>[^\[\]]*?)\s*\])?")
LOOSE = re.compile(r"(?P<name>[^()/]*?)\s*(?:\(\s*(?P<round>[^()]*?)\s*\)|/\s*(?P<unit>.+))")
MADE = re.compile(r"(?i)(?:actual|executed)(?P<colon>\s*:\s*|[\s_]+)(?P<name>.+)")
ALIKE = 0.8  # of two spellings of one name, at least


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """What one column holds.

    `subject` is the target or the parameter (`alloy.Cu` for a fraction), `unit` what the header
    states, `wanted` what the campaign counts in, `trouble` why no cell of it can be taken.
    """

    index: int
    header: str
    role: Role
    subject: str = ""
    unit: str = ""
    wanted: str = ""
    is_number: bool = False
    trouble: str = ""


def fields(parameter: Parameter) -> tuple[str, ...]:
    """The worklist's columns for a parameter: one, or one per element."""
    match parameter:
        case Composition():
            return parameter.labels
        case _:
            return (parameter.name,)


def unit_of(parameter: Parameter) -> str:
    """The unit of a parameter; names and fractions have none."""
    match parameter:
        case Composition() | Categorical() | Pool():
            return ""
        case _:
            return parameter.unit


def titled(name: str, unit: str) -> str:
    """A header: `name [unit]`, or the name alone."""
    return f"{name} [{unit}]" if unit else name


def vocabulary(space: SearchSpace, objective: Objective) -> dict[str, Column]:
    """What every header name means, by name; OracleError where one would mean two things."""
    roles: tuple[Role, ...] = ("candidate", "replicate", "status", "reason")
    known: list[tuple[str, Column]] = [
        (role, Column(index=-1, header=role, role=role)) for role in roles
    ]
    for target in objective.targets:
        name, unit = target.name, target.unit
        value = Column(index=-1, header="", role="value", subject=name, wanted=unit, is_number=True)
        error = Column(index=-1, header="", role="error", subject=name, wanted=unit, is_number=True)
        known += [(name, value), (f"{name} error", error)]
    for parameter in space.parameters:
        for label in fields(parameter):
            asked = Column(
                index=-1,
                header="",
                role="asked",
                subject=label,
                wanted=unit_of(parameter),
                is_number=not is_named(parameter),
            )
            known += [(label, asked), (f"executed:{label}", replace(asked, role="executed"))]
    later: tuple[Role, ...] = ("measurement", "revision")  # a target of that name comes first
    free = [role for role in later if role not in {name for name, _ in known}]
    known += [(role, Column(index=-1, header=role, role=role)) for role in free]
    names = [name for name, _ in known]
    for name in names:
        if names.count(name) > 1:
            raise OracleError(
                f"results column {name!r}",
                "a header that means one thing",
                "two of that name among targets, parameters and reserved words",
                "Rename the target or the parameter.",
            )
    return dict(known)


def header_test(known: Mapping[str, Column], reading: Reading) -> Callable[[Sequence[str]], bool]:
    """Tells whether cells are a header: one names the candidate or, without an id, a target.

    Where lines are headers themselves, any name that is known makes one.
    """
    roles = {"value", "status"} if reading.id_in_name or reading.ad_hoc or reading.reader else set()
    names = {name.casefold() for name, each in known.items() if reading.lines or each.role in roles}
    names |= IDS
    return lambda cells: any(
        split(reading.named(cell))[0].casefold() in names for cell in cells if cell
    )


def read_header(header: Sequence[str], known: Mapping[str, Column]) -> tuple[Column, ...] | str:
    """What every column holds; or why the header cannot be taken."""
    columns = read_columns(header, known)
    taken: dict[tuple[str, str], str] = {}
    for column in columns:
        is_named = column.role in {"note", "told"}
        key = (column.role, column.header if is_named else column.subject)
        if key in taken and column.header:
            return f"columns {taken[key]!r} and {column.header!r} are the same: keep one of them"
        taken[key] = column.header
    return columns


def read_columns(header: Sequence[str], known: Mapping[str, Column]) -> tuple[Column, ...]:
    """What every column holds, each for itself."""
    parts = [split(text) for text in header]
    names = {name for name, _ in parts}
    meanings = [_meaning(name, names, known) for name, _ in parts]
    return tuple(
        _column(index, text, meaning, unit)
        if meaning is not None or _is_ours(text)
        else _unknown(index, text, meanings, known)
        for index, (text, (_, unit), meaning) in enumerate(
            zip(header, parts, meanings, strict=True)
        )
    )


def as_made(columns: Sequence[Column]) -> tuple[Column, ...]:
    """The columns, a parameter as it was asked for what was made, where nothing else says it."""
    made = {column.subject for column in columns if column.role == "executed"}
    return tuple(
        replace(each, role="executed")
        if each.role == "asked" and each.subject not in made
        else each
        for each in columns
    )


def split(text: str) -> tuple[str, str]:
    """Name and unit of a header; what has other brackets is all name."""
    found = HEADER.fullmatch(text)
    if found is None:
        return text, ""
    name = re.sub(r"\s*:\s*", ":", found["name"])
    return re.sub(r"(?i)^(actual|executed):", "executed:", name), found["unit"] or ""


def _meaning(name: str, present: set[str], known: Mapping[str, Column]) -> Column | None:
    """What a name means: exactly as spelled, else in other case where only one thing fits."""
    if name in known:
        return known[name]
    role = ALIASES.get(name.casefold())
    others = {each.casefold() for each in present}
    if role is not None and role not in others and not (name.casefold() == CODE and "id" in others):
        return known[role]
    fits = [each for each in known if each.casefold() == name.casefold() and each not in present]
    # A lab's own column `t` is time as likely as the parameter `T`.
    return known[fits[0]] if len(fits) == 1 and known[fits[0]].role != "asked" else None


def _is_ours(header: str) -> bool:
    """Whether a column only repeats what the worklist said."""
    name = header.casefold()
    return name in {CODE, REPEATS, WHY, *REJECTED} or name.startswith((WEIGH, PREDICTED))


def _column(index: int, text: str, meaning: Column | None, unit: str) -> Column:
    """A column that is known, or only repeats what the worklist said."""
    if meaning is None:
        return Column(index=index, header=text, role="told")
    trouble = _trouble(meaning, unit) if meaning.is_number else ""
    return replace(meaning, index=index, header=text, unit=unit, trouble=trouble)


def _unknown(
    index: int, text: str, others: Sequence[Column | None], known: Mapping[str, Column]
) -> Column:
    """A note; or, as good as certainly, a result or what was made: then how to spell it."""
    name, unit = split(text)
    if found := LOOSE.fullmatch(text):
        name, unit = found["name"], found["round"] or found["unit"] or ""
    made = MADE.fullmatch(name)
    meant = _made(made, known) if made else _result(name, others, known)
    if meant is None:
        return Column(index=index, header=text, role="note")
    fits = meant.is_number and not _trouble(meant, unit)
    start, end = "actual:" if made else "", " error" if meant.role == "error" else ""
    right = titled(f"{start}{meant.subject}{end}", unit if fits else meant.wanted)
    return Column(
        index=index,
        header=text,
        role="value",
        subject=text,
        is_number=True,
        trouble=f"nothing is called {text!r} here: did you mean {right!r}?",
    )


def _result(
    name: str, others: Sequence[Column | None], known: Mapping[str, Column]
) -> Column | None:
    """Which result an unknown name means that no other column tells; where none does, the nearest.

    Beside a status, rows need no result.
    """
    results = {n.casefold(): each for n, each in known.items() if each.role in {"value", "error"}}
    missing = {n: each for n, each in results.items() if each not in others}
    is_lost = len(missing) == len(results) and known["status"] not in others
    close = get_close_matches(name.casefold(), missing, 1, ALIKE if is_lost else 1.0)
    return missing[close[0]] if close else None


def _made(found: re.Match[str], known: Mapping[str, Column]) -> Column | None:
    """Of which parameter a name tells what it really was; behind a colon, surely that of one."""
    labels = {each.subject.casefold(): each for each in known.values() if each.role == "executed"}
    cutoff = 0.0 if ":" in found["colon"] else 1.0
    close = get_close_matches(found["name"].casefold(), labels, 1, cutoff)
    return labels[close[0]] if close else None


def _trouble(meaning: Column, unit: str) -> str:
    """Why the numbers below a header cannot be brought into the campaign's unit."""
    wanted = meaning.wanted
    if not unit and wanted:
        return f"the header states no unit: write '[{wanted}]', or another that converts to it"
    try:
        convert(1.0, unit, wanted, f"unit [{unit}]")
    except UnitError:
        if not wanted:
            return f"the campaign has no unit of it: write the header without '[{unit}]'"
        return f"'{unit}' is not {wanted}, nor a unit that converts to it: write '[{wanted}]'"
    return ""
