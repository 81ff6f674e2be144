"""The worklist as a page to print: a block per sample, with room to write on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from loop.objective import Objective
from loop.records import Candidate, Prediction
from loop.space.composition import Composition
from loop.space.parameters import Parameter
from loop.space.space import SearchSpace
from oracles.folder.columns import WEIGH, fields, unit_of
from oracles.folder.making import Making
from oracles.folder.weighing import labels, weighed
from oracles.folder.worklist import code, sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One block: what to set, what to weigh, what to measure, each as (name, text)."""

    id: str
    code: str
    settings: Sequence[tuple[str, str]]
    amounts: Sequence[tuple[str, str]]
    results: Sequence[tuple[str, str]]
    repeats: int
    why: str


def as_page(
    candidates: Sequence[Candidate],
    space: SearchSpace,
    objective: Objective,
    making: Making,
    name: str,
) -> bytes:
    """One HTML file that needs nothing else, for paper of size A4."""
    samples = [_sample(each, space, objective, making) for each in candidates]
    return _template().render(samples=samples, name=name, repeats=making.repeats).encode()


def _sample(
    candidate: Candidate, space: SearchSpace, objective: Objective, making: Making
) -> Sample:
    weighing, point = making.weighing, candidate.point
    amounts = (
        () if weighing is None else zip(labels(weighing), weighed(weighing, point), strict=True)
    )
    predicted = candidate.why.predicted
    return Sample(
        id=candidate.id,
        code=code(candidate.id),
        settings=[line for p in space.parameters for line in _settings(p, candidate)],
        amounts=[_amount(label, mass) for label, mass in amounts if mass > 0],
        results=[
            (_titled(t.name, t.unit), _expected(predicted, t.name)) for t in objective.targets
        ],
        repeats=len(making.wanted(candidate.id)),
        why=sentence(candidate.why),
    )


def _settings(parameter: Parameter, candidate: Candidate) -> list[tuple[str, str]]:
    value = candidate.point[parameter.name]
    match parameter:
        case Composition(elements=elements):
            shares = value if isinstance(value, Mapping) else {}
            present = [e for e in elements if shares.get(e, 0.0) > 0]
            names = dict(zip(elements, fields(parameter), strict=True))
            return [(names[e], f"{shares[e]:.10g}") for e in present]
        case _:
            text = value if isinstance(value, str) else f"{value:.10g}"
            return [(parameter.name, f"{text} {unit_of(parameter)}".rstrip())]


def _amount(label: str, mass: float) -> tuple[str, str]:
    name, _, unit = label.removeprefix(WEIGH).partition(" [")
    unit, _, whom = unit.partition("]")
    return f"{name}{whom}", f"{mass:.10g} {unit}"


def _titled(name: str, unit: str) -> str:
    return f"{name} ({unit})" if unit else name


def _expected(predicted: Mapping[str, Prediction], name: str) -> str:
    known = predicted.get(name)
    return "" if known is None else f"expected {known.mean:.4g} ± {known.sd:.2g}"


@cache
def _template() -> Template:
    loader = PackageLoader("oracles.folder", "template")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("worklist.html")
