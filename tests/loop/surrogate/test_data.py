"""What a model is fitted on: every measurement counts once, and each point stands in one row."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loop.campaign import Campaign
from loop.records import Measured, Opened, Proposed, Retracted
from loop.space.parameters import Continuous
from loop.space.pool import Listing, pool
from loop.surrogate.data import identities, training_data
from tests.loop import rigs

PLANE = rigs.asked()
HERE, THERE = {"a": 0.25, "b": 0.5}, {"a": 0.75, "b": 0.5}


def measured_at(*points, errors=(), repeats=(), events=()):
    """A campaign of one candidate and one value, 1.0, 2.0, ... per point, and these events."""
    chosen = rigs.placed(PLANE, *points)
    answers = [rigs.measured(each, y=n + 1.0) for n, each in enumerate(chosen)]
    for n, error in enumerate(errors):
        answers[n] = replace(answers[n], errors={} if error is None else {"y": error})
    for n, count in enumerate(repeats):
        answers[n] = replace(answers[n], repeats=count)
    asked = (Opened(problem=PLANE), Proposed(candidates=chosen))
    return Campaign.replay(PLANE, [*asked, *rigs.observed(*answers), *events])


def test_training_data_are_what_was_measured():
    """A row per measured point, in the order of columns; NaN where a target or an error is not."""
    problem = rigs.asked(Continuous(name="a", low=0.0, high=2.0), targets=(rigs.Y, rigs.Z))
    first, second, third = rigs.candidates(problem, 3)
    with_error = replace(rigs.measured(first, y=1.0, z=2.0), errors={"z": 0.5})
    answers = rigs.observed(with_error, rigs.failed(second), rigs.measured(third, z=3.0))
    got = training_data(rigs.campaign(problem, 3, *answers))
    assert got.ids == (third.id, first.id)
    assert np.array_equal(got.X, problem.space.encode([third.point, first.point]))
    assert np.array_equal(got.Y, [[np.nan, 3.0], [1.0, 2.0]], equal_nan=True)
    assert np.array_equal(got.Yvar, [[np.nan, np.nan], [np.nan, 0.25]], equal_nan=True)
    assert np.array_equal(got.known(0), [False, True])


def test_candidates_at_one_point_are_one_row():
    """Their mean, their number, the squares around the mean, and the id that was asked first."""
    got = training_data(measured_at(HERE, THERE, HERE, HERE))
    assert [each[:4] for each in got.ids] == ["0001", "0002"]
    assert got.Y[:, 0] == pytest.approx([(1 + 3 + 4) / 3, 2.0])
    assert got.counts[:, 0].tolist() == [3.0, 1.0]
    assert got.within == pytest.approx([np.var([1, 3, 4]) * 3])
    assert got.freedom.tolist() == [2.0]


def test_repeats_weigh_as_many_measurements():
    """A mean of three and a single value: four measurements, one degree of freedom between them."""
    got = training_data(measured_at(HERE, HERE, repeats=(3, 1)))
    assert got.Y[0, 0] == pytest.approx((3 * 1.0 + 2.0) / 4)
    assert got.counts[0, 0] == 4.0
    assert got.within == pytest.approx([3 * 0.25**2 + 0.75**2])
    assert got.freedom.tolist() == [1.0]


def test_known_errors_give_the_variance_of_the_mean_and_no_squares():
    """Two errors of 0.3 and 0.4 leave the mean with a quarter of the sum of their squares."""
    got = training_data(measured_at(HERE, HERE, errors=(0.3, 0.4)))
    assert got.Yvar[0, 0] == pytest.approx((0.3**2 + 0.4**2) / 4)
    assert (got.within[0], got.freedom[0]) == (0.0, 0.0)


def test_a_value_without_error_leaves_the_variance_of_its_row_to_be_learnt():
    """Each row keeps what is known of it; what is not known of one is not known of their mean."""
    got = training_data(measured_at(HERE, HERE, THERE, errors=(0.3, None, 0.2)))
    assert np.array_equal(got.Yvar, [[np.nan], [0.2**2]], equal_nan=True)
    assert got.freedom.tolist() == [1.0]


def test_points_count_as_they_were_executed():
    """What was asked there and made here is a measurement of here."""
    chosen = rigs.placed(PLANE, HERE, THERE)
    answers = [rigs.measured(each, y=n + 1.0) for n, each in enumerate(chosen)]
    answers[1] = replace(answers[1], executed=HERE)
    got = training_data(rigs.replayed(PLANE, chosen, answers))
    assert got.X.tolist() == [[0.25, 0.5]]
    assert got.Y.tolist() == [[1.5]]


def test_replicates_of_one_candidate_are_pooled_and_revisions_are_not():
    """Answers under different replicate marks all count; under one mark, the newest."""
    (one,) = rigs.placed(PLANE, HERE)
    answers = [rigs.measured(one, y=value) for value in (9.0, 1.0, 3.0)]
    answers[2] = replace(answers[2], replicate="b")
    got = training_data(rigs.replayed(PLANE, [one], answers))
    assert (got.Y[0, 0], got.counts[0, 0], got.freedom[0]) == (2.0, 2.0, 1.0)


def test_what_was_retracted_is_not_learnt_from():
    """Of three candidates at one point, one retracted, two are left."""
    names = [each.id for each in rigs.placed(PLANE, HERE, HERE, HERE)]
    gone = Retracted(candidate=names[0], reason="wrong vial")
    got = training_data(measured_at(HERE, HERE, HERE, events=(gone,)))
    assert got.ids == (names[1],)
    assert (got.Y[0, 0], got.counts[0, 0]) == (2.5, 2.0)


@given(order=st.permutations(range(9)))
@settings(max_examples=20)
def test_the_order_of_answers_does_not_matter(order):
    """Answers in any order, replicates among them, are the same rows in the same order."""
    chosen = rigs.placed(PLANE, HERE, THERE, HERE)
    answers = [
        replace(rigs.measured(each, y=value + more), replicate=mark)
        for each, value in zip(chosen, (0.1, 0.7, 1.3), strict=True)
        for mark, more in (("", 0.0), ("b", 0.3), ("c", 1 / 3))
    ]
    plain = training_data(rigs.replayed(PLANE, chosen, answers))
    other = training_data(rigs.replayed(PLANE, chosen, [answers[n] for n in order]))
    assert other.ids == plain.ids
    for name in ("X", "Y", "Yvar", "counts", "within", "freedom"):
        assert np.array_equal(getattr(other, name), getattr(plain, name), equal_nan=True), name


def test_rows_of_a_pool_are_told_apart_by_id():
    """Two ids with the same features are two rows of data; one id asked twice is one."""
    listing = Listing(ids=["p", "q", "r"], X=np.array([[1.0], [1.0], [2.0]]), features=("f",))
    problem = rigs.asked(pool("m", listing))
    chosen = rigs.placed(problem, {"m": "p"}, {"m": "q"}, {"m": "p"})
    answers: list[Measured] = [rigs.measured(c, y=float(n)) for n, c in enumerate(chosen)]
    got = training_data(rigs.replayed(problem, chosen, answers))
    assert got.Y[:, 0].tolist() == [1.0, 1.0]
    assert got.counts[:, 0].tolist() == [2.0, 1.0]
    assert identities(problem.space, [c.point for c in chosen]) == [b"p", b"q", b"p"]
