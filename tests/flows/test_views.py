"""What is shown of a campaign: the best of one goal, the front of several, and what was learnt."""

import json
from dataclasses import replace

import pytest

from flows.listing import as_json
from flows.views import SHOWN, lines, standing, verdict
from loop.objective import Target
from tests.loop import campaigns as made

TWO = (made.HARDNESS, made.COST)
GAP = Target(name="gap", unit="eV", goal="match", value=3.2)


@pytest.mark.parametrize(
    ("targets", "combine", "goal"),
    [
        ((made.HARDNESS,), "first", "max hardness [GPa]"),
        ((GAP,), "first", "match gap 3.2 [eV]"),
        ((Target(name="gap", goal="window", low=1.0, high=2.5),), "first", "window gap 1 to 2.5"),
        ((replace(GAP, goal="level"),), "auto", "level gap 3.2 [eV]"),
        (TWO, "auto", "max hardness [GPa], min cost [1/kg]; by pareto"),
        (TWO, "first", "max hardness [GPa]"),
    ],
)
def test_the_goal_is_said_in_a_few_words(targets, combine, goal):
    """With the numbers and the units, and how several goals are combined."""
    campaign, entries = made.campaign(made.problem("two", targets, combine=combine))
    assert standing(campaign, entries).goal == goal


def test_several_goals_show_their_front():
    """Ids and values of all, for programs; the first lines of it for people."""
    campaign, entries = made.campaign(made.problem("two", TWO, combine="pareto"), 40)
    shown, everything = standing(campaign, entries), as_json(campaign, entries)
    assert shown.best is None
    assert [each["candidate"] for each in shown.front] == [r.candidate.id for r in campaign.front]
    assert [each["values"] for each in everything["front"]] == [r.values for r in campaign.front]
    assert everything["combine"] == "pareto"
    assert json.loads(json.dumps(everything)) == everything
    said = "\n".join(lines(shown))
    assert f"Front: {len(campaign.front)} results that no other beats in every goal" in said
    assert all(result.candidate.id in said for result in campaign.front[:SHOWN])


def test_a_compromise_shows_its_best_and_the_front():
    """The best by all goals together, and what else might be chosen."""
    campaign, entries = made.campaign(made.problem("two", TWO, combine="scalar"))
    said = lines(standing(campaign, entries))
    assert sum(line.startswith("Best: hardness") for line in said) == 1
    assert sum(line.startswith("Front: ") for line in said) == 1


def test_the_newest_model_is_judged_where_people_look():
    """Its sentence with what to look at: in the terminal, and as JSON."""
    campaign, entries = made.campaign(made.problem("two"))
    shown = standing(campaign, entries)
    (said,) = [line for line in lines(shown) if "predicts it by 25 values" in line]
    assert "would not have believed 0003-abc" in said
    assert "At the end of its range: noise" in said
    assert said == verdict(campaign.health["hardness"])
    everything = json.loads(json.dumps(as_json(campaign, entries)))
    assert everything["health"]["hardness"]["r2"] == pytest.approx(1 - 4 / 26)
    assert everything["candidates"][-1]["why"]["health"] == everything["health"]


def test_without_a_model_nothing_is_said_of_one():
    """A design has no health."""
    campaign, entries = made.campaign(made.problem("two"), 6)
    assert campaign.health == {}
    assert not any("model" in line for line in lines(standing(campaign, entries)))


def test_before_the_first_answer_nothing_is_said_of_bounds():
    """There may be none, and no answer has broken one."""
    said = lines(standing(*made.campaign(made.problem("two", (made.HARDNESS,)), 0)))
    assert "Nothing has been measured yet." in said
    assert not any("bound" in line for line in said)
