"""Rules among parameters: what they mean, what they leave, and what they refuse."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loop.bayes import Bayes
from loop.campaign import Campaign
from loop.designs import design_size, fresh, spread
from loop.errors import SpaceError
from loop.records import Event, Observed, Opened, Proposed
from loop.space.composition import Composition
from loop.space.parameters import Categorical, Continuous, Discrete, Ordinal
from loop.space.rules import Dependent, Excluded, Expression, Linear, Span
from loop.space.space import SearchSpace
from loop.space.values import Point
from loop.space.witness import LOOKED_AT
from tests.loop import rigs
from tests.loop import strategies as some

T = Continuous(name="T", low=300.0, high=1200.0, unit="K")
LOG = Continuous(name="rate", low=0.01, high=100.0, log=True)
TIME = Discrete(name="time", low=10.0, high=60.0, step=5.0)
GRADE = Ordinal(name="grade", levels=(1.0, 2.0, 5.0, 10.0))
SOLVENT = Categorical(name="solvent", values=("water", "DMF"))
BASE = Categorical(name="base", values=("NaH", "KOH", "none"))
AMOUNT = Continuous(name="amount", low=0.0, high=2.0)
ALLOY = Composition(name="alloy", elements=("Cu", "Au", "Pd"))
ALL = (T, LOG, TIME, GRADE, SOLVENT, BASE, AMOUNT, ALLOY)
POINT: Point = {
    "T": 600.0,
    "rate": 1.0,
    "time": 20.0,
    "grade": 5.0,
    "solvent": "water",
    "base": "KOH",
    "amount": 0.5,
    "alloy": {"Cu": 0.5, "Au": 0.5},
}


def space(*rules, parameters=ALL):
    """The space of these parameters and rules."""
    return SearchSpace(parameters=parameters, constraints=rules)


def is_met(rule):
    """Whether POINT meets the rule."""
    free = SearchSpace(parameters=ALL)
    held = SearchSpace(parameters=ALL, constraints=(rule,))
    return bool(held.meets(free.encode([POINT]))[0])


@pytest.mark.parametrize(
    ("text", "met"),
    [
        ("T * time <= 12000", True),
        ("T * time <= 11999", False),
        ("T * time >= 11999", True),
        ("1 <= alloy.Cu / alloy.Au <= 1", True),
        ("3 >= 2 * rate >= 2.5", False),
        ("`time` ** 2 - -grade <= 405", True),
        ("max(T, time, 700) <= 700", True),
        ("min(T, time) + abs(0 - 5) <= 24", False),
        ("sqrt(T) + exp(rate) + log(grade) + log10(time) <= 31", True),
        ("sqrt(rate - 2) <= 5", False),
        ("1 / alloy.Pd <= 1e9", False),
    ],
)
def test_an_expression_is_worked_out_in_the_units_of_the_parameters(text, met):
    """Names stand for values as they are written; what is not finite is not met."""
    assert is_met(Expression(text=text)) is met


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("T.__class__.__name__ <= 1", "expected parameter or parameter.element"),
        ("__import__('os').system('true') <= 1", "expected"),
        ("(lambda: T)() <= 1", "expected"),
        ("[T][0] <= 1", "expected numbers, names"),
        ("T ** 999 <= 1", "powers of at most 64"),
        ("eval(T) <= 1", "a function among abs"),
        ("sqrt(T, time) <= 1", "sqrt of one argument, got 2"),
        ("min(T) <= 1", "min of two arguments or more, got 1"),
        ("T < 3", "one or two comparisons with <= or >="),
        ("T <= 3 >= time", "one inequality"),
        ("T", "one inequality"),
        ("T <=", "an inequality such as"),
        ("1 <= 2", "the name of a parameter"),
        ("True <= T", "numbers, names"),
        ("1e999 <= T", "finite numbers"),
        ("T <=", r"got invalid syntax at its end\."),
        ("2 * `T anneal` T <= 3", r"got invalid syntax at 'T <= 3'\."),
        ("2 * (T <= 3", r"got '\(' was never closed at '\(T <= 3'\."),
        ("9" * 600 + " <= T", "at most 500 characters"),
        ("pressure <= T", "terms among T, rate, .* got 'pressure'"),
        ("solvent <= 1", "terms among T, rate, .* got 'solvent'"),
    ],
)
def test_what_is_no_inequality_is_refused(text, said):
    """Nothing but arithmetic on known names gets past the parser."""
    with pytest.raises(SpaceError, match=said):
        space(Expression(text=text))


@pytest.mark.parametrize(
    ("when", "met"),
    [
        ({"solvent": ("water",), "base": ("KOH", "NaH")}, False),
        ({"solvent": ("water",), "base": ("NaH",)}, True),
        ({"grade": (5.0, 10.0)}, False),
        ({"solvent": ("water",), "T": Span(min=500.0)}, False),
        ({"solvent": ("water",), "T": Span(max=599.0)}, True),
        ({"rate": Span(min=0.5, max=1.0), "alloy.Cu": Span(min=0.5)}, False),
    ],
)
def test_an_excluded_combination_is_not_met(when, met):
    """All of its clauses at once, ends of spans included."""
    assert is_met(Excluded(when=when)) is met


def test_a_dependent_parameter_is_put_where_it_must_be():
    """No base has no amount: such points differ in nothing else, and none comes twice."""
    rule = Dependent(parameter="amount", on="base", values=("NaH", "KOH"), otherwise=0.0)
    bound = space(rule, parameters=(BASE, AMOUNT))
    points = bound.decode(fresh(bound, 60, 1, set()))
    amounts = [point["amount"] for point in points if point["base"] == "none"]
    assert amounts == [0.0]
    assert len({point["amount"] for point in points if point["base"] != "none"}) == 59
    with pytest.raises(SpaceError, match=r"amount = 0 unless base in \(NaH, KOH\)"):
        bound.check({"base": "none", "amount": 1.0})


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (Excluded(when={"gas": ("Ar",)}), r"a name among .* got 'gas'\. Of other numbers, exclude"),
        (Excluded(when={"solvent": ("oil",)}), r"= oil\), solvent: expected one of .*, got 'oil'"),
        (Excluded(when={"T": (300.0,)}), r"\(ordinal or categorical\), got 'T'\. .* a span"),
        (Excluded(when={"solvent": Span(min=1.0)}), r"\(numeric\), got 'solvent'\. Of names, list"),
        (
            Dependent(parameter="x", on="base", values=("NaH",), otherwise=0.0),
            r"got 'x'\. Name a par.*r\.$",
        ),
        (
            Dependent(parameter="amount", on="T", values=(300.0,), otherwise=0.0),
            r"got 'T'\. What .* listed",
        ),
        (
            Dependent(parameter="amount", on="base", values=("NaH",), otherwise=9.0),
            r"otherwise: .* to 2",
        ),
    ],
)
def test_a_rule_about_what_is_not_there_is_refused(rule, said):
    """Unknown names, values and illegal places are named."""
    with pytest.raises(SpaceError, match=said):
        space(rule)


@pytest.mark.parametrize(
    ("kind", "keys", "said"),
    [
        (Excluded, {"when": {}}, "parameters with values to exclude"),
        (Excluded, {"when": {"base": ()}}, "parameters with values to exclude"),
        (Span, {}, "min, max or both"),
        (Span, {"min": 2.0, "max": 1.0}, "min <= max"),
        (Dependent, {"parameter": "a", "on": "a", "values": ("x",)}, "on values of another"),
        (Dependent, {"parameter": "a", "on": "b", "values": ()}, "on values of another"),
    ],
    ids=str,
)
def test_a_rule_that_says_nothing_is_refused(kind, keys, said):
    """A rule has something to say."""
    otherwise = {"otherwise": 0.0} if kind is Dependent else {}
    with pytest.raises(SpaceError, match=said):
        kind(**keys, **otherwise)


NEVER = (Excluded(when={"base": ("NaH", "none")}), Excluded(when={"base": ("KOH",)}))


@pytest.mark.parametrize(
    ("parameters", "rules", "said"),
    [
        ((TIME, BASE), (Expression(text="time ** 2 >= 4000"),), "constraint 1 .* none is left"),
        ((BASE,), NEVER, r"constraint 2 \(not base = KOH\).* together with"),
        ((T, BASE), NEVER, r"constraint 2 \(not base = KOH\).* together with"),
        ((T, AMOUNT), (Expression(text="T * amount >= 2401"),), f"no point found in {LOOKED_AT}"),
        ((T,), (Excluded(when={"T": Span(min=200.0)}),), "constraint 1 .* none is left"),
    ],
)
def test_a_space_that_rules_have_emptied_is_refused(parameters, rules, said):
    """Exactly where it is finite or linear; else with the number of points looked at."""
    with pytest.raises(SpaceError, match=said):
        SearchSpace(parameters=parameters, constraints=rules)


def test_a_thin_nonlinear_space_is_found_and_filled():
    """A band that one draw in ten thousand hits has a design all the same."""
    band = space(Expression(text="599.99 <= T * (1 + amount) ** 2 <= 600"), parameters=(T, AMOUNT))
    X = spread(band, 20, 1, np.zeros((0, 2)))
    assert len(set(band.keys(X))) == 20
    assert band.meets(X).all()
    assert np.ptp(X[:, 0]) > 0.2


@pytest.mark.parametrize(
    ("parameters", "terms", "level", "count"),
    [
        ((T, TIME), {"T": 1.0, "time": 10.0}, 1000.0, 11),
        ((T, GRADE, AMOUNT), {"T": 0.01, "grade": 1.0, "amount": -1.0}, 8.0, 20),
        ((ALLOY, AMOUNT), {"alloy.Cu": 1.0, "amount": -1.0}, 0.0, 20),
    ],
)
def test_an_equality_holds_between_what_is_stepped_and_what_is_not(parameters, terms, level, count):
    """Continuous columns take up what steps leave; where steps decide, each point comes once."""
    tied = SearchSpace(
        parameters=parameters, constraints=(Linear(terms=terms, low=level, high=level),)
    )
    points = tied.decode(spread(tied, 20, 3, np.zeros((0, len(tied.columns)))))
    assert len(points) == count
    assert all(tied.contains(point) for point in points)


def test_what_is_held_stays():
    """The same columns, everything else free; and the rules hold beside what is held."""
    cap = Linear(terms={"T": 1.0, "time": 10.0}, high=1000.0)
    held = space(cap).holding({"T": 700.0, "base": "none"})
    points = held.decode(fresh(held, 30, 1, set()))
    assert held.columns == space(cap).columns
    assert {(point["T"], point["base"]) for point in points} == {(700.0, "none")}
    assert {point["time"] for point in points} == {10.0, 15.0, 20.0, 25.0, 30.0}
    assert len(held.held) == 4
    corner = held.extreme(np.ones(len(held.columns)))
    assert corner is not None
    assert held.meets(held.repair(corner[None])).all()


@pytest.mark.parametrize(
    ("fixed", "said"),
    [
        ({"pressure": 1.0}, "fixed: expected parameters among T, .* got 'pressure'"),
        ({"time": 12.0}, "steps of 5 from 10, got 12"),
        ({"T": 1000.0}, "none is left with {'T': 1000.0} held"),
    ],
)
def test_what_cannot_be_held_is_refused(fixed, said):
    """Unknown, illegal, or more than the rules leave."""
    with pytest.raises(SpaceError, match=said):
        space(Linear(terms={"T": 1.0, "time": 10.0}, high=1000.0)).holding(fixed)


def test_what_is_shared_must_exist():
    """A furnace that nobody varies cannot be shared."""
    with pytest.raises(SpaceError, match="shared: expected parameters among T, got 'p'"):
        SearchSpace(parameters=(T,), shared=("p",))


@pytest.mark.parametrize("parts", [4, 10])
@given(data=st.data())
def test_size_is_what_everything_lists(parts, data):
    """Bounds, steps and at_most of compositions are counted exactly."""
    alloys = some.composition().filter(lambda drawn: drawn.step == 1 / parts)
    drawn = SearchSpace(parameters=(data.draw(alloys), data.draw(some.categorical())))
    X = drawn.everything()
    assert drawn.size == len(X) == len(set(drawn.keys(X)))
    assert drawn.meets(X).all()
    assert np.array_equal(drawn.snap(X), X)


def test_what_is_too_large_is_counted_and_not_listed():
    """Ten elements in steps of 1 % make 4e12 alloys."""
    large = Composition(name="alloy", elements=tuple("abcdefghij"), step=0.01)
    assert SearchSpace(parameters=(large,)).size == 4263421511271
    with pytest.raises(SpaceError, match="at most 20000 points to list"):
        SearchSpace(parameters=(large,)).everything()


@pytest.mark.parametrize("step", [None, 0.1])
def test_a_fixed_part_is_held_with_and_without_steps(step):
    """A tenth of Pd in everything: low and high may be the same."""
    part = {"Pd": 0.1}
    alloy = Composition(name="alloy", elements=("Cu", "Au", "Pd"), step=step, low=part, high=part)
    mixed = SearchSpace(parameters=(alloy, Composition(name="b", elements=("x", "y"))))
    X = spread(mixed, 10, 1, np.zeros((0, 5)))
    assert mixed.held == {2: 0.1}
    assert X[:, 2] == pytest.approx(0.1)
    assert mixed.meets(X).all()


@pytest.mark.slow
@given(drawn=some.spaces(), seed=some.seeds)
@settings(max_examples=1000, deadline=None)
def test_a_design_of_any_space_is_right(drawn, seed):
    """A thousand spaces: legal, new, within bounds, sums of 1 to 1e-9, at most k present."""
    placed = fresh(drawn, 2, seed, set())
    X = spread(drawn, 4, seed, placed)
    assert len({*drawn.keys(placed), *drawn.keys(X)}) == len(placed) + len(X)
    assert all(drawn.contains(point) for point in drawn.decode(X))
    assert drawn.encode(drawn.decode(X)) == pytest.approx(X, abs=1e-9)
    for parameter in drawn.parameters:
        if isinstance(parameter, Composition):
            values = [point[parameter.name] for point in drawn.decode(X)]
            assert [sum(value.values()) for value in values] == pytest.approx(
                [1] * len(X), abs=1e-9
            )
            assert max(map(len, values), default=0) <= parameter.most


def test_a_design_shows_every_category_and_goes_on_where_it_stopped():
    """Seven solvents are all among the first seven points, also two by two."""
    many = SearchSpace(parameters=(T, Categorical(name="s", values=tuple("abcdefg"))))
    X = spread(many, 7, 1, np.zeros((0, 8)))
    assert {point["s"] for point in many.decode(X)} == set("abcdefg")
    assert np.array_equal(spread(many, 3, 1, X[:4]), X[4:])
    assert design_size(many) == 17


@pytest.mark.parametrize(
    ("parameters", "rules"),
    [
        ((T, TIME), (Linear(terms={"T": 1.0, "time": 10.0}, low=1000.0, high=1000.0),)),
        ((T, AMOUNT), (Expression(text="599.9 <= T * (1 + amount) ** 2 <= 600"),)),
        (
            (T, GRADE, BASE, AMOUNT),
            (
                Linear(terms={"T": 0.01, "grade": 1.0}, low=8.0, high=8.0),
                Excluded(when={"base": ("NaH",), "T": Span(min=500.0)}),
                Dependent(parameter="amount", on="base", values=("KOH",), otherwise=0.0),
            ),
        ),
    ],
    ids=["equality with steps", "curved band", "all at once"],
)
def test_what_the_model_chooses_meets_every_rule(parameters, rules):
    """Gradients know nothing of curves and steps: what they find is brought back."""
    bound = space(*rules, parameters=parameters)
    problem = replace(rigs.asked(*parameters), space=bound)
    asked = rigs.candidates(problem, 4)
    answers = [rigs.measured(c, y=bound.encode([c.point])[0, 0]) for c in asked]
    seen = (Observed(observation=answer) for answer in answers)
    events: tuple[Event, ...] = (Opened(problem=problem), Proposed(candidates=asked), *seen)
    campaign = Campaign.replay(problem, events)
    chosen = Bayes(initial=4).propose(campaign, 2)
    assert {each.why.origin for each in chosen} == {"model"}
    assert all(bound.contains(each.point) for each in chosen)
