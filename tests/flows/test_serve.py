"""`athanor serve`: run forms, watched folders, and what is left when everything is killed."""

import time
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.exceptions import PrefectHTTPStatusError

from flows.folder import known, remembered
from flows.serving.form import Do
from loop.records import Paused
from tests.flows.conftest import CAMPAIGN
from tests.flows.test_prefect import flow_runs, states
from tests.flows.waits import answered, until

pytestmark = [
    pytest.mark.xdist_group("prefect"),
    pytest.mark.usefixtures("prefect"),
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]


def lab(folder: Path, **changes: object) -> Path:
    """A laboratory's campaign, two samples at a time."""
    text = CAMPAIGN.replace('function = "measure.py:measure"\n', "")
    text = text.replace('kind = "function"', 'kind = "folder"')
    said = {"proposer": "design", "evaluations": 6, "batch": 2, "workers": 1} | changes
    (folder / "results").mkdir(parents=True)
    (folder / "campaign.toml").write_text(text.format(**said))
    return folder


def answer(folder: Path, name: str, count: int = 2) -> None:
    """What a laboratory hands in of what waits."""
    rows = [f"{each.id},{each.point['x']}\n" for each in known(folder)[0].pending[:count]]
    (folder / "results" / name).write_text("candidate,y [GPa]\n" + "".join(rows))


def ask(folder: Path, **parameters: object) -> FlowRun:
    """Fill in the run form of a campaign's deployment, and submit it."""
    with get_client(sync_client=True) as client:
        made = client.read_deployments()
        (ours,) = (each for each in made if each.parameters.get("folder") == str(folder))
        return client.create_flow_run_from_deployment(ours.id, parameters=parameters)


def ended(run: FlowRun, seconds: float = 60) -> tuple[str, str]:
    """How a run ended: its state and its message."""
    with get_client(sync_client=True) as client:

        def now() -> FlowRun:
            return client.read_flow_run(run.id)

        until(lambda: (state := now().state) and state.is_final(), seconds)
        state = now().state
        assert state is not None
        return state.name or "", state.message or ""


@pytest.fixture
def served(start):
    """Serves campaigns in a process of its own."""

    def served(*arguments: object, **settings: str):
        process = start("serve", *arguments, **settings)
        assert process.stdout is not None
        while "Prefect: http" not in (line := process.stdout.readline()):
            assert line, "it has ended"
        return process

    return served


@pytest.mark.slow
def test_the_form_starts_pauses_resumes_and_stops_a_campaign(make, served):
    """Wrong values are refused; what a person asks for is done, recorded, and said."""
    folder = make("form", evaluations=900, batch=2, seconds=0.3)
    served(folder)
    for wrong in ({"do": "rumba"}, {"in_flight": 0}, {"in_flight": "many"}):
        with pytest.raises(PrefectHTTPStatusError, match="Validation failed for field"):
            ask(folder, **wrong)
    time.sleep(6)
    assert remembered(folder) is None  # nobody has started it
    run = ask(folder, in_flight=3)
    until(lambda: answered(folder) >= 4, 60)
    assert ended(ask(folder, do=Do.PAUSE.value, reason="lunch", by="Ann"))[0] == "Completed"
    assert "paused since" in ended(run)[1]
    campaign, entries = known(folder)
    assert Paused(reason="lunch", by="Ann") in [event for _, event in entries]
    assert campaign.answered == len(campaign.observations)
    ask(folder, do=Do.RESUME.value)
    until(lambda: answered(folder) > campaign.answered, 60)
    state, message = ended(ask(folder, do=Do.STOP_NOW.value, reason="the end"))
    assert (state, message[:32]) == ("Completed", "Stopped: the end (by Prefect's U")
    until(lambda: not known(folder)[0].running)
    until(lambda: "Running" not in states(folder))
    assert set(known(folder)[0].attempts.values()) == {1}


@pytest.mark.slow
def test_cancel_means_stop_now(make, served):
    """What is in flight is given up and asked again; no schedule and no file starts it again."""
    folder = make("cancel", evaluations=2, seconds=60.0)
    served(folder, "--start")
    until(lambda: remembered(folder) is not None and known(folder)[0].running, 60)
    (run,) = flow_runs(folder)
    with get_client(sync_client=True) as client:
        assert run.deployment_id is not None
        client.set_flow_run_state(run.id, State(type=StateType.CANCELLING))
    assert ended(run)[0] == "Cancelled"
    campaign = known(folder)[0]
    assert campaign.paused is not None
    assert campaign.paused.stop == "now"
    assert not campaign.running
    time.sleep(8)
    assert known(folder)[0].attempts == campaign.attempts
    slow = (folder / "measure.py").read_text()
    (folder / "measure.py").write_text(slow.replace("sleep(60.0)", "sleep(0)"))
    ask(folder, do=Do.UNTIL.value)
    until(lambda: known(folder)[0].closed == "budget: 2 evaluations", 60)
    assert sum(known(folder)[0].attempts.values()) == 3


@pytest.mark.slow
def test_a_file_starts_a_turn_and_a_broken_folder_stops_nobody(tmp_path, served):
    """Within seconds; what is wrong with the other folder is said, and once mended it goes on."""
    folder, broken = lab(tmp_path / "lab"), lab(tmp_path / "broken", proposer="rumba")
    process = served(folder, broken, "--start")
    lines = [process.stdout.readline() for _ in range(3)]
    assert "'rumba'" in lines[-1]
    until(lambda: remembered(folder) is not None, 60)
    first = known(folder)[0].turn
    answer(folder, "monday.csv")
    began = time.monotonic()
    until(lambda: known(folder)[0].turn > first, 30)
    assert time.monotonic() - began < 20
    text = (broken / "campaign.toml").read_text()
    (broken / "campaign.toml").write_text(text.replace("rumba", "design").replace("test", "other"))
    until(lambda: remembered(broken) is not None, 60)
    run = next(each for each in flow_runs(broken) if each.name.startswith("other"))
    assert ended(run)[1].startswith("waiting for 2 of 2 results since ")
