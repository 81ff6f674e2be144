"""A whole laboratory campaign: Athanor in one process, a laboratory with its habits in another."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from flows.folder import known
from tests.flows.barrels import campaign, printer

TABLE = Path(__file__).parents[3] / "shared" / "data" / "crossed_barrel.csv"
LAB = Path(__file__).parent / "barrel_lab.py"

pytestmark = [
    pytest.mark.skipif(not TABLE.exists(), reason="the data set is not here"),
    pytest.mark.xdist_group("barrel"),  # one campaign for all
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a campaign that a laboratory has answered, and the campaign."""
    folder = tmp_path_factory.mktemp("barrel")
    (folder / "campaign.toml").write_text(campaign(seed=1, evaluations=60, batch=6, settle_s=0.05))
    (folder / "results").mkdir()
    with subprocess.Popen([sys.executable, LAB, folder, TABLE]) as lab:
        try:
            command = [sys.executable, "-m", "flows.cli", "run", folder, "--no-prefect"]
            subprocess.run(command, check=True, capture_output=True, timeout=240)
            (folder / "stop").touch()
            assert lab.wait(60) == 0
        finally:
            lab.kill()
    return folder, known(folder)[0]


def test_budget_is_exact(finished):
    """Sixty candidates were asked, and sixty have an answer."""
    _, campaign = finished
    assert len(campaign.candidates) == campaign.answered == 60
    assert campaign.closed == "budget: 60 evaluations"


def test_every_row_is_accounted_for(finished):
    """What the laboratory wrote is what the ledger took, found doubled or rejected, row by row."""
    folder, campaign = finished
    account = json.loads((folder / "account.json").read_text())
    taken = sum(len(each.receipt.observations) for each in campaign.ingested)
    rejected = sum(len(each.receipt.rejected) for each in campaign.ingested)
    duplicates = sum(each.duplicates for each in campaign.ingested)
    counted = {"taken": taken, "duplicates": duplicates, "rejected": rejected}
    assert {kind: number for kind, number in counted.items() if number} == account
    assert min(account.values()) > 0


def test_rejected_rows_say_why(finished):
    """Wrong units and unknown ids come back in rejected/, with the reason."""
    folder, _ = finished
    reasons = "".join(path.read_text() for path in (folder / "rejected").iterdir())
    assert "9999-xyz" in reasons
    assert "'mm'" in reasons


def test_the_values_are_those_of_the_table(finished):
    """Every result is the mean of the three barrels of one design, and names that design."""
    _, campaign = finished
    means = printer(TABLE).means
    for result in campaign.results:
        point = result.point
        design = (point["n"], point["theta"], round(point["r"], 9), round(point["t"], 9))
        assert result.values["toughness"] == pytest.approx(means[design])


def test_the_best_is_among_the_best(finished):
    """The best barrel found is in the top 5 % of the 600 designs."""
    _, campaign = finished
    means = printer(TABLE).means
    assert campaign.best.values["toughness"] >= means.quantile(0.95)
