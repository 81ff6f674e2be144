"""Amounts to weigh: from the fractions of a mixture to masses for one sample.

Notation: n_i moles and m_i mass of component i in the sample, M its molar mass. A mixture states
mole fractions x_i (m_i in proportion to x_i M_i) or mass fractions w_i (m_i in proportion to w_i).
What is weighed is the component, or a precursor that brings it: c_i components in one formula unit
of precursor P weigh m_i M_P / (c_i M_i), and of a purity p by mass one weighs 1 / p of that.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from loop.errors import SettingsError
from loop.space.composition import Composition
from loop.space.values import Point
from loop.units import convert
from oracles.folder.columns import WEIGH, titled

if TYPE_CHECKING:
    from pymatgen.core.composition import Composition as Formula

WHERE = "oracle.weigh"


@dataclass(frozen=True, kw_only=True)
class Weighing:
    """How the samples of a mixture are weighed in.

    `amount` is the mass of one sample in `unit`; `fractions` say what the mixture states; `purity`
    is by mass and component; `precursor` the formula of what is weighed instead of a component;
    `balance` the last digit of the balance, in `unit`.
    """

    mixture: Composition
    amount: float
    unit: str = "g"
    fractions: Literal["mole", "mass"] = "mole"
    purity: Mapping[str, float] = field(default_factory=dict)
    precursor: Mapping[str, str] = field(default_factory=dict)
    balance: float = 0.0001

    def __post_init__(self) -> None:
        """Raise SettingsError for a unit that is no mass, strangers, and formulas that are none."""
        convert(1.0, self.unit, "g", f"{WHERE}.unit")
        for key, stated in (("purity", self.purity), ("precursor", self.precursor)):
            for name in stated:
                if name not in self.mixture.elements:
                    known = ", ".join(self.mixture.elements)
                    where = f"{WHERE}.{key}.{name}"
                    raise SettingsError(where, f"a component among {known}", repr(name))
        for name, share in self.purity.items():
            if not 0 < share <= 1:
                expected = "a share by mass above 0 and up to 1"
                raise SettingsError(f"{WHERE}.purity.{name}", expected, f"{share:g}")
        _ = self.factors

    @cached_property
    def factors(self) -> Mapping[str, float]:
        """Mass to weigh for a unit of mass of each component, by component."""
        return {name: self._factor(name) for name in self.mixture.elements}

    @cached_property
    def molar(self) -> Mapping[str, float]:
        """By what each fraction counts as mass: its molar mass in g/mol, or one."""
        names = self.mixture.elements
        is_mole = self.fractions == "mole"
        return {name: float(_formula(name, "mixture").weight) if is_mole else 1.0 for name in names}

    def _factor(self, name: str) -> float:
        purity = self.purity.get(name, 1.0)
        _ = self.molar[name]
        if name not in self.precursor:
            return 1 / purity
        component, precursor = _formula(name, "mixture"), self._precursor(name)
        held = _held(component, precursor)
        if held is None:
            raise SettingsError(
                f"{WHERE}.precursor.{name}",
                f"a formula that holds {name}",
                repr(self.precursor[name]),
                "Correct it, or remove it to weigh the component itself.",
            )
        return float(precursor.weight / (held * component.weight) / purity)

    def _precursor(self, name: str) -> "Formula":
        return _formula(self.precursor[name], f"precursor.{name}")


def labels(weighing: Weighing) -> tuple[str, ...]:
    """The columns of the worklist: `weigh NiO [g]`, in the order of the components."""
    names = weighing.mixture.elements
    return tuple(
        titled(f"{WEIGH}{_substance(weighing, name)}", weighing.unit)
        + (f" for {name}" if _is_shared(weighing, name) else "")
        for name in names
    )


def weighed(weighing: Weighing, point: Point) -> tuple[float, ...]:
    """The mass of each component, or of its precursor, for one sample, to the balance's digit."""
    fractions = point[weighing.mixture.name]
    shares = fractions if isinstance(fractions, Mapping) else {}
    parts = {name: shares.get(name, 0.0) * x for name, x in weighing.molar.items()}
    whole = sum(parts.values())
    masses = (weighing.amount * parts[n] / whole * x for n, x in weighing.factors.items())
    return tuple(round(round(mass / weighing.balance) * weighing.balance, 9) for mass in masses)


def _substance(weighing: Weighing, name: str) -> str:
    return weighing.precursor.get(name, name)


def _is_shared(weighing: Weighing, name: str) -> bool:
    """Whether another component is brought by the same substance: then its column says for what."""
    substances = [_substance(weighing, each) for each in weighing.mixture.elements]
    return substances.count(_substance(weighing, name)) > 1


def _held(component: "Formula", precursor: "Formula") -> float | None:
    """How many components a formula unit of the precursor brings; None where it brings none.

    By the component's most electropositive element: Al2O3 from Al(OH)3 is one half. What else the
    precursor holds is burnt off or washed out.
    """
    metal = min(component.elements, key=lambda element: float(element.X))
    return float(precursor[metal] / component[metal]) if precursor[metal] else None


def _formula(text: str, key: str) -> "Formula":
    from pymatgen.core.composition import Composition as Formula  # noqa: PLC0415 - slow to import

    try:
        return Formula(text)
    except (ValueError, KeyError, AttributeError) as error:
        raise SettingsError(
            f"{WHERE}.{key}",
            "a chemical formula such as 'NiO', to know its molar mass",
            repr(text),
            'Name components by their formulas, or write fractions = "mass".',
        ) from error
