"""What Prefect shows of a campaign, and the moments it tells, without a server."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from flows.folder import known
from flows.plain import run
from flows.rig import load
from flows.saying import changes
from flows.views import lines, standing
from flows.watching import index
from flows.watching.contents import contents, key
from flows.watching.moments import BEST, FAILING, FINISHED, MODEL, PEOPLE, moments
from flows.watching.pages import BEST as BESTS
from flows.watching.pages import NEWEST
from flows.worker import worker
from loop.objective import Target
from loop.records import Closed, Failed, Health, Observed, Proposed, Source
from loop.run import replay
from loop.stopping import StopRules
from tests.loop import campaigns as made

FOLDER = Path(__file__).parents[2] / "flows" / "templates" / "table"
RULES = StopRules(evaluations=60)
GAP = Target(name="gap", unit="eV", goal="match", value=3.2)


def shown(campaign, entries, rules=RULES):
    """The data of every artifact, by kind; links lead to the name of what they show."""
    found = contents(campaign, entries, FOLDER, rules, lambda kind: f"./{kind}")
    return {kind: content["data"] for kind, content in found.items()}


@pytest.mark.parametrize("named", ["Cu-Au (2)", "ΔG / 300 K", "---"])
def test_artifact_keys_suit_prefect(named):
    """Whatever a campaign is called, keys are lowercase letters, digits and dashes."""
    name = key("overview", named, FOLDER)
    assert name.replace("-", "").isalnum()
    assert name == name.lower().strip("-")
    assert name.isascii()


def test_two_campaigns_of_one_name_do_not_share_an_artifact(tmp_path):
    """A template that is used twice gives two campaigns of one name."""
    assert key("overview", "alloy", tmp_path / "a") != key("overview", "alloy", tmp_path / "b")


@pytest.mark.parametrize("target", [Target(name="gap", goal="learn"), GAP, made.HARDNESS])
def test_the_overview_says_what_status_says(target):
    """The same words in Prefect's UI and in the terminal."""
    campaign, entries = made.campaign(made.problem("two", (target,)))
    page = shown(campaign, entries)["overview"]
    now = standing(campaign, entries, FOLDER)
    said = lines(now)
    assert all(line.removeprefix("  ") in page for line in (*now.merits, now.waits))
    assert all(line in said for line in now.merits)


def test_the_overview_has_all_that_a_person_looks_for():
    """Progress, the best with its plot, why it waits, the turn, and what is next with reasons."""
    campaign, entries = made.campaign(made.problem("two"))
    page = shown(campaign, entries)["overview"]
    for part in (
        "**24 of 60 evaluations**, of which failed: 3 infeasible",
        "**Now:** 1 in flight",
        "(data:image/svg+xml;base64,",
        "```mermaid",
        f"| {campaign.pending[0].id} | waiting |",
        "LogEI -1.5; nearest 0001-",
        "Can the model be trusted?",
        "[Observations](./observations) · [Model health](./health) · [Failures](./failures)",
        "[All campaigns](./athanor-campaigns)",
    ):
        assert part.replace("-1.5", "−1.5") in page.replace("-1.5", "−1.5"), part


def test_health_and_failures_have_pages_of_their_own():
    """Numbers of the newest model by target; every kind of failure with what it means."""
    data = shown(*made.campaign(made.problem("two")))
    assert "| R2: 1 is perfect, 0 no better than a mean | 0.85 |" in data["health"]
    assert "| would not have believed | 0003-abc |" in data["health"]
    assert "| infeasible | 3 | 3 | the sample cannot be made" in data["failures"]


def test_the_laboratory_account_adds_up():
    """Of five rows and three: two used, one corrected, three known before, two rejected."""
    page = shown(*made.laboratory(made.problem("two")))["laboratory"]
    assert "| file | rows | used | duplicate | superseded | rejected |" in page
    assert "| total | 8 | 2 | 3 | 1 | 2 |" in page
    assert "Every row is in one place." in page


def test_nothing_is_shown_that_has_nothing_to_say():
    """Before the first answer there are an overview, a table and the progress."""
    data = shown(*made.campaign(made.problem("two"), 0))
    assert set(data) == {"overview", "observations", "progress"}


def test_a_long_campaign_is_shown_in_bounded_pages():
    """Of 2,000 evaluations the newest and the best, with a line that says so; small pages."""
    campaign, entries = made.campaign(made.problem("two"), 2000, design=1990, pending=20)
    found = contents(campaign, entries, FOLDER, StopRules(evaluations=2000), lambda kind: kind)
    table = json.loads(found["observations"]["data"])
    ids = {row["candidate"] for row in table}
    assert len(table) <= NEWEST + BESTS
    assert {each.candidate.id for each in campaign.ranked[:BESTS]} <= ids
    assert set(list(campaign.candidates)[-NEWEST:]) <= ids
    assert (
        "the best 50 of 2020 candidates; all of them: athanor export"
        in (found["observations"]["description"])
    )
    assert len(found["overview"]["data"]) < 200_000
    assert len(found["observations"]["data"]) < 200_000
    assert "and 10 more" in found["overview"]["data"]


def rig(make, **changes):
    """A rig to judge moments by."""
    return load(make(evaluations=60, **changes)).rig


def kinds(found):
    """Which moments they are."""
    return [each.kind for each in found]


def test_a_moment_has_one_number(make):
    """A replay finds it again; another best, another turn is another moment."""
    asked = made.problem("two")
    one, again = (moments(rig(make, name=n), *made.campaign(asked)) for n in ("a", "b"))
    assert one == again
    assert kinds(one) == [BEST]
    better = moments(rig(make, name="c"), *made.campaign(asked, 2))
    assert better[0].number != one[0].number


def test_the_end_is_a_moment(make):
    """When and why it was closed."""
    asked = made.problem("two")
    events = [
        *(event for _, event in made.campaign(asked)[1]),
        Closed(reason="budget: 24 evaluations"),
    ]
    found = moments(rig(make), *made.replayed(asked, events))
    assert kinds(found) == [BEST, FINISHED]
    assert found[-1].said == "Ended: budget: 24 evaluations"


@pytest.mark.parametrize(
    ("fails", "told"), [(2, ["15 of 24"]), (3, ["8 of 24"]), (8, [])], ids=["all", "half", "few"]
)
def test_a_high_failure_rate_is_a_moment(make, fails, told):
    """From half of the share on at which the campaign is closed."""
    every = (lambda n: n % 8 < 5) if fails == 2 else (lambda n: n % fails == 0)
    campaign, entries = made.campaign(made.problem("two"), fails=every)
    found = [each.said for each in moments(rig(make), campaign, entries) if each.kind == FAILING]
    assert [said.split(" answers")[0] for said in found] == told


def test_a_bad_model_is_a_moment_once(make):
    """Told when it turns bad, and not again for every candidate that it chooses."""
    asked = made.problem("two")

    def seen(number):
        bad = Health(n=20, error=1.0, r2=-0.2, coverage=0.9, calibration=1.0, says="bad")
        events = [event for _, event in made.campaign(asked, number, pending=0)[1]]
        for n in range(number + 1, number + 3):
            each = made.by_model(asked, n)
            told = replace(each, why=replace(each.why, health={"hardness": bad}))
            events.append(Proposed(candidates=(told,)))
            campaign, entries = made.replayed(asked, events)
            yield [m.number for m in moments(rig_, campaign, entries) if m.kind == MODEL]

    rig_ = rig(make)
    first, second = seen(12)
    assert first == second
    assert len(first) == 1


def test_a_worklist_that_waits_is_a_moment(athanor, tmp_path):
    """Once a turn: not for every file that is taken in meanwhile."""
    folder = tmp_path / "lab"
    athanor("init", folder, "--template", "lab")
    assert athanor("turn", folder, "--no-prefect").code == 0
    found = moments(load(folder).rig, *known(folder))
    assert kinds(found) == [PEOPLE]
    assert "waits for" in found[0].said


def test_a_log_says_once_what_nobody_has_answered():
    """A candidate that was given up, since no evaluation says so."""
    before, _ = made.campaign(made.problem("two"))
    name = before.pending[0].id
    lost = Failed(candidate=name, kind="crashed", message="3 ended", source=Source(oracle=""))
    after = before.extended([Observed(observation=lost)])
    assert list(changes(before, after)) == [f"{name} crashed: 3 ended"]
    assert list(changes(after, after.extended([Closed(reason="enough")]))) == ["ended: enough"]


def test_the_index_lists_what_is_in_and_below(make, athanor, tmp_path):
    """Begun, not begun and broken campaigns; for people and for programs."""
    setup = load(make("one", evaluations=4))
    run(setup, worker(None))
    make("two")
    (tmp_path / "three").mkdir()
    (tmp_path / "three" / "campaign.toml").write_text("name = ")
    said = athanor("index", tmp_path)
    assert said.code == 0
    assert "4 of 4" in said.out
    assert "not started" in said.out
    assert "TOML" in said.out
    found = {
        Path(each["folder"]).name: each
        for each in json.loads(athanor("index", tmp_path, "--json").out)
    }
    assert found["one"]["standing"]["answered"] == replay(setup.rig).answered == 4
    assert found["two"]["standing"] is None
    assert "TOML" in found["three"]["fault"]


def test_the_index_page_links_to_every_overview():
    """A name that would break the table does not."""
    campaign, entries = made.campaign(made.problem("two"))
    card = index.card(standing(campaign, entries, FOLDER), FOLDER, "./1")
    page = index.page([card, replace(card, name="a", page="./2", found="x | y")])
    assert "| [hard alloy](./1) | 24 of 60 |" in page
    assert f"- hard alloy: `{FOLDER}`, changed " in page
    assert "| [a](./2) |" in page
    assert "x \\| y" in page
