"""The report: one page that needs nothing else, is inert, and shows the campaign's own numbers."""

import re
import time
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser

import pytest

from loop.objective import Target
from loop.records import (
    REAL,
    Amended,
    Closed,
    Event,
    Failed,
    Fidelity,
    Opened,
    Problem,
    Proposed,
    Retracted,
    Vetoed,
)
from loop.report.coordinates import coordinates
from loop.report.page import render
from loop.report.quantities import column, formula, number, setting, unit, with_error
from loop.report.question import varied
from loop.report.rows import rows
from loop.report.trust import trust
from loop.space.parameters import Categorical, Ordinal
from loop.space.space import SearchSpace
from loop.stopping import StopRules
from tests.loop import campaigns as made
from tests.loop import rigs

THREE = (made.HARDNESS, made.DENSITY, made.COST)
GAP = Target(name="gap", unit="eV", goal="match", value=3.2)
RULES = StopRules(evaluations=60, reached=5.0, plateau=12, plateau_by=0.1)
HOSTILE = '<script>alert("x")</script>'
VOID = {"meta", "link", "path", "use", "circle", "rect"}


class Balance(HTMLParser):
    """The tags that were opened and not closed, the links, and the ids."""

    def __init__(self) -> None:
        """Read nothing yet."""
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag, attrs):
        """Note the tag and its links."""
        self.tags.append(tag)
        self.open += [] if tag in VOID and tag not in {"path", "use"} else [tag]
        self.links += [v for k, v in attrs if k in {"href", "src", "xlink:href", "action"}]
        self.ids += [v for k, v in attrs if k == "id"]

    def handle_startendtag(self, tag, attrs):
        """Note a tag that closes itself."""
        self.handle_starttag(tag, attrs)
        if tag not in VOID or tag in {"path", "use"}:
            self.open.pop()

    def handle_endtag(self, tag):
        """The tag has to be the one that was opened last."""
        assert self.open.pop() == tag


def read(page):
    """The page's structure."""
    found = Balance()
    found.feed(page)
    return found


def text(page):
    """What a reader sees, in one line."""
    body = re.sub(r"<(script|style).*?</\1>", "", page, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


KINDS = {
    **{space: made.campaign(made.problem(space)) for space in made.SPACES},
    "empty": made.replayed(made.problem(), []),
    "opened": made.replayed(made.problem(), [Opened(problem=made.problem())]),
    "asked": made.campaign(made.problem("mixed"), 0, pending=3),
    "one-answer": made.campaign(made.problem("mixed"), 1, pending=0),
    "only-failures": made.campaign(made.problem("mixed"), 12, fails=lambda _: True),
    "only-failures-on-a-line": made.campaign(made.problem("continuous"), 3, fails=lambda _: True),
    "targets": made.campaign(made.problem("ternary", THREE, (made.LIGHT,))),
    "minimise": made.campaign(made.problem("mixed", (made.COST,))),
    "laboratory": made.laboratory(made.problem("ternary-and-more")),
    "front": made.campaign(made.problem("mixed", THREE, (made.LIGHT,), combine="pareto")),
    "front-of-failures": made.campaign(
        made.problem("two", THREE, combine="auto"), 9, fails=lambda _: True
    ),
    "one-on-the-front": made.campaign(made.problem("two", THREE, combine="auto"), 1),
    "balance": made.campaign(made.problem("ternary", THREE, combine="scalar")),
    "desirability": made.campaign(
        made.problem(
            "many",
            (
                replace(made.HARDNESS, worst=0.0, best=5.0, weight=2.0),
                replace(made.COST, worst=15.0, best=5.0),
            ),
            combine="desirability",
        )
    ),
    "match": made.campaign(made.problem("two", (GAP,))),
    "window": made.campaign(
        made.problem("mixed", (Target(name="gap", goal="window", low=3.0, high=3.5),))
    ),
    "learn": made.campaign(made.problem("continuous", (Target(name="gap", goal="learn"),))),
    "level": made.campaign(made.problem("two", (replace(GAP, goal="level"),))),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rules", [None, RULES], ids=["no-rules", "rules"])
def test_every_campaign_renders(kind, rules):
    """Whatever the space, targets and answers: well-formed, no id twice, no number missing."""
    page = render(*KINDS[kind], rules)
    found = read(page)
    assert found.open == []
    assert len(set(found.ids)) == len(found.ids)
    assert not re.search(r"\b(nan|inf|None|undefined)\b", text(page))
    assert not re.search(r'(?:d|x|y)="[^"]*(?:nan|inf)', page)


@pytest.mark.parametrize("kind", ["targets", "laboratory", "empty"])
def test_the_page_needs_nothing_else(kind):
    """Every link stays within the page, nothing is loaded, and the page forbids the network."""
    page = render(*KINDS[kind])
    found = read(page)
    assert all(link.startswith(("#", "data:")) for link in found.links)
    assert {link[1:] for link in found.links if link.startswith("#")} <= set(found.ids)
    assert not re.search(r"https?://|@import|url\(", page)
    assert "default-src 'none'" in page


@pytest.mark.parametrize("where", ["campaign", "parameter", "target", "message", "cause", "veto"])
def test_foreign_text_is_inert(where):
    """Markup in a name, a value, a message or a reason is shown, never obeyed."""
    asked = Problem(
        name=HOSTILE if where == "campaign" else "plain",
        space=SearchSpace(
            parameters=(
                made.T,
                Categorical(
                    name=HOSTILE if where == "parameter" else "gas", values=(HOSTILE, "Ar")
                ),
            )
        ),
        objective=made.problem(
            targets=(Target(name=HOSTILE if where == "target" else "hardness", unit="GPa"),)
        ).objective,
    )
    one, two = (made.candidate(asked, number) for number in (1, 2))
    events: list[Event] = [
        Opened(problem=asked, settings={"note": HOSTILE}),
        Proposed(candidates=(one, two)),
        made.observed(made.failed(one, message=HOSTILE)),
        Vetoed(candidate=two.id, reason=HOSTILE),
    ]
    page = render(*made.replayed(asked, events))
    assert read(page).tags.count("script") == 1
    assert "&lt;script&gt;" in page
    assert "alert(&#34;x&#34;)" in page


def test_the_numbers_are_the_campaigns():
    """Best value, counts, states and every measured value agree with the campaign."""
    campaign, entries = KINDS["targets"]
    said = text(render(campaign, entries, RULES))
    best = campaign.best
    assert best is not None
    assert (
        f"best hardness {with_error(best.values['hardness'], best.errors['hardness'])} GPa" in said
    )
    assert f"evaluations {campaign.answered} of 60" in said
    assert f"failed {len(campaign.failures)} waiting {len(campaign.pending)}" in said
    for result in campaign.results:
        value = with_error(result.values["hardness"], result.errors["hardness"])
        assert re.search(rf"{result.candidate.id} [^G]*{re.escape(value)}", said)


def test_a_bound_breaker_is_no_best():
    """A result that breaks a bound is marked as such, and the best is one that keeps all."""
    campaign, entries = KINDS["targets"]
    states = {row.candidate.id: row.state for row in rows(campaign, entries)}
    keep = {result.candidate.id for result in campaign.contenders}
    assert {key for key, state in states.items() if state in {"best", "measured"}} == keep
    assert "outside" in states.values()
    assert "breaks density ≤ 10.5 g/cm³" in text(render(campaign, entries))


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("front", "Maximise hardness (GPa), minimise cost (1/kg), record density (g/cm³), with"),
        ("front", "Wanted are all results that no other beats in every goal."),
        ("targets", "Only hardness drives the choice."),
        ("balance", "Wanted is one balanced compromise."),
        ("desirability", "largest desirability of all together, weighted hardness 2, cost 1."),
        ("match", "Bring gap to 3.2 eV."),
        ("window", "Bring gap into 3 to 3.5."),
        ("learn", "Learn to predict gap."),
        ("level", "Find where gap crosses 3.2 eV."),
    ],
)
def test_what_is_wanted_stands_on_top(kind, said):
    """In plain words, with the units."""
    assert said in text(render(*KINDS[kind])).replace("\u00a0", " ")


def test_the_front_is_listed_and_ringed():
    """Each result that no other beats, in a table and in the figure of the two goals."""
    campaign, entries = KINDS["front"]
    front = {result.candidate.id for result in campaign.front}
    listed = rows(campaign, entries)
    assert {row.candidate.id for row in listed if row.state == "front"} == front
    page = render(campaign, entries)
    assert f"on the front {len(front)}" in text(page)
    figure = page.split("<h3>hardness against cost</h3>")[1].split("</figure>")[0]
    assert figure.count('class="m halo halo"') == len(front) + 1  # and the key
    assert 'class="best-line"' in figure
    assert "beaten by another" in figure


@pytest.mark.parametrize(
    ("kind", "css"), [("match", "goal"), ("window", "band"), ("level", "goal")]
)
def test_what_is_wanted_is_drawn(kind, css):
    """A line at the value, a band over the window."""
    assert f'<path class="{css}"' in render(*KINDS[kind])


def test_predictions_are_judged_out_of_sample():
    """Share and RMSE count every prediction made before its measurement, as they were recorded."""
    campaign, entries = KINDS["ternary"]
    known = trust(campaign.problem.objective.lead, rows(campaign, entries))
    pairs = [
        (result.values["hardness"], result.candidate.why.predicted["hardness"])
        for result in campaign.results
        if result.candidate.why.origin == "model"
    ]
    assert len(known.pairs) == len(pairs)
    mean_square = sum((value - p.mean) ** 2 for value, p in pairs) / len(pairs)
    assert known.rmse == pytest.approx(mean_square**0.5)
    said = text(render(campaign, entries))
    assert f"{known.inside} of {len(pairs)} measurements" in said
    assert f"RMSE {number(known.rmse, 3)} GPa" in said


def test_the_lab_account_adds_up():
    """Rows, taken, duplicates and rejected rows of every file, with each rejection's reason."""
    said = text(render(*KINDS["laboratory"]))
    assert re.search(r"march\.csv .{16} UTC 5 2 1 2 ", said)
    assert "2 files 8 3 3 2" in said
    assert "march.csv 4 hardness expected a number, got 'n.a.'" in said


def test_a_correction_names_what_was_chosen_on_the_old_value():
    """A candidate that the model chose before the correction is listed beside it."""
    campaign, entries = KINDS["laboratory"]
    first, *_, last = campaign.candidates
    said = text(render(campaign, entries))
    assert f"{first} corrected by march.csv; chosen while the old value was known: {last}" in said


def test_decisions_are_shown_without_secrets():
    """Amendments, retractions and the end stand in the history; a password never does."""
    asked = made.problem()
    one = made.candidate(asked, 1)
    settings = {"ledger": "postgresql://me:s3cret@host/db", "lab": {"api_key": "s3cret"}}
    events: list[Event] = [
        Opened(problem=asked, settings=settings),
        Proposed(candidates=(one,)),
        Amended(settings=settings, changes=("stop.evaluations: 20 -> 40",)),
        Retracted(candidate=one.id, reason="wrong sample"),
        Closed(reason="budget: 40 evaluations"),
    ]
    page = render(*made.replayed(asked, events))
    said = text(page)
    assert "settings changed stop.evaluations: 20 -> 40" in said
    assert f"{one.id} retracted wrong sample" in said
    assert "Closed. Budget: 40 evaluations." in said
    assert "s3cret" not in page


def test_failures_are_grouped_with_their_messages():
    """Each kind once, with its count, how many were final, and every message."""
    campaign, entries = KINDS["only-failures"]
    said = text(render(campaign, entries))
    assert "infeasible 12 answers, 12 final" in said
    assert all(isinstance(each, Failed) for [each] in campaign.observations.values())
    assert said.count("the melt did not wet") == 12


def test_five_hundred_results_stay_small_and_fast():
    """A long campaign is a page below 1 MB, made within 2 seconds of CPU."""
    campaign, entries = made.campaign(made.problem("many", THREE, (made.LIGHT,)), 500)
    start = time.process_time()
    page = render(campaign, entries, RULES)
    assert time.process_time() - start < 2
    assert len(page.encode()) < 1_000_000


def test_the_same_events_give_the_same_page():
    """Nothing but the campaign decides what is on the page: no clock, no chance."""
    assert render(*KINDS["mixed"]) == render(*KINDS["mixed"])


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0, "0"), (-1.5, "−1.5"), (1234.56, "1235"), (2.5e-7, "2.5 × 10⁻⁷"), (-3e9, "−3 × 10⁹")],
)
def test_numbers_have_four_digits(value, shown):
    """Four significant digits, a true minus, powers of ten where they help."""
    assert number(value) == shown


@pytest.mark.parametrize(
    ("value", "error", "shown"),
    [
        (3.14159, 0.0213, "3.142 ± 0.021"),
        (1234.5, 12.0, "1234 ± 12"),
        (2.0, None, "2"),
        (2.5e-7, 1e-8, "(2.50 ± 0.10) × 10⁻⁷"),
    ],
)
def test_errors_decide_the_digits(value, error, shown):
    """Value and error end at the error's second digit."""
    assert with_error(value, error) == shown


def test_columns_tell_their_values_apart():
    """Energies that differ in the fifth digit are not written the same."""
    energies = [-11234.5671, -11234.5672, -11234.5690]
    assert len(set(map(column(energies), energies))) == 3


@pytest.mark.parametrize(
    ("fractions", "shown"),
    [
        ({"Cu": 0.25, "Au": 0.75, "Pd": 0.0}, "Cu<sub>0.25</sub>Au<sub>0.75</sub>"),
        ({"<b>": 0.5, "water": 0.5}, "&lt;b&gt; 0.5, water 0.5"),
    ],
)
def test_formulae_are_set_as_such(fractions, shown):
    """Elements get subscripts, other components plain text, absent ones nothing."""
    assert shown in formula(fractions)


def test_units_have_raised_powers():
    """A unit is written as on paper."""
    assert unit("g/cm^3") == "g/cm³"


@pytest.mark.parametrize(
    ("parameter", "limits", "said"),
    [
        (Ordinal(name="load", levels=(1.0, 2.0, 5.0), unit="%"), "1, 2, 5", "5"),
        (Ordinal(name="purity", levels=("crude", "pure")), "crude, pure", "pure"),
    ],
)
def test_levels_are_shown_as_they_are_written(parameter, limits, said):
    """In the question, in the table, and on an axis that has all of them."""
    assert varied(parameter).limits == limits
    assert setting(parameter, parameter.levels[-1]) == said
    (axis,) = coordinates(parameter, [])
    assert axis.of({parameter.name: parameter.levels[-1]}) == parameter.levels[-1]


def test_the_models_health_is_drawn_as_it_was_recorded():
    """R2 and coverage of every model that chose, and the sentence of the newest."""
    campaign, entries = KINDS["ternary"]
    page = render(campaign, entries)
    figure = page.split("<h3>The model&#39;s health: hardness</h3>")[1].split("</figure>")[0]
    count = sum(bool(each.why.health) for each in campaign.candidates.values())
    assert figure.count("<title>") == 2 * count
    newest = campaign.health["hardness"]
    assert newest.says in text(figure)
    assert "would not have believed 0003-abc" in text(figure)


def test_several_oracles_are_told_apart():
    """Who was asked how often and at what cost, and how a stand-in goes with the real thing."""
    plain = rigs.asked()
    cheap = Fidelity(name="emt", targets=("y",), cost=0.125)
    dear = Fidelity(name=REAL, targets=("y",), oracles=("dft",), cost=2.0)
    problem = replace(plain, fidelities=(dear, cheap))
    asked = rigs.candidates(problem, 6)
    pairs = [replace(each, point=asked[n // 2].point) for n, each in enumerate(asked)]
    pairs = [replace(each, fidelity="emt" if n % 2 else REAL) for n, each in enumerate(pairs)]
    events: list[Event] = [Opened(problem=problem), Proposed(candidates=tuple(pairs))]
    for n, each in enumerate(pairs):
        events += rigs.observed(rigs.measured(each, y=float(-n if n % 2 else n)))
    page = text(render(*made.replayed(problem, events)))
    assert "dft the real thing 2 3 3 6 emt stands in 0.125 3 3 0.375" in page
    assert "together 6 6 6.375" in page
    assert "emt and dft DO NOT AGREE on y: correlation -1.00 at 3 points" in page


def test_one_oracle_is_not_listed():
    """Where there is one, and no cost, there is nothing to tell apart."""
    campaign, entries = made.campaign(made.problem())
    assert "Who was asked" not in render(campaign, entries)
