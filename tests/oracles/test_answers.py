"""What a program or a server says: taken whole, or refused in one sentence."""

from statistics import fmean, stdev

import pytest

from loop.objective import Objective, Target
from loop.records import Failed, Measured, Source
from oracles.answers import noisy, read
from oracles.testing import candidates

OBJECTIVE = Objective(targets=(Target(name="strength", unit="MPa"),))
(ASKED,) = candidates({"T": 500.0, "alloy": {"Cu": 0.25, "Au": 0.75}})
HERE = Source(oracle="here")


@pytest.mark.parametrize(
    ("text", "kind", "says"),
    [
        ("done", "invalid_output", "expected an answer in JSON, got 'done' ("),
        ("", "invalid_output", "expected an answer in JSON, got ''"),
        ("\xff", "invalid_output", "expected an answer in JSON"),
        ("[" * 100_000, "invalid_output", "expected an answer in JSON"),
        ("[1]", "invalid_output", "the answer: expected an object, got '[1]'"),
        ('{"values": {"strength": NaN}}', "invalid_output", "expected a finite number, got 'nan'"),
        ('{"values": {"strength": 1e999}}', "invalid_output", "values.strength: expected a finite"),
        ('{"values": {"strength": true}}', "invalid_output", "expected a valid number"),
        ('{"values": {"strength": "3"}}', "invalid_output", "expected a valid number, got '3'"),
        ('{"values": {}}', "invalid_output", "a number for every target, got none for strength"),
        ('{"values": {"strenght": 1}}', "invalid_output", "values of strength, got strenght"),
        ('{"strength": 1}', "invalid_output", "expected the keys values, errors, repeats, "),
        (
            '{"values": {"strength": 1}, "errors": {"strength": -1}}',
            "invalid_output",
            "errors.strength: expected greater than or equal to 0",
        ),
        (
            '{"values": {"strength": 1}, "executed": {"P": 1}}',
            "invalid_output",
            "executed: expected names among T, alloy, got P",
        ),
        ('{"failed": "infeasible", "message": "it melts"}', "infeasible", "it melts"),
        ('{"failed": "crashed"}', "crashed", "without a message"),
        ('{"failed": "sad"}', "invalid_output", "failed: expected 'infeasible', "),
    ],
)
def test_what_is_no_answer_is_refused(text, kind, says):
    """Nothing is guessed, converted or left out: one sentence says where, and what was got."""
    answer = read(text.encode("latin-1"), ASKED, OBJECTIVE, HERE)
    assert isinstance(answer, Failed)
    assert answer.kind == kind
    assert says in answer.message
    assert len(answer.message) < 300


def test_more_than_values_is_taken():
    """Standard errors, repeats, what was executed, and notes."""
    text = b"""{"values": {"strength": 4}, "errors": {"strength": 0.5}, "repeats": 3,
               "executed": {"T": 503.0}, "notes": {"furnace": "B"}}"""
    assert read(text, ASKED, OBJECTIVE, HERE) == Measured(
        candidate=ASKED.id,
        values={"strength": 4.0},
        errors={"strength": 0.5},
        repeats=3,
        executed={**ASKED.point, "T": 503.0},
        notes={"furnace": "B"},
        source=HERE,
    )


def test_noise_has_the_deviation_that_is_stated():
    """Over many candidates; each has its own, and the same when asked again."""
    known = [
        Measured(candidate=f"{n:04d}-abc", values={"y": 5.0, "z": 1.0}, source=HERE)
        for n in range(400)
    ]
    drawn = [noisy(each, {"y": 2.0}, seed=0) for each in known]
    values = [each.values["y"] for each in drawn]
    assert abs(fmean(values) - 5.0) < 0.3
    assert 1.8 < stdev(values) < 2.2
    assert {each.values["z"] for each in drawn} == {1.0}
    assert drawn == [noisy(each, {"y": 2.0}, seed=0) for each in known]
    assert drawn[0] != noisy(known[0], {"y": 2.0}, seed=2)


def test_a_stated_error_grows_by_the_noise():
    """What is not known stays unknown: a single value says nothing of its error."""
    told = Measured(candidate="a", values={"y": 5.0, "z": 1.0}, errors={"y": 3.0}, source=HERE)
    assert noisy(told, {"y": 4.0, "z": 1.0}, seed=0).errors == {"y": 5.0}
