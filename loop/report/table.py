"""The table of observations: one line per candidate, every number with its unit in the head."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from loop.campaign import Campaign
from loop.objective import Target
from loop.records import REAL
from loop.report.quantities import column, label, setting, with_error
from loop.report.rows import Row, reason
from loop.space.composition import Composition
from loop.space.parameters import Categorical, Continuous, Discrete, Ordinal, Parameter
from loop.space.pool import Pool


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What is written, and the number to sort by where there is one."""

    text: str | Markup
    sort: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A head, and how to fill a cell; `brief` columns go into tooltips too."""

    head: str
    fill: Callable[[Row], Cell]
    css: str = ""
    brief: bool = True


def columns(campaign: Campaign, rows: Sequence[Row]) -> list[Column]:
    """The columns that this campaign needs."""
    objective = campaign.problem.objective
    found = [Column(head="candidate", fill=_id, css="id")]
    if campaign.problem.stand_ins:
        real = campaign.problem.fidelity(REAL).called
        found.append(
            Column(head="asked of", fill=lambda row: Cell(text=row.candidate.fidelity or real))
        )
    found += [_parameter(parameter) for parameter in campaign.problem.space.parameters]
    found += [_target(target, rows) for target in objective.targets]
    if any(objective.lead.name in row.candidate.why.predicted for row in rows):
        found.append(_predicted(objective.lead))
    found.append(Column(head="state", fill=_state, css="state"))
    found.append(Column(head="chosen by", fill=lambda row: Cell(text=row.candidate.why.origin)))
    found.append(Column(head="why", fill=_why, css="why", brief=False))
    return found


def _id(row: Row) -> Cell:
    return Cell(text=row.candidate.id, sort=row.number)


def _state(row: Row) -> Cell:
    said = () if row.state == "outside" else (row.state,)
    kind = "" if row.failed is None else row.failed.kind.replace("_", " ")
    return Cell(text=": ".join(filter(None, (*said, kind, row.remark))))


def _why(row: Row) -> Cell:
    return Cell(text=reason(row.candidate.why))


def _parameter(parameter: Parameter) -> Column:
    def fill(row: Row) -> Cell:
        value = row.point[parameter.name]
        sort = float(value) if isinstance(value, float | int) else None
        return Cell(text=setting(parameter, value), sort=sort)

    match parameter:
        case Ordinal(is_named=True) | Categorical() | Composition() | Pool():
            return Column(head=parameter.name, fill=fill)
        case Continuous() | Discrete() | Ordinal():
            return Column(head=label(parameter.name, parameter.unit), fill=fill, css="num")


def _target(target: Target, rows: Sequence[Row]) -> Column:
    values = [value for row in rows if (value := row.value(target.name)) is not None]
    write = column(values)

    def fill(row: Row) -> Cell:
        value = row.value(target.name)
        if value is None or row.result is None:
            return Cell(text="")
        error = row.result.errors.get(target.name)
        return Cell(text=with_error(value, error) if error else write(value), sort=value)

    return Column(head=label(target.name, target.unit), fill=fill, css="num")


def _predicted(lead: Target) -> Column:
    def fill(row: Row) -> Cell:
        prediction = row.candidate.why.predicted.get(lead.name)
        if prediction is None:
            return Cell(text="")
        return Cell(text=with_error(prediction.mean, prediction.sd), sort=prediction.mean)

    head = label(f"predicted {lead.name}, ± sd", lead.unit)
    return Column(head=head, fill=fill, css="num")
