"""Prefect's UI in a real browser: what a person looks for is there, in both of its designs.

With ATHANOR_IMAGES=docs/images the screenshots of the docs are made anew.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image
from prefect.client.orchestration import get_client

from flows.folder import known, remembered
from flows.watching import index
from loop.report.quantities import percent
from tests.flows.browser import CHROMIUM, Page, browser
from tests.flows.conftest import ROOT
from tests.flows.test_prefect import flow_runs
from tests.flows.test_published import latest
from tests.flows.waits import until

pytestmark = [
    pytest.mark.xdist_group("browser"),
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]

NAME, ANSWERS = "hard-alloy", 24
CAMPAIGN = f"""
name = "{NAME}"
[[parameter]]
name = "Cu"
kind = "continuous"
low = 0
high = 1
[[parameter]]
name = "anneal"
unit = "K"
kind = "continuous"
low = 600
high = 1100
[[target]]
name = "hardness"
unit = "GPa"
goal = "max"
[oracle]
kind = "function"
function = "measure.py:measure"
[stop]
evaluations = 40
[run]
batch = 5
workers = 2
"""
MEASURE = """
import time

from oracles.function import Refusal

def measure(Cu, anneal):
    time.sleep(0.2)
    if Cu > 0.8 and anneal < 700:
        raise Refusal("infeasible", "the cold melt did not fill the mould")
    if Cu > 0.9 and anneal > 900:
        raise RuntimeError("the furnace tripped")
    return 9 - 12 * (Cu - 0.42) ** 2 - ((anneal - 870) / 200) ** 2
"""


PAGES = {"Model health": "R2: 1 is perfect", "Failures": "When more than"}
LAB, LIST = "annealing", 4
LABORATORY = f"""
name = "{LAB}"
[[parameter]]
name = "temperature"
unit = "degC"
kind = "continuous"
low = 400
high = 900
[[target]]
name = "hardness"
goal = "max"
[oracle]
kind = "folder"
settle_s = 0.0
resolution = {{temperature = 1}}
[proposer]
kind = "design"
[stop]
evaluations = 30
[run]
batch = {LIST}
"""


@dataclass(frozen=True)
class Watched:
    """Two campaigns that `athanor serve` has run for a while: a person has paused the first."""

    folder: Path
    lab: Path
    ui: str
    pages: dict[str, str]  # the id of each artifact, by kind
    run: str
    deployment: str

    def page(self, kind: str, design: str = "/v2") -> str:
        """The address of an artifact."""
        return f"{self.ui}{design}/artifacts/artifact/{self.pages[kind]}"


@pytest.fixture(scope="module")
def watched(prefect, tmp_path_factory) -> Iterator[Watched]:
    """The campaigns, and where their pages are."""
    place = tmp_path_factory.mktemp("campaigns")
    folder, lab = place / NAME, laboratory(place / LAB)
    folder.mkdir()
    (folder / "campaign.toml").write_text(CAMPAIGN)
    (folder / "measure.py").write_text(MEASURE)
    serving = athanor("serve", folder, lab, "--start")
    try:
        until(lambda: (found := remembered(folder)) and found[0].answered >= ANSWERS, 240)
        athanor("pause", folder, "--reason", "the furnace is serviced", "--by", "Ann").wait(60)
        until(lambda: known(folder)[0].running == {})
        until(lambda: "paused since" in latest(prefect, "overview", folder, NAME)["data"], 60)
        until(lambda: latest(prefect, "laboratory", lab, LAB), 60)
        until(lambda: "tuesday.csv" in latest(prefect, "laboratory", lab, LAB)["data"], 60)
        with get_client(sync_client=True) as client:
            deployments = client.read_deployments()
        (ours,) = (each for each in deployments if each.parameters.get("folder") == str(folder))
        run = max(flow_runs(folder), key=lambda each: each.total_run_time)
        kinds = ("overview", "observations", "health", "failures", index.KEY)
        pages = {kind: latest(prefect, kind, folder, NAME)["id"] for kind in kinds}
        yield Watched(
            folder=folder,
            lab=lab,
            ui=prefect.ui,
            pages=pages | {"laboratory": latest(prefect, "laboratory", lab, LAB)["id"]},
            run=str(run.id),
            deployment=str(ours.id),
        )
    finally:
        serving.terminate()
        serving.wait(30)


def laboratory(folder: Path) -> Path:
    """A laboratory's campaign, and two files: three results, one of them twice, two bad rows."""
    (folder / "results").mkdir(parents=True)
    (folder / "campaign.toml").write_text(LABORATORY)
    athanor("turn", folder, "--no-prefect").wait(60)
    a, b, c, _ = known(folder)[0].candidates
    for name, rows in {
        "monday.csv": f"{a},512\n{b},534\n{c},n.a.\n0099-xyz,498\n",
        "tuesday.csv": f"{b},534\n{c},561\n",
    }.items():
        (folder / "results" / name).write_text(f"candidate,hardness\n{rows}")
    return folder


def athanor(*arguments: object) -> subprocess.Popen[str]:
    """The command, in a process of its own."""
    command = [sys.executable, "-m", "flows.cli", *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, text=True)


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Iterator[Page]:
    """A tab of the browser."""
    with browser(tmp_path_factory.mktemp("chromium")) as tab:
        yield tab


def keep(page: Page, name: str, height: int, tmp_path: Path) -> None:
    """A screenshot for the docs, where they are wanted, in few colours."""
    path = Path(os.environ.get("ATHANOR_IMAGES", tmp_path)) / f"{name}.png"
    page.shoot(path, height)
    with Image.open(path) as shot:
        assert shot.width == 1200
        assert len(shot.convert("L").getcolors() or ()) > 20  # it is no blank page
        shot.convert("RGB").quantize(64).save(path, optimize=True)


@pytest.mark.parametrize("design", ["/v2", ""])
def test_the_overview(watched, page, design, tmp_path):
    """Progress, the best with its plot, why it waits, the turn, what is next and why."""
    campaign = known(watched.folder)[0]
    best, asked = campaign.best, campaign.pending[0]
    assert best is not None
    page.size(900)
    page.open(
        watched.page("overview", design),
        "max hardness [GPa]",
        "of 40 evaluations",
        "the furnace is serviced (by Ann)",
        best.candidate.id,
        "What is asked next, and why",
        asked.id,
        asked.why.acquisition,
        "The model predicts hardness",
    )
    until(lambda: shows(page, "Best so far"))
    if design:
        turn = "[...document.querySelectorAll('svg')].some(s => s.textContent.includes('propose'))"
        until(lambda: page.evaluate(turn))  # by Mermaid
        keep(page, "overview", 1700, tmp_path)


def test_a_page_asks_nobody_but_its_server(watched, page):
    """Prefect's new UI would ask amplitude.com for settings; the browser refuses it."""
    page.open(watched.page("overview"), "What is asked next, and why")
    page.evaluate(
        "document.addEventListener('securitypolicyviolation', e => window.refused = e.blockedURI);"
        "fetch('https://sr-client-cfg.amplitude.com/config').catch(() => 0)"
    )
    until(lambda: "amplitude" in str(page.evaluate("window.refused")))


def test_links_lead_from_page_to_page(watched, page):
    """From the overview to each page of the campaign and back; to all campaigns, and to others."""
    page.open(watched.page("overview"), "What is asked next, and why")
    page.click("Observations")
    page.see("0001-", "hardness [GPa]", "design")
    page.open(watched.page("overview"), "What is asked next, and why")
    for name, expected in PAGES.items():
        page.click(name)
        page.see(expected)
        page.click("Overview")
        page.see("What is asked next, and why")
    page.click("All campaigns")
    page.see("Campaigns", str(watched.lab))
    page.click(LAB)
    page.see(f"waiting for {LIST} of", "2 rows rejected, in rejected/")
    page.click("Laboratory files")
    page.see("monday.csv")
    page.click("Overview")
    page.see("max hardness")


def shows(page: Page, picture: str) -> bool:
    """Whether a picture has been drawn, large enough to be read."""
    named = f"i.alt.includes({json.dumps(picture)})"
    drawn = f"[...document.images].some(i => {named} && i.naturalWidth > 300)"
    return bool(page.evaluate(drawn))


@pytest.mark.parametrize("design", ["/v2", ""])
def test_the_health_of_the_model(watched, page, design, tmp_path):
    """How far off it is, in words and numbers, and how that has changed."""
    newest = known(watched.folder)[0].health["hardness"]
    page.size(900)
    page.open(
        watched.page("health", design),
        f"{NAME}: the model's health",
        newest.says,
        f"{newest.n}",
        "R2: 1 is perfect, 0 no better than a mean",
        "GPa",
    )
    until(lambda: shows(page, "health: hardness"))
    assert page.link("Overview") == watched.page("overview", design)
    if design:
        keep(page, "health", 1260, tmp_path)


@pytest.mark.parametrize("design", ["/v2", ""])
def test_the_failures(watched, page, design, tmp_path):
    """How many of how many, of which kinds and what they mean, the newest."""
    campaign = known(watched.folder)[0]
    page.size(900)
    page.open(
        watched.page("failures", design),
        f"{len(campaign.all_failures)} of {campaign.answered} answers are failures",
        "infeasible",
        "the sample cannot be made, or the structure is unphysical",
        "the cold melt did not fill the mould",
        f"When more than {percent(0.5)} are, the campaign is closed.",
    )
    assert page.link("Overview") == watched.page("overview", design)
    if design:
        keep(page, "failures", 800, tmp_path)


@pytest.mark.parametrize("design", ["/v2", ""])
def test_the_files_of_the_laboratory(watched, page, design, tmp_path):
    """What became of every row of every file, and that it adds up."""
    page.size(900)
    text = page.open(
        watched.page("laboratory", design),
        f"{LAB}: laboratory files",
        "Every row is in one place.",
        "monday.csv",
        "tuesday.csv",
    )
    rows = [line.split() for line in text.splitlines()]
    assert ["file", "rows", "used", "duplicate", "rejected"] in rows or not design
    assert ["total", "6", "3", "1", "2"] in rows
    assert page.link("Overview").startswith(f"{watched.ui}{design}/artifacts/artifact/")
    if design:
        keep(page, "laboratory", 800, tmp_path)


@pytest.mark.parametrize("design", ["/v2", ""])
def test_the_index_of_all_campaigns(watched, page, design, tmp_path):
    """A line each: how far, what was found, why it waits; a link to its overview; the folder."""
    page.size(900)
    page.open(
        watched.page(index.KEY, design),
        "Campaigns",
        "of 40",
        "the furnace is serviced (by Ann)",
        "3 of 30",
        "2 rows rejected",
        str(watched.lab),
    )
    assert page.link(NAME) == watched.page("overview", design)
    if design:
        keep(page, "campaigns", 800, tmp_path)


def test_a_laboratory_says_what_it_waits_for(watched):
    """Its run ends with how many results of how many, since when, and the rows that came back."""
    said = {str(run.state and run.state.message) for run in flow_runs(watched.lab)}
    told = rf"waiting for {LIST} of \d results since .*; 2 rows rejected, in rejected/"
    assert any(re.fullmatch(told, each) for each in said), said


@pytest.mark.parametrize("design", ["/v2", ""])
def test_the_run_page(watched, page, design, tmp_path):
    """A name that a person reads, tags, and a log that says what was decided and why."""
    page.size(900)
    page.open(
        f"{watched.ui}{design}/runs/flow-run/{watched.run}",
        f"{NAME} · turn",
        "athanor",
        "begins: hard-alloy",
        "turn 1 asks for 5:",
        "new best: hardness",
    )
    if design:
        keep(page, "run", 1000, tmp_path)


@pytest.mark.parametrize("design", ["/v2", ""])
def test_the_deployment_page(watched, page, design, tmp_path):
    """Why the campaign does not move, its schedule, its runs."""
    page.size(900)
    page.open(
        f"{watched.ui}{design}/deployments/deployment/{watched.deployment}",
        NAME,
        "Every 15 minutes",
        "athanor",
    )
    page.click("Description")
    page.see("paused since", "the furnace is serviced (by Ann)")
    if design:
        keep(page, "deployment", 800, tmp_path)


@pytest.mark.parametrize("design", ["/v2", ""])
def test_the_run_form(watched, page, design, tmp_path):
    """Typed and described: what to do now, how many in flight, why and who."""
    page.size(900)
    page.open(
        f"{watched.ui}{design}/deployments/deployment/{watched.deployment}/run",
        "What to do now",
        "Take one turn: collect, record, propose, submit.",
        "How many in flight",
        "Reason",
        "Your name",
    )
    if design:
        keep(page, "form", 1100, tmp_path)
