"""Cost: stated or learnt, relative, and counting less as the budget runs out."""

import numpy as np
import pytest

from loop.bayes import Bayes
from loop.campaign import Campaign
from loop.cost import FEW, Cost, cost, require_cost
from loop.errors import LoopError
from loop.records import Measured, Source
from loop.space.composition import Composition
from loop.space.parameters import Continuous
from loop.space.pool import Listing, Pool, pool
from tests.loop import rigs

T = Continuous(name="T", low=300.0, high=1300.0, unit="K")
ALLOY = Composition(name="alloy", elements=("Cu", "Pd"))


def timed(problem, count, seconds):
    """A campaign whose answers at `count` points took as long as `seconds` says of each."""
    chosen = rigs.candidates(problem, count)
    answers = [
        Measured(candidate=c.id, values={"y": 0.0}, source=Source(oracle="slow", seconds=s))
        for c, s in ((c, seconds(c.point)) for c in chosen)
    ]
    return rigs.replayed(problem, chosen, answers)


def priced(campaign: Campaign, how: str, budget: int | None = None) -> Cost:
    """The cost, which there is."""
    known = cost(campaign, how, budget)
    assert known is not None
    return known


@pytest.mark.parametrize(
    ("how", "dear"), [("2 + 0.01 * T", 15 / 5), ("T", 1300 / 300), ("max(T, 800)", 1300 / 800)]
)
def test_a_stated_cost_is_that_of_the_expression(how, dear):
    """In the parameters' units, relative to what was asked, whose mean log cost is 0."""
    campaign = rigs.evaluated(rigs.asked(T), lambda point: {"y": point["T"]}, 6)
    known = priced(campaign, how)
    low, high = known.log_cost(np.array([[0.0], [1.0]]))
    assert high - low == pytest.approx(np.log(dear))
    asked = campaign.problem.space.encode(c.point for c in campaign.candidates.values())
    assert known.log_cost(asked).mean() == pytest.approx(0.0)


def test_an_element_may_cost():
    """A fraction of a composition is a name like any other."""
    campaign = rigs.evaluated(rigs.asked(ALLOY), lambda _: {"y": 0.0}, 3)
    cheap, dear = priced(campaign, "1 + 99 * alloy.Pd").log_cost(np.array([[1.0, 0], [0, 1]]))
    assert dear - cheap == pytest.approx(np.log(100))


def test_durations_teach_what_is_slow():
    """Answers that take ten times as long at a = 1 as at a = 0 are learnt to."""
    campaign = timed(rigs.asked(), 20, lambda point: 10 ** point["a"])
    known = priced(campaign, "learnt")
    fast, slow = known.log_cost(np.array([[0.0, 0.5], [1.0, 0.5]]))
    assert slow - fast == pytest.approx(np.log(10), rel=0.1)


@pytest.mark.parametrize("count", [0, FEW - 1, FEW])
def test_few_durations_teach_nothing_and_say_so(count):
    """Below five, every candidate costs the same."""
    campaign = timed(rigs.asked(), 8, lambda point: 1 + point["a"])
    short = rigs.replayed(
        campaign.problem,
        list(campaign.candidates.values()),
        [each for answers in list(campaign.observations.values())[:count] for each in answers],
    )
    known = priced(short, "learnt")
    assert bool(known.cause) == (count < FEW)
    assert bool(np.ptp(known.log_cost(np.array([[0.0, 0.5], [1.0, 0.5]]))) == 0) == (count < FEW)


def test_equal_durations_cost_the_same():
    """Nothing to learn is no error."""
    known = priced(timed(rigs.asked(), 6, lambda _: 3.0), "learnt")
    assert known.log_cost(np.eye(2)).tolist() == [0.0, 0.0]


@pytest.mark.parametrize(("budget", "share"), [(None, 1.0), (24, 0.75), (6, 0.0), (3, 0.0)])
def test_cost_counts_by_the_share_of_the_budget_that_is_left(budget, share):
    """In full at first, and no longer at the end."""
    campaign = rigs.evaluated(rigs.asked(T), lambda _: {"y": 0.0}, 6)
    known, X = priced(campaign, "T", budget), np.array([[0.2], [0.9]])
    assert known.factor(X) == pytest.approx(-share * known.log_cost(X))


def test_without_cost_there_is_none():
    """Nothing is weighed by default."""
    assert cost(rigs.evaluated(rigs.asked(), rigs.hill, 6), None, 10) is None


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("T - 500", r"proposer.cost 'T - 500': expected a number above 0 .* at T = \d{3}"),
        ("log(T) / 0", "a number above 0"),
        ("2 + t", "expected terms among T"),
        ("T <= 3", "numbers, names"),
        ("2 +", "an expression such as"),
        ("__import__('os')", "a function among|numbers, names"),
    ],
)
def test_what_is_no_cost_is_refused(how, said):
    """With the key, what was expected and what was got."""
    with pytest.raises(LoopError, match=said):
        require_cost(how, rigs.asked(T).space)


@pytest.mark.parametrize("how", [None, "learnt", "2 + 0.01 * T", "5"])
def test_a_cost_is_accepted(how):
    """Also one that is the same everywhere; it then says what candidates cost, or why not."""
    problem = rigs.asked(T)
    require_cost(how, problem.space)
    price = cost(rigs.replayed(problem, [], []), how, 10)
    assert (price is None) == (how is None)
    if price is not None:
        assert np.isfinite(price.factor(np.array([[0.0], [1.0]]))).all()


def shop(prices) -> Pool:
    """Five materials in a row, the last two with the same feature, and what each costs."""
    listing = Listing(
        ids=list("abcde"),
        X=np.array([[0.0], [1.0], [2.0], [3.0], [3.0]]),
        features=("x",),
        beside={"price": np.array(prices)},
    )
    return pool("material", listing)


def test_a_column_of_a_pool_is_what_each_row_costs():
    """Also where two rows have the same features."""
    problem = rigs.asked(shop([1.0, 2.0, 4.0, 8.0, 80.0]))
    chosen = rigs.candidates(problem, 2)
    rows = priced(rigs.replayed(problem, chosen, []), "2 * material.price").rows
    assert rows is not None
    assert problem.space.pool is not None
    assert rows[4] - rows[3] == pytest.approx(np.log(10))
    asked = problem.space.pool.rows_of(c.point["material"] for c in chosen)
    assert rows[asked].mean() == pytest.approx(0.0)


def test_the_cheaper_of_two_equal_rows_is_asked():
    """The model cannot tell d from e; the price can."""
    for prices, expected in (([1.0, 1, 1, 8, 80], "d"), ([1.0, 1, 1, 80, 8], "e")):
        problem = rigs.asked(shop(prices))
        chosen = rigs.placed(problem, *({"material": each} for each in "abc"))
        answers = [rigs.measured(c, y=float(n)) for n, c in enumerate(chosen)]
        campaign = rigs.replayed(problem, chosen, answers)
        (found,) = Bayes(initial=3, cost="material.price").propose(campaign, 1)
        assert found.point["material"] == expected


def test_a_column_of_a_pool_goes_with_a_parameter():
    """The cost of a row, found by its features, and of a temperature."""
    listing = Listing(
        ids=list("abc"),
        X=np.eye(3),
        features=("x", "y", "z"),
        beside={"price": np.array([1, 2, 9.0])},
    )
    campaign = rigs.replayed(rigs.asked(pool("m", listing), T), [], [])
    X = campaign.problem.space.encode([{"m": "a", "T": 300.0}, {"m": "c", "T": 1300.0}])
    a, c = priced(campaign, "m.price + T / 100").log_cost(X)
    assert c - a == pytest.approx(np.log(22 / 4))


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("material.prize", "expected terms among material.price, got 'material.prize'"),
        ("material.price - 2", "a number above 0 in every row, got -1 at material = a"),
    ],
)
def test_what_is_no_cost_of_a_row_is_refused(how, said):
    """With the row."""
    with pytest.raises(LoopError, match=said):
        require_cost(how, rigs.asked(shop([1.0, 2, 3, 4, 5])).space)
