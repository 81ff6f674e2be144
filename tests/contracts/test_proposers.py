"""What every proposer must do, ours or a user's: inherit `ProposerContract`, and make yours.

class TestMyProposer(ProposerContract):
    def proposer(self):
        return MyProposer(...)
"""

from dataclasses import replace

import numpy as np
import pytest

from loop.bayes import Bayes
from loop.campaign import Campaign
from loop.designs import Design
from loop.errors import Shortfall
from loop.ledger import decode_event, encode_event
from loop.objective import Bound, Objective, Target
from loop.protocols import Proposer
from loop.records import (
    Candidate,
    Failed,
    Measured,
    Observed,
    Opened,
    Problem,
    Proposed,
    Source,
    Vetoed,
)
from loop.space.composition import Composition
from loop.space.parameters import Categorical, Continuous, Discrete
from loop.space.pool import Listing, pool
from loop.space.rules import Linear
from loop.space.space import SearchSpace

T = Continuous(name="T", low=300.0, high=1200.0, unit="K")
RATE = Continuous(name="rate", low=1e-3, high=10.0, log=True)
TIME = Discrete(name="time", low=10.0, high=60.0, step=10.0)
GAS = Categorical(name="gas", values=("Ar", "N2"))
ALLOY = Composition(name="alloy", elements=("Cu", "Au", "Pd", "Ni"), at_most=3)
COARSE = Composition(name="alloy", elements=("Cu", "Au", "Pd"), low={"Cu": 0.2}, step=0.1)

MATERIAL = pool(
    "material",
    Listing(
        ids=[f"m-{n}" for n in range(60)],
        X=np.random.default_rng(0).normal(size=(60, 3)),
        features=("a", "b", "c"),
    ),
)
SPACES = {
    "continuous": SearchSpace(parameters=(T, RATE)),
    "mixed": SearchSpace(parameters=(T, TIME, GAS)),
    "composition": SearchSpace(parameters=(ALLOY, T)),
    "stepped": SearchSpace(parameters=(COARSE,)),
    "finite": SearchSpace(parameters=(TIME, GAS)),
    "pool": SearchSpace(parameters=(MATERIAL,)),
    "pool and more": SearchSpace(parameters=(MATERIAL, T)),
    "thin": SearchSpace(
        parameters=(T, TIME), constraints=(Linear(terms={"T": 1.0, "time": 10.0}, high=450.0),)
    ),
}
TARGETS = (Target(name="y"), Target(name="z", goal="observe"))
BOUND = Bound(target="z", sense="<=", value=0.6)


def answer(problem: Problem, candidate: Candidate, number: int) -> Observed:
    """A whole answer, every third one partial, every fifth one a failure."""
    x = problem.space.encode([candidate.point])[0]
    source = Source(oracle="contract")
    if number % 5 == 4:
        return Observed(
            observation=Failed(
                candidate=candidate.id, kind="infeasible", message="no", source=source
            )
        )
    values = {"y": float(np.sin(3 * x).sum()), "z": float(x[0])}
    if number % 3 == 2:
        del values["z"]
    return Observed(observation=Measured(candidate=candidate.id, values=values, source=source))


def campaign(space: SearchSpace, answered: int, pending: int = 0) -> Campaign:
    """A campaign with that many answers, one veto, and that many candidates without an answer."""
    problem = Problem(
        name="contract", space=space, objective=Objective(targets=TARGETS, bounds=(BOUND,))
    )
    opened = Opened(problem=problem)
    if answered + pending == 0:
        return Campaign.replay(problem, [opened])
    chosen = Design().propose(Campaign.replay(problem, [opened]), answered + pending + 1)
    answers = [answer(problem, each, n) for n, each in enumerate(chosen[1 : answered + 1])]
    veto = Vetoed(candidate=chosen[0].id, reason="contract")
    return Campaign.replay(problem, [opened, Proposed(candidates=tuple(chosen)), veto, *answers])


every_space = pytest.mark.parametrize("space", SPACES.values(), ids=SPACES.keys())


class ProposerContract:
    """The suite."""

    def proposer(self) -> Proposer:
        """A fresh proposer."""
        raise NotImplementedError

    @every_space
    @pytest.mark.parametrize(("answered", "pending"), [(0, 0), (0, 4), (7, 2)])
    def test_candidates_are_as_many_as_asked_feasible_and_new(self, space, answered, pending):
        """At every stage: the count, legal points, none asked before, none twice."""
        before = campaign(space, answered, pending)
        chosen = self.proposer().propose(before, 2)
        assert len(chosen) == 2
        for candidate in chosen:
            space.check(candidate.point)
        points = [each.point for each in (*before.candidates.values(), *chosen)]
        assert len(set(space.keys(space.encode(points)))) == len(points)

    @pytest.mark.parametrize("answered", [0, 7])
    def test_a_batch_shares_what_it_must(self, answered):
        """One temperature for all that are proposed together, and else they differ."""
        space = replace(SPACES["mixed"], shared=("T",))
        chosen = self.proposer().propose(campaign(space, answered), 3)
        assert len({each.point["T"] for each in chosen}) == 1
        assert len({str(each.point) for each in chosen}) == 3

    @pytest.mark.parametrize("answered", [0, 3])
    def test_a_batch_ends_where_what_it_shares_leaves_no_more(self, answered):
        """Six times under one gas: of seven candidates there are six at most; those are given."""
        before = campaign(replace(SPACES["finite"], shared=("gas",)), answered)
        with pytest.raises(Shortfall) as caught:
            self.proposer().propose(before, 7)
        assert 0 < caught.value.available <= 6
        chosen = self.proposer().propose(before, caught.value.available)
        assert len({each.point["gas"] for each in chosen}) == 1

    @pytest.mark.parametrize("count", [1, 3])
    def test_ids_are_the_next_of_the_campaign(self, count):
        """In order, so that two processes that propose at once collide."""
        before = campaign(SPACES["mixed"], 7, 1)
        chosen = self.proposer().propose(before, count)
        assert tuple(each.id for each in chosen) == before.ids(count)

    @every_space
    def test_the_same_campaign_gives_the_same_candidates(self, space):
        """A fresh proposer decides the same, and deciding changes nothing."""
        before = campaign(space, 7, 1)
        first = list(self.proposer().propose(before, 2))
        assert before == campaign(space, 7, 1)
        assert list(self.proposer().propose(before, 2)) == first

    def test_another_seed_gives_other_candidates(self):
        """The problem's seed is what randomness derives from."""
        points = []
        for seed in (0, 1):
            problem = Problem(
                name="contract",
                space=SPACES["continuous"],
                objective=Objective(targets=TARGETS),
                seed=seed,
            )
            opened = Campaign.replay(problem, [Opened(problem=problem)])
            points.append([each.point for each in self.proposer().propose(opened, 2)])
        assert points[0] != points[1]

    @every_space
    def test_what_is_proposed_can_be_written_down(self, space):
        """The codec reads back what it writes: no NaN, no infinity, nothing but plain values."""
        event = Proposed(candidates=tuple(self.proposer().propose(campaign(space, 7), 2)))
        assert decode_event(*encode_event(event)) == event
        assert all(each.why.origin for each in event.candidates)

    def test_a_shortfall_says_how_many_there_are(self):
        """Ten of twelve points are asked: of five more there are two, and those are given."""
        before = campaign(SPACES["finite"], 7, 2)
        with pytest.raises(Shortfall, match=r"5 points .* got 2") as caught:
            self.proposer().propose(before, 5)
        assert caught.value.available == 2
        assert len(self.proposer().propose(before, 2)) == 2

    def test_an_exhausted_space_has_nothing_available(self):
        """When every point has been asked, none is made up."""
        before = campaign(SPACES["finite"], 7, 4)
        with pytest.raises(Shortfall, match=r"1 points .* got 0") as caught:
            self.proposer().propose(before, 1)
        assert caught.value.available == 0


class TestDesign(ProposerContract):
    """Space-filling."""

    def proposer(self):
        """The design as it is."""
        return Design()


class TestBayes(ProposerContract):
    """With a design of its own first, and a model where seven candidates have been answered."""

    def proposer(self):
        """Bayes after four points."""
        return Bayes(initial=4)
