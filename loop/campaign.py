"""A campaign is a fact: the fold of its events, and nothing else is ever state.

    campaign = Campaign.replay(problem, ledger.events())

Everything here derives from the events in the order of their sequence numbers; no clock, no file.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import fsum, sqrt
from statistics import fmean, stdev

import numpy as np

from loop import ranking
from loop.claims import FAILURE, Claims, Torn
from loop.facts import Facts, folded
from loop.ids import nth_id
from loop.ranking import Result
from loop.records import (
    REAL,
    TRANSIENT,
    Candidate,
    Event,
    Failed,
    Health,
    Measured,
    Observation,
    Problem,
)
from loop.space.values import Array

CHOSEN = frozenset({"model", "promoted"})  # origins of what past answers have led to
ATTEMPTS = 3  # a crashed or timed-out evaluation is asked again at most twice


@dataclass(frozen=True, slots=True, kw_only=True)
class _Account:
    """What the answers to one candidate come to: `refusal` is its last Failed, where that is no."""

    waits: bool
    refusal: Failed | None
    result: Result | None
    torn: Torn = field(default_factory=dict)


_UNASKED = _Account(waits=False, refusal=None, result=None)
_UNSAID = Claims()


@dataclass(frozen=True, kw_only=True)
class Campaign(Facts):
    """The facts after `seq` events, and what they come to.

    Results, failures, the best and all that follows from them are of one `fidelity`: of the real
    thing, unless the campaign is looked `at` another, so that values of different fidelities are
    never mixed. `pending`, `answered` and `asked` are of all of them.
    """

    fidelity: str = REAL

    @classmethod
    def replay(cls, problem: Problem, events: Iterable[Event]) -> "Campaign":
        """The state after these events, oldest first; CampaignError where they contradict."""
        return cls(problem=problem).extended(events)

    def extended(self, events: Iterable[Event]) -> "Campaign":
        """The state after these events too: the same as of a replay of all.

        Its cost is that of the new events: of a candidate that they do not touch nothing is worked
        out again, and this campaign stays as it is.
        """
        facts, touched = folded(self, events)
        after = Campaign(fidelity=self.fidelity, **facts)
        after._remember(self, touched)
        return after

    def _remember(self, before: "Campaign", touched: Iterable[str]) -> None:
        """Take over what `before` has worked out, where the touched candidates leave it true."""
        mine = vars(self)
        known = before.candidates
        if any(self.candidates[each] is not known[each] for each in touched if each in known):
            return  # a point was edited
        self._remember_asked(before)
        old: Mapping[str, _Account] | None = vars(before).get("_accounts")
        if old is None:
            return
        news = {each: self._account(self.candidates[each]) for each in touched}
        is_same = all(old.get(each) == new for each, new in news.items())
        mine["_accounts"] = accounts = old if is_same else {**old, **news}
        changes = [(old.get(each, _UNASKED), new) for each, new in news.items()]
        if all(was.waits or was is _UNASKED or not new.waits for was, new in changes):
            asked = (self.candidates[each] for each in news if each not in old)
            both = (*before.pending, *asked)
            mine["pending"] = tuple(each for each in both if accounts[each.id].waits)
        if all(was.refusal is new.refusal for was, new in changes):
            mine["failures"] = before.failures
        if not any(was.torn or new.torn for was, new in changes):
            mine["torn"] = before.torn
        if "leaders" in vars(before) and self._is_still_led(before.leaders, changes):
            mine["leaders"] = before.leaders

    def _remember_asked(self, before: "Campaign") -> None:
        """Take over what `before` has worked out of the points that were asked."""
        mine, late = vars(self), self.asked_since(before)
        if "rows" in vars(before):
            more = self.problem.space.encode(each.point for each in late)
            mine["rows"] = np.vstack([before.rows, more]) if late else before.rows
        if "keys" in vars(before):
            new = self.problem.space.keys(self.rows[len(before.candidates) :])
            mine["keys"] = before.keys.union(new) if late else before.keys
        if "own" in vars(before):
            more_own = [each for each in late if each.fidelity == self.fidelity]
            mine["own"] = (*before.own, *more_own) if more_own else before.own
        if "attached" in vars(before):
            mine["attached"] = before.attached + sum(map(is_past, late))

    def _is_still_led(
        self, leaders: tuple[Result, ...], changes: Sequence[tuple[_Account, _Account]]
    ) -> bool:
        """Whether these leaders stay: results were added only, and none is as good as they are."""
        changed = [(was.result, now.result) for was, now in changes if was.result != now.result]
        if any(was is not None for was, _ in changed):
            return False
        new = [now for _, now in changed if now and now.candidate.fidelity == self.fidelity]
        objective = self.problem.objective
        is_judged_alone = objective.way != "scalar"
        again = (*new, *leaders)
        return not new or (is_judged_alone and ranking.leading(objective, again) == leaders)

    def asked_since(self, before: "Campaign") -> list[Candidate]:
        """The candidates that it has and had not before, oldest first."""
        known = len(before.candidates)
        return [] if known == len(self.candidates) else [*self.candidates.values()][known:]

    def at(self, fidelity: str) -> "Campaign":
        """The same campaign, looked at one fidelity: its results, its failures, its best."""
        if fidelity == self.fidelity:
            return self
        view = replace(self, fidelity=self.problem.fidelity(fidelity).name)
        shared = {key: x for key, x in vars(self).items() if key in {"_accounts", "rows"}}
        vars(view).update(shared)
        return view

    @property
    def views(self) -> tuple["Campaign", ...]:
        """The campaign at every fidelity, the real thing first."""
        names = (REAL, *(each.name for each in self.problem.stand_ins))
        return tuple(self.at(name) for name in names)

    @cached_property
    def own(self) -> tuple[Candidate, ...]:
        """The candidates of this fidelity, in the order in which they were asked."""
        return tuple(each for each in self.candidates.values() if each.fidelity == self.fidelity)

    @cached_property
    def pending(self) -> tuple[Candidate, ...]:
        """Candidates that wait for an answer, or for the rest of one."""
        accounts = self._accounts
        return tuple(each for name, each in self.candidates.items() if accounts[name].waits)

    @cached_property
    def results(self) -> tuple[Result, ...]:
        """What has been measured, in the order in which it was asked."""
        found = (self._accounts[each.id].result for each in self.own)
        return tuple(result for result in found if result is not None)

    @property
    def all_results(self) -> Mapping[str, Result]:
        """What has been measured at any fidelity, by candidate: to be shown, not to be compared."""
        return {each.candidate.id: each for view in self.views for each in view.results}

    @cached_property
    def failures(self) -> tuple[tuple[Candidate, Failed], ...]:
        """Candidates whose answer is no, with their last Failed."""
        found = ((each, self._accounts[each.id].refusal) for each in self.own)
        return tuple((candidate, failed) for candidate, failed in found if failed is not None)

    @property
    def all_failures(self) -> tuple[tuple[Candidate, Failed], ...]:
        """The failures at every fidelity, those of the real thing first."""
        return tuple(failure for view in self.views for failure in view.failures)

    @property
    def answered(self) -> int:
        """How many candidates have their whole answer, measured or failed: the budget spent."""
        return self.asked - len(self.pending)

    @cached_property
    def rows(self) -> Array:
        """The points of all candidates as they were asked, encoded (n, d); not to be changed."""
        return self.problem.space.encode(each.point for each in self.candidates.values())

    @cached_property
    def keys(self) -> frozenset[bytes]:
        """What tells the points that were asked apart, whatever the fidelity."""
        return frozenset(self.problem.space.keys(self.rows))

    @property
    def own_keys(self) -> frozenset[bytes]:
        """What tells the points that were asked of this fidelity apart."""
        own = self.problem.space.keys(self.own_rows) if self.problem.stand_ins else self.keys
        return frozenset(own)

    @property
    def own_rows(self) -> Array:
        """The points of this fidelity's candidates as they were asked, encoded (n, d)."""
        if not self.problem.stand_ins:
            return self.rows
        is_own = [each.fidelity == self.fidelity for each in self.candidates.values()]
        own: Array = self.rows[np.array(is_own, dtype=bool)]
        return own

    @property
    def asked(self) -> int:
        """How many candidates count toward the budget: all but the vetoed and past data."""
        return len(self.candidates) - len(self.vetoed) - self.attached

    @cached_property
    def attached(self) -> int:
        """How many candidates are past data: measured before, and not paid for by the budget."""
        return sum(map(is_past, self.candidates.values()))

    @property
    def best(self) -> Result | None:
        """The best result that is known to keep every bound, by what is wanted of it.

        None where several goals have only a `front`, and where nothing is to be best.
        """
        is_front = self.problem.objective.way == "pareto"
        return None if is_front or not self.leaders else self.leaders[0]

    @property
    def health(self) -> Mapping[str, Health]:
        """What the newest model said of itself, by target; empty before there is one."""
        told = (
            each.why.health
            for each in reversed([*self.candidates.values()])
            if each.why.health and each.why.of == self.fidelity
        )
        return next(told, {})

    @property
    def contenders(self) -> tuple[Result, ...]:
        """Results that have every wanted target and keep every bound."""
        return ranking.contending(self.problem.objective, self.results)

    @property
    def front(self) -> tuple[Result, ...]:
        """The contenders that no other beats in every wanted goal, in the order of asking."""
        return ranking.unbeaten(self.problem.objective, self.results)

    @property
    def ranked(self) -> tuple[Result, ...]:
        """The contenders, best first; of several goals front after front, in the order of asking.

        Where no answer is better than another, as they were asked.
        """
        return ranking.ranked(self.problem.objective, self.results)

    @cached_property
    def leaders(self) -> tuple[Result, ...]:
        """What there is to show for it: the best, or the whole front where there is no one best."""
        return ranking.leading(self.problem.objective, self.results)

    @property
    def gains(self) -> tuple[tuple[Candidate, float | None], ...]:
        """How well it went after each answered candidate: a number that never falls, None before.

        Past data is where it begins, and no step of its own.

        The utility of the best so far, in the unit of its target; its desirability; its balance
        (`loop.front.balance`); of a front, the hypervolume as a share of the box between the
        reference point and the best of each goal; of pure learning, the number of results.
        Boxes and scales are those of all results so far, so that the steps compare.
        """
        contenders = self.contenders
        amounts = ranking.amounts(self.problem.objective, contenders)
        known = {r.candidate.id: x for r, x in zip(contenders, amounts.tolist(), strict=True)}
        steps: list[tuple[Candidate, float | None]] = []
        gain: float | None = None
        for candidate in self.own:
            if self._accounts[candidate.id].waits or candidate.id in self.vetoed:
                continue
            gain = max((x for x in (known.get(candidate.id), gain) if x is not None), default=None)
            if not is_past(candidate):
                steps.append((candidate, gain))
        return tuple(steps)

    @property
    def trace(self) -> tuple[tuple[Candidate, float | None], ...]:
        """After each answered candidate, the best value so far of a single goal, in its unit.

        Of several goals, and of pure learning, the `gains`. None before the first.
        """
        objective = self.problem.objective
        if objective.way != "single":
            return self.gains
        lead = objective.lead
        known = [result.values[lead.name] for result in reversed(self.contenders)]
        values = {lead.utility(value): value for value in known}  # the first of equals stays
        return tuple((each, None if gain is None else values[gain]) for each, gain in self.gains)

    def ids(self, count: int) -> tuple[str, ...]:
        """Ids for the next `count` candidates: a number, and a code that betrays a typing error."""
        first = len(self.candidates) + 1
        return tuple(candidate_id(self.problem, number) for number in range(first, first + count))

    def led_to(self, candidate: str) -> tuple[str, ...]:
        """The candidates that a model chose while the answer of this one, as it holds, was used.

        Those proposed after it was recorded, and before it was retracted.
        """
        first, last = self.informing.get(candidate, (0, 0))
        later = tuple(self.candidates.values())[first:last]
        return tuple(each.id for each in later if each.why.origin in CHOSEN or each.why.model)

    @cached_property
    def torn(self) -> Mapping[str, Torn]:
        """By candidate, the answers that contradict one another: none is used, a person decides."""
        return {each: account.torn for each, account in self._accounts.items() if account.torn}

    def holding(self, candidate: str) -> tuple[Observation, ...]:
        """The answers that hold; of what an oracle computes every failure: attempts are counted."""
        claims = self.claims.get(candidate, _UNSAID)
        told = claims.made.get((FAILURE, ""), ())
        failed = [each.answer for each in told if not each.file and each.answer is not None]
        held = {id(answer): answer for _, answer in claims.holding()}
        counted = {id(answer) for answer in failed}
        return (*failed, *(answer for key, answer in held.items() if key not in counted))

    def measurements(self, candidate: str) -> tuple[Measured, ...]:
        """Every measured answer to a candidate, superseded ones too, oldest first."""
        return tuple(
            each for each in self.observations.get(candidate, ()) if isinstance(each, Measured)
        )

    def latest(self, candidate: str) -> dict[tuple[str, str], Measured]:
        """The answer that holds for each (target, replicate) of a candidate."""
        return {
            key: answer
            for key, answer in self.claims.get(candidate, _UNSAID).holding()
            if isinstance(answer, Measured) and key[0] in answer.values
        }

    @cached_property
    def _accounts(self) -> Mapping[str, _Account]:
        """The account of every candidate, in the order of asking."""
        return {each.id: self._account(each) for each in self.candidates.values()}

    def _account(self, candidate: Candidate) -> _Account:
        refused, measured = self._refused(candidate.id), self._measured(candidate.id)
        gone = candidate.id in self.vetoed or candidate.id in self.retracted
        return _Account(
            waits=not gone and not is_past(candidate) and not refused and not measured,
            refusal=self._failures(candidate.id)[-1] if refused and not measured else None,
            result=self._result(candidate),
            torn=self.claims.get(candidate.id, _UNSAID).torn(),
        )

    def lacks(self, candidate: str) -> frozenset[str]:
        """The targets of which a candidate has no value yet, and should have at its fidelity."""
        asked = self.problem.fidelity(self.candidates[candidate].fidelity).targets
        claims = self.claims.get(candidate, _UNSAID)
        return frozenset(asked) - {target for (target, _), _ in claims.holding()}

    def is_short(self, candidate: str, wanted: int) -> bool:
        """Whether of `wanted` measurements of a candidate some are still to come.

        A value that names no replicate is the only one; what failed for good is not to be made
        again, and who cancels one will make no more.
        """
        held = self.claims.get(candidate, _UNSAID).holding()
        kinds = {each.kind for _, each in held if isinstance(each, Failed)}
        return "cancelled" not in kinds and any(
            "" not in replicates and len(replicates) < wanted
            for replicates in self._replicates(candidate)
        )

    def made(self, candidate: str) -> frozenset[str]:
        """The replicates of a candidate that are there for every target, or failed for good."""
        return frozenset.intersection(*self._replicates(candidate))

    def _replicates(self, candidate: str) -> list[frozenset[str]]:
        """For each target the replicates that are not to be made any more."""
        claims = self.claims.get(candidate, _UNSAID)
        held = {key: (claims.written(key), answer) for key, answer in claims.holding()}
        over = {
            replicate
            for replicate, answer in held.values()
            if isinstance(answer, Failed) and answer.kind not in TRANSIENT
        }
        asked = self.problem.fidelity(self.candidates[candidate].fidelity).targets
        return [
            frozenset(over | {r for (name, _), (r, _) in held.items() if name == target})
            for target in asked
        ]

    def _failures(self, candidate: str) -> list[Failed]:
        return [each for each in self.holding(candidate) if isinstance(each, Failed)]

    def _refused(self, candidate: str) -> bool:
        failures = self._failures(candidate)
        final = any(each.kind not in TRANSIENT for each in failures)
        return candidate not in self.retracted and (final or len(failures) >= ATTEMPTS)

    def _measured(self, candidate: str) -> bool:
        return not self.lacks(candidate)

    def _result(self, candidate: Candidate) -> Result | None:
        latest = self.latest(candidate.id)
        if not latest or candidate.id in self.retracted:
            return None
        per_target: dict[str, list[Measured]] = {}
        for (target, _), measured in latest.items():
            per_target.setdefault(target, []).append(measured)
        errors = {target: _standard_error(target, rows) for target, rows in per_target.items()}
        executed = next(
            (m.executed for m in reversed(latest.values()) if m.executed is not None), None
        )
        return Result(
            candidate=candidate,
            point=candidate.point if executed is None else executed,
            values={t: fmean(m.values[t] for m in rows) for t, rows in per_target.items()},
            errors={target: error for target, error in errors.items() if error is not None},
            repeats={target: sum(m.repeats for m in rows) for target, rows in per_target.items()},
        )


def is_past(candidate: Candidate) -> bool:
    """Whether a candidate was attached with its answer: nobody waits for the rest of it."""
    return candidate.why.origin == "attached"


def candidate_id(problem: Problem, number: int) -> str:
    """The id of a campaign's n-th candidate, such as `0007-kzf`."""
    return nth_id(problem.name, problem.seed, number)


def _standard_error(target: str, rows: Sequence[Measured]) -> float | None:
    """Standard error of the mean over replicates: from given errors, else from their spread."""
    given = [m.errors.get(target) for m in rows]
    known = [error for error in given if error is not None]
    if len(known) == len(rows):
        return sqrt(fsum(error**2 for error in known)) / len(rows)
    if len(rows) < 2:
        return None
    return stdev(m.values[target] for m in rows) / sqrt(len(rows))
