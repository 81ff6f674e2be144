"""Amounts to weigh, against masses worked out by hand from IUPAC's atomic masses."""

import pytest

from loop.errors import LoopError
from loop.space.composition import Composition
from oracles.folder.weighing import Weighing, labels, weighed

ALLOY = Composition(name="alloy", elements=("Ni", "Al"))
OXIDES = Composition(name="mix", elements=("Al2O3", "SiO2"))
POLYMER = Composition(name="mix", elements=("binder", "filler"))


@pytest.mark.parametrize(
    ("options", "fractions", "masses"),
    [
        # 0.5 mol Ni (58.6934 g/mol) and 0.5 mol Al (26.9815 g/mol): 68.507 % Ni by mass.
        ({}, {"Ni": 0.5, "Al": 0.5}, (6.8507, 3.1493)),
        ({}, {"Ni": 1.0}, (10.0, 0.0)),
        ({"unit": "mg", "amount": 1e4, "balance": 0.1}, {"Ni": 0.5, "Al": 0.5}, (6850.7, 3149.3)),
        ({"fractions": "mass"}, {"Ni": 0.5, "Al": 0.5}, (5.0, 5.0)),
        # 6.8507 g of nickel of 99.5 % by mass.
        ({"purity": {"Ni": 0.995}}, {"Ni": 0.5, "Al": 0.5}, (6.8851, 3.1493)),
        # NiO (74.6928 g/mol) brings one nickel: 6.8507 * 74.6928 / 58.6934.
        ({"precursor": {"Ni": "NiO"}}, {"Ni": 0.5, "Al": 0.5}, (8.7182, 3.1493)),
        # Al2O3 (101.9613 g/mol) brings two: 3.1493 * 101.9613 / (2 * 26.9815), of 98 %.
        (
            {"precursor": {"Al": "Al2O3"}, "purity": {"Al": 0.98}},
            {"Ni": 0.5, "Al": 0.5},
            (6.8507, 6.0720),
        ),
        ({"balance": 0.01}, {"Ni": 0.5, "Al": 0.5}, (6.85, 3.15)),
    ],
)
def test_masses_are_those_worked_out_by_hand(options, fractions, masses):
    """Ten grams of a sample, in mole fractions unless mass fractions are stated."""
    weighing = Weighing(**{"mixture": ALLOY, "amount": 10.0} | options)
    assert weighed(weighing, {"alloy": fractions}) == pytest.approx(masses, abs=1e-4)


def test_components_may_be_compounds():
    """Half a mole of each: 101.9613 and 60.0843 g/mol; Al(OH)3, 78.0036 g/mol, brings half."""
    point = {"mix": {"Al2O3": 0.5, "SiO2": 0.5}}
    plain = Weighing(mixture=OXIDES, amount=10.0)
    assert weighed(plain, point) == pytest.approx((6.2921, 3.7079), abs=1e-4)
    wet = Weighing(mixture=OXIDES, amount=10.0, precursor={"Al2O3": "Al(OH)3"})
    assert labels(wet) == ("weigh Al(OH)3 [g]", "weigh SiO2 [g]")
    assert weighed(wet, point)[0] == pytest.approx(6.2921 * 2 * 78.0036 / 101.9613, abs=1e-3)


def test_names_will_do_where_fractions_are_masses():
    """A binder has no formula, and needs none."""
    weighing = Weighing(mixture=POLYMER, amount=2.0, fractions="mass", purity={"binder": 0.5})
    assert weighed(weighing, {"mix": {"binder": 0.25, "filler": 0.75}}) == (1.0, 1.5)


@pytest.mark.parametrize(
    ("mixture", "options", "said"),
    [
        (ALLOY, {"unit": "cm"}, "oracle.weigh.unit: expected a value in 'g'"),
        (ALLOY, {"purity": {"Fe": 0.9}}, "a component among Ni, Al, got 'Fe'"),
        (ALLOY, {"purity": {"Ni": 99.5}}, "a share by mass above 0 and up to 1, got 99.5"),
        (ALLOY, {"precursor": {"Ni": "Al2O3"}}, "a formula that holds Ni, got 'Al2O3'"),
        (ALLOY, {"precursor": {"Ni": "Nix"}}, "a chemical formula such as 'NiO'"),
        (POLYMER, {}, "a chemical formula .* 'binder'. .* write fractions = \"mass\""),
    ],
)
def test_what_cannot_be_weighed_is_refused(mixture, options, said):
    """One sentence, with the key."""
    with pytest.raises(LoopError, match=said):
        Weighing(**{"mixture": mixture, "amount": 10.0} | options)
