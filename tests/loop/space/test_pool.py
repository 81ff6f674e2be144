"""Pools: ids and features, by row number; what is written down of one; designs that spread."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from loop.campaign import Campaign
from loop.decisions import opening
from loop.designs import fill
from loop.errors import CampaignError, PoolExhausted, SpaceError
from loop.objective import Objective, Target
from loop.records import Candidate, Opened, Problem, Proposed, Why
from loop.space.parameters import Continuous, Parameter
from loop.space.pool import Listing, Pool, pool
from loop.space.rules import Linear
from loop.space.space import SearchSpace
from loop.space.values import Point

SEEDS = st.integers(0, 2**32 - 1)


def drawn(count=40, width=3, seed=0, X=None, ids=None, content="") -> Pool:
    """A pool of random rows, or of these."""
    X = np.random.default_rng(seed).normal(500, 10, size=(count, width)) if X is None else X
    ids = [f"m-{n}" for n in range(count)] if ids is None else ids
    features = tuple(f"f{n}" for n in range(X.shape[1]))
    return pool("m", Listing(ids=ids, X=X, features=features, file="pool.csv", content=content))


@given(SEEDS, st.integers(2, 60), st.integers(1, 5))
def test_every_id_comes_back_from_its_columns(seed, count, width):
    """decode(encode(id)) == id, and the columns run from 0 to 1."""
    made = drawn(count, width, seed)
    assert [made.decode(made.encode(each)) for each in made.ids] == list(made.ids)
    assert (made.X.min(axis=0) == 0).all()
    assert (made.X.max(axis=0) == 1).all()


@given(SEEDS)
def test_snapping_gives_the_nearest_row_and_leaves_rows_alone(seed):
    """Any columns become those of the row at the least distance; those of a row stay bit by bit."""
    made = drawn(seed=seed)
    columns = np.random.default_rng(seed).uniform(-0.5, 1.5, size=(5, 3))
    distances = np.linalg.norm(columns[:, None] - made.X, axis=2)
    assert np.array_equal(made.snap(columns), made.X[distances.argmin(axis=1)])
    assert np.array_equal(made.snap(made.X), made.X)


def test_rows_with_equal_features_are_told_apart_by_id():
    """Two ids with the same features are two rows, each found by its own id and both proposed."""
    made = drawn(X=np.array([[1.0], [1.0], [2.0]]), ids=["a", "b", "c"])
    assert made.rows_of(["b", "a"]).tolist() == [1, 0]
    assert made.twins == ("a", "b")
    assert sorted(made.spread(3, seed=0)) == [0, 1, 2]


def test_ids_with_the_same_checksum_are_told_apart():
    """'plumless' and 'buckeroo' have one CRC-32; they are two ids all the same."""
    made = drawn(X=np.arange(3.0)[:, None], ids=["plumless", "x", "buckeroo"])
    assert made.rows_of(["buckeroo", "plumless"]).tolist() == [2, 0]


def test_a_column_that_never_varies_is_dropped_and_named():
    """It could not be scaled, and it tells nothing."""
    made = drawn(X=np.array([[1.0, 0.1, 5], [2, 0.1 + 1e-17, 5], [3, 0.1, 5]]), ids=["a", "b", "c"])
    assert (made.features, made.dropped, made.labels) == (("f0",), ("f1", "f2"), ("m.f0",))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ids": ["a", "b", "a"]}, "'a' in rows 1 and 3"),
        ({"X": np.array([[0.0], [np.nan], [1.0]])}, "row 2, 'f0': expected a finite number"),
        ({"X": np.ones((3, 1))}, "differs among the rows"),
        ({"ids": ["a"], "X": np.ones((1, 1))}, "two or more rows"),
    ],
)
def test_a_pool_that_cannot_be_searched_is_refused(changes, message):
    """Doubled ids, NaN, nothing that varies, a single row."""
    with pytest.raises(SpaceError, match=message):
        drawn(**{"ids": ["a", "b", "c"], "X": np.arange(3.0)[:, None]} | changes)


@pytest.mark.parametrize("value", ["m-4O", 7.0, "", {"a": 1.0}])
def test_an_unknown_id_is_refused(value):
    """The message counts the rows and never lists them."""
    made = drawn()
    assert value not in made
    with pytest.raises(SpaceError, match=r"one of the 40 rows of pool\.csv") as refused:
        made.check(value)
    assert len(str(refused.value)) < 200
    assert ("Did you mean 'm-4'?" in str(refused.value)) == (value == "m-4O")


def test_the_ledger_keeps_a_digest_and_no_rows():
    """What is read back equals the pool, is small, and says so where its rows are asked for."""
    made = drawn(10_000)
    codec = TypeAdapter(Parameter)
    text = codec.dump_json(made, exclude_defaults=True)
    read = codec.validate_json(text)
    assert read == made
    assert len(text) < 200
    with pytest.raises(SpaceError, match=r"10000 rows of pool\.csv, got a pool without rows"):
        read.encode("m-1")


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1},
        {"count": 41},
        {"ids": [f"n-{n}" for n in range(40)]},
        {"content": "other atoms"},
        {"width": 2},
    ],
)
def test_another_content_is_another_pool(changes):
    """A changed cell, a row more, another id, other atoms, a column less: none equals the first."""
    assert drawn(**changes) != drawn()
    assert drawn() == drawn()


@given(SEEDS, st.integers(1, 39))
def test_a_design_goes_on_as_it_would_have_in_one_piece(seed, first):
    """Rows asked for in two parts are those asked for at once, and none twice."""
    made = drawn()
    whole = made.spread(40, seed).tolist()
    start = made.spread(first, seed).tolist()
    assert start + made.spread(40, seed, start).tolist() == whole
    assert sorted(whole) == list(range(40))


def test_a_design_spreads_better_than_chance():
    """Farthest points of a flat pool leave at least twice the gap of random ones."""
    made = pool("m", Listing(ids=list(map(str, range(2000))), X=_flat(2000), features=("a", "b")))
    rng = np.random.default_rng(0)
    chance = np.median([_gap(made, rng.choice(2000, 12, replace=False)) for _ in range(20)])
    assert _gap(made, made.spread(12, seed=0)) > 2 * chance


def test_a_design_does_not_depend_on_the_order_of_the_rows():
    """The same rows in another order give a start of the same id."""
    order = np.random.default_rng(3).permutation(40)
    made, mixed = drawn(), drawn(ids=[f"m-{n}" for n in order], X=drawn().X[order])
    assert mixed.points(mixed.spread(5, 0)) == made.points(made.spread(5, 0))


def test_a_large_pool_is_spread_over_a_sample_until_that_is_used_up(monkeypatch):
    """More rows than the sample can be had, each once."""
    monkeypatch.setattr("loop.space.pool.SAMPLE", 10)
    made = drawn()
    assert sorted(made.spread(50, 0, range(20))) == list(range(20, 40))


def test_neighbours_come_nearest_first_without_the_row_itself():
    """The first is the nearest other row; there are never more than there are."""
    made = drawn()
    gaps = np.linalg.norm(made.X - made.X[7], axis=1)
    assert made.neighbours(7, 3).tolist() == np.argsort(gaps)[1:4].tolist()
    assert len(made.neighbours(7, 100)) == 39


T = Continuous(name="T", low=300, high=900)


def campaign(*parameters, points=(), **rules) -> Campaign:
    """A campaign on a space with these parameters, in which these points have been asked for."""
    space = SearchSpace(parameters=parameters, **rules)
    target = Target(name="y", goal="max")
    asked = Campaign(problem=Problem(name="p", space=space, objective=Objective(targets=(target,))))
    why = Why(origin="manual")
    ids = asked.ids(len(points))
    made = (Candidate(id=i, point=p, why=why) for i, p in zip(ids, points, strict=True))
    return asked if not points else replayed(asked.problem, [Proposed(candidates=tuple(made))])


def replayed(problem, events) -> Campaign:
    """The campaign after these events."""
    return Campaign.replay(problem, [Opened(problem=problem), *events])


def test_a_space_of_one_pool_crosses_the_border_by_row():
    """Points become rows of X and rows points, all of them; the space has as many as there are."""
    made = drawn()
    space = SearchSpace(parameters=(made,))
    points = made.points(range(40))
    assert space.pool is made
    assert space.size == 40
    assert np.array_equal(space.encode(points), made.X)
    assert space.decode(made.X) == points


def test_a_space_of_a_pool_and_more_has_no_pool_of_its_own():
    """It is a mixed space, of rows times values, which is never listed."""
    space = SearchSpace(parameters=(drawn(), T))
    point: Point = {"m": "m-7", "T": 450.0}
    assert space.pool is None
    assert space.size == np.inf
    assert space.decode(space.encode([point])) == [point]


def test_a_mixed_space_needs_rows_that_differ():
    """Its points are told apart by their columns only, so equal features are refused."""
    twins = drawn(X=np.array([[1.0], [1.0], [2.0]]), ids=["a", "b", "c"])
    assert SearchSpace(parameters=(twins,)).pool is twins
    with pytest.raises(SpaceError, match="the same features in 'a' and 'b'"):
        SearchSpace(parameters=(twins, T))


def test_what_a_ledger_keeps_of_a_mixed_space_with_constraints_can_be_read():
    """Without its rows the pool is no obstacle: the space was looked at when it was defined."""
    hot = Linear(terms={"T": 1.0}, low=400)
    space = SearchSpace(parameters=(drawn(), T), constraints=(hot,))
    codec = TypeAdapter(SearchSpace)
    assert codec.validate_json(codec.dump_json(space, exclude_defaults=True)) == space


def test_a_constraint_on_a_feature_is_refused():
    """The file is the place to say which rows are wanted."""
    with pytest.raises(SpaceError, match=r"got 'm\.f0'"):
        SearchSpace(parameters=(drawn(), T), constraints=(Linear(terms={"m.f0": 1}, low=0.5),))


def test_designs_ask_each_row_once_and_then_say_that_there_are_no_more():
    """All that is left comes, also of rows with equal features; then PoolExhausted."""
    made = drawn(X=np.repeat(np.arange(5.0), 2)[:, None], ids=list("abcdefghij"))
    asked = campaign(made, points=made.points([0, 3, 4]))
    found = [str(each.point["m"]) for each in fill(asked, 7, Why(origin="design"))]
    assert sorted(found) == sorted("bcfghij")
    with pytest.raises(PoolExhausted) as short:
        fill(asked, 8, Why(origin="design"))
    assert short.value.available == 7


def test_designs_of_a_mixed_space_are_rows_at_legal_values():
    """Every point is an id of the pool and a temperature within the constraint."""
    hot = Linear(terms={"T": 1.0}, low=600)
    space = campaign(drawn(), T, constraints=(hot,))
    points = [each.point for each in fill(space, 10, Why(origin="design"))]
    assert all(space.problem.space.contains(point) for point in points)
    assert len({point["m"] for point in points}) > 5


def test_another_file_is_named_when_a_campaign_is_opened_again():
    """The message says how many rows there were and are, and what to do."""
    problem, other = campaign(drawn()).problem, campaign(drawn(41)).problem
    decide = opening(other, {})
    with pytest.raises(CampaignError, match=r"40 rows of pool\.csv .* 41 rows, .* Put the file"):
        decide(replayed(problem, []))


def _flat(count):
    return np.random.default_rng(0).uniform(size=(count, 2))


def _gap(made, rows):
    """The least distance between two of the rows."""
    gaps = np.linalg.norm(made.X[rows][:, None] - made.X[rows], axis=2)
    return gaps[np.triu_indices(len(rows), 1)].min()
