"""Prefect's UI in a real browser: what a person looks for is there, in both of its designs.

With ATHANOR_IMAGES=docs/images the screenshots of the docs are made anew.
"""

import os
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
from tests.flows.browser import CHROMIUM, Page, browser
from tests.flows.conftest import ROOT
from tests.flows.test_prefect import flow_runs
from tests.flows.test_published import latest
from tests.flows.waits import until

pytestmark = [
    pytest.mark.xdist_group("prefect"),
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

def measure(Cu, anneal):
    time.sleep(0.2)
    if Cu > 0.9 and anneal > 900:
        raise RuntimeError("the melt did not wet the mould")
    return 9 - 12 * (Cu - 0.42) ** 2 - ((anneal - 870) / 200) ** 2
"""


@dataclass(frozen=True)
class Watched:
    """A campaign that `athanor serve` has run for a while, and that a person has paused."""

    folder: Path
    ui: str
    overview: str
    observations: str
    everything: str
    run: str
    deployment: str


@pytest.fixture(scope="module")
def watched(prefect, tmp_path_factory) -> Iterator[Watched]:
    """The campaign, and where its pages are."""
    folder = tmp_path_factory.mktemp("watched") / NAME
    folder.mkdir()
    (folder / "campaign.toml").write_text(CAMPAIGN)
    (folder / "measure.py").write_text(MEASURE)
    serving = athanor("serve", folder, "--start")
    try:
        until(lambda: (found := remembered(folder)) and found[0].answered >= ANSWERS, 120)
        athanor("pause", folder, "--reason", "the furnace is serviced", "--by", "Ann").wait(60)
        until(lambda: known(folder)[0].running == {})
        until(lambda: "paused since" in latest(prefect, "overview", folder, NAME)["data"], 60)
        with get_client(sync_client=True) as client:
            deployments = client.read_deployments()
        (ours,) = (each for each in deployments if each.parameters.get("folder") == str(folder))
        run = max(flow_runs(folder), key=lambda each: each.total_run_time)
        yield Watched(
            folder=folder,
            ui=prefect.ui,
            overview=latest(prefect, "overview", folder, NAME)["id"],
            observations=latest(prefect, "observations", folder, NAME)["id"],
            everything=latest(prefect, index.KEY, folder)["id"],
            run=str(run.id),
            deployment=str(ours.id),
        )
    finally:
        serving.terminate()
        serving.wait(30)


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
        f"{watched.ui}{design}/artifacts/artifact/{watched.overview}",
        "max hardness [GPa]",
        "of 40 evaluations",
        "the furnace is serviced (by Ann)",
        best.candidate.id,
        "What is asked next, and why",
        asked.id,
        asked.why.acquisition,
        "The model predicts hardness",
    )
    drawn = "[...document.images].some(i => i.alt === 'Best so far' && i.naturalWidth > 300)"
    until(lambda: page.evaluate(drawn))
    if design:
        turn = "[...document.querySelectorAll('svg')].some(s => s.textContent.includes('propose'))"
        until(lambda: page.evaluate(turn))  # by Mermaid
        keep(page, "overview", 1700, tmp_path)


def test_links_lead_from_page_to_page(watched, page):
    """From the overview to the observations, and to all campaigns and back."""
    overview = f"{watched.ui}/v2/artifacts/artifact/{watched.overview}"
    page.open(overview, "What is asked next, and why")
    page.click("Observations")
    page.see("0001-", "hardness [GPa]", "design")
    page.open(overview, "What is asked next, and why")
    page.click("All campaigns")
    page.see("Campaigns", str(watched.folder))
    page.click(NAME)
    page.see("What is asked next, and why")


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
