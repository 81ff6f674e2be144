"""`athanor serve`: run forms, watched folders, and what is left when everything is killed.

One process serves the campaigns of nearly all tests, and nobody has started them beforehand.
"""

import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import PrefectHTTPStatusError
from prefect.states import Scheduled

from flows.folder import known, remembered
from flows.laboratory import look
from flows.saying import sentence
from flows.serving.form import Do
from flows.serving.turnstile import turnstile
from flows.tidying import GIVEN_UP
from loop.records import Paused
from tests.flows.conftest import ROOT, answer, campaign_folder, lab
from tests.flows.test_prefect import flow_runs, left_open, logs, overlap, task_runs
from tests.flows.waits import answered, until

pytestmark = [
    pytest.mark.xdist_group("serve"),
    pytest.mark.usefixtures("prefect"),
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.slow,
    pytest.mark.timeout(600),
]


def deployment(folder: Path) -> DeploymentResponse:
    """The deployment of a campaign."""
    with get_client(sync_client=True) as client:
        made = client.read_deployments()
    (ours,) = (each for each in made if each.parameters.get("folder") == str(folder))
    return ours


def ask(folder: Path, **parameters: object) -> FlowRun:
    """Fill in the run form of a campaign's deployment, and submit it; again while it is refused.

    On a busy machine another writer may hold the database of Prefect's server for long.
    """
    last = time.monotonic() + 120
    with get_client(sync_client=True) as client:
        while True:
            try:
                chosen = deployment(folder).id
                return client.create_flow_run_from_deployment(chosen, parameters=parameters)
            except PrefectHTTPStatusError as error:
                if error.response.status_code != 503 or time.monotonic() > last:
                    raise


def state(run: FlowRun) -> State:
    """The state in which a run is now."""
    with get_client(sync_client=True) as client:
        now = client.read_flow_run(run.id).state
    assert now is not None
    return now


def ended(run: FlowRun, seconds: float = 120) -> tuple[str, str]:
    """How a run ended: its state and its message."""
    until(lambda: state(run).is_final(), seconds)
    return state(run).name or "", state(run).message or ""


def called(folder: Path, cause: str) -> list[FlowRun]:
    """The runs that were called for such a cause."""
    return [each for each in flow_runs(folder) if cause in each.parameters.get("cause", "")]


def is_seen(folder: Path) -> bool:
    """Whether a run has looked since a file or the ledger has changed."""
    return turnstile(folder).seen == (look(folder), known(folder)[0].seq)


def kinds(folder: Path) -> Counter[str]:
    """How many events of which kind are on record."""
    return Counter(type(event).__name__ for _, event in known(folder)[1])


def process_of(run: FlowRun) -> psutil.Process | None:
    """The process of a run, where it has one."""
    for each in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if each.environ().get("PREFECT__FLOW_RUN_ID") == str(run.id):
                return each
    return None


def kill(run: FlowRun) -> None:
    """Kill the process of a run."""
    process = process_of(run)
    assert process is not None
    process.kill()


@pytest.fixture(scope="module")
def served(prefect, tmp_path_factory) -> Iterator[dict[str, Path]]:  # noqa: ARG001
    """A process that serves campaigns which nobody has started; the folder of each."""
    place = tmp_path_factory.mktemp("served")
    ledger = f'ledger = "sqlite:///{place / "shared.db"}"\n'
    folders = {
        "form": campaign_folder(place / "form", seconds=0.3, evaluations=900, batch=2),
        "turn": campaign_folder(place / "turn", evaluations=9, batch=2),
        "end": campaign_folder(place / "end", seconds=0.3, evaluations=900, batch=2),
        "cancel": campaign_folder(place / "cancel", seconds=60.0, evaluations=2),
        "due": lab(place / "due"),
        "elsewhere": lab(place / "elsewhere", ledger),
        "lasting": lab(place / "lasting"),
    }
    command = [sys.executable, "-m", "flows.cli", "serve", *map(str, folders.values())]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        while b"Prefect: http" not in (line := process.stdout.readline()):
            assert line, "it has ended"
        yield folders
    finally:
        process.kill()
        process.communicate()


def test_a_turn_by_hand_is_that_of_the_command_line(served, athanor, tmp_path):
    """The same events, the same sentence; and whoever was not asked does nothing."""
    folder, due = served["turn"], served["due"]
    twin = campaign_folder(tmp_path / "twin", evaluations=9, batch=2)
    samples = ask(due, do=Do.TURN.value, in_flight=3)
    for number in (1, 2):
        said = ended(ask(folder, do=Do.TURN.value))
        athanor("turn", twin, "--no-prefect")
        assert said == ("Completed", sentence(folder))
        assert kinds(folder) == kinds(twin)
        assert answered(folder) == 2 * (number - 1)
    assert ended(samples) == ("Completed", sentence(due))
    assert (known(due)[0].turn, len(known(due)[0].pending)) == (1, 3)
    assert remembered(served["form"]) is None


def test_what_is_ingested_elsewhere_starts_a_turn(served, athanor, tmp_path):
    """An answer that another machine has recorded, in the same ledger: the next is proposed."""
    folder = served["elsewhere"]
    ended(ask(folder, do=Do.TURN.value))
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    answer(copy, "monday.csv")
    assert athanor("lab", "ingest", copy).code == 0
    assert (answered(folder), known(folder)[0].turn) == (2, 1)
    until(lambda: known(folder)[0].turn == 2)
    (run,) = called(folder, "something has been recorded meanwhile")
    assert ended(run) == ("Completed", sentence(folder))


def test_the_schedule_starts_a_turn_where_nothing_else_does(served):
    """The run that was called for a file has been killed before it could read it."""
    folder = served["due"]
    if remembered(folder) is None:
        ended(ask(folder, do=Do.TURN.value))

    answer(folder, "monday.csv")
    until(lambda: called(folder, "monday.csv changed"))
    (run,) = called(folder, "monday.csv changed")
    until(lambda: process_of(run))
    kill(run)
    assert ended(run)[0] == "Crashed"
    assert answered(folder) == 0
    until(lambda: scheduled(folder))
    due = scheduled(folder)[0]
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(due.id, Scheduled(), force=True)  # its time has come
    assert ended(due) == ("Completed", sentence(folder))
    assert answered(folder) == 2
    until(lambda: "run until it waits: it is due by the schedule" in logs(due))
    until(lambda: "monday.csv: 2 used" in logs(due))


def scheduled(folder: Path) -> list[FlowRun]:
    """The runs that Prefect has made by the schedule, and whose time has not come."""
    made = [each for each in flow_runs(folder) if each.auto_scheduled]
    return [each for each in made if each.state and each.state.is_scheduled()]


def test_a_run_to_the_end_stays_through_a_pause(served, athanor):
    """Pause, resume and stop mean the same from the command line, and so many are in flight."""
    folder = served["end"]
    run = ask(folder, do=Do.END.value, in_flight=3)
    until(lambda: answered(folder) >= 4)
    athanor("pause", folder, "--reason", "lunch", "--by", "Ann")
    until(lambda: not known(folder)[0].running)
    then = known(folder)[0].answered
    athanor("resume", folder)
    until(lambda: answered(folder) > then)
    assert state(run).is_running()
    told = ended(ask(folder, do=Do.STOP.value, reason="enough", by="Bob"))
    assert told[0] == "Completed"
    assert told[1].startswith("Stopped: enough (by Bob)")
    assert ended(run) == ("Completed", sentence(folder))
    assert sentence(folder).startswith("stopped since ")
    campaign, entries = known(folder)
    assert [event for _, event in entries if isinstance(event, Paused)] == [
        Paused(reason="lunch", by="Ann"),
        Paused(reason="enough", by="Bob", stop="soon"),
    ]
    assert kinds(folder)["Started"] == kinds(folder)["Observed"] == campaign.answered
    assert overlap(folder) == 3


def test_a_run_to_the_end_stays_through_waits(served, athanor):
    """Of a laboratory: one run takes file after file; stopped, it ends, and results are taken."""
    folder = served["lasting"]
    run = ask(folder, do=Do.END.value)
    until(lambda: remembered(folder) and known(folder)[0].pending)
    answer(folder, "monday.csv")
    until(lambda: known(folder)[0].turn == 2)
    assert state(run).is_running()
    athanor("stop", folder, "--reason", "holidays", "--by", "Ann")
    assert ended(run) == ("Completed", sentence(folder))
    assert "holidays (by Ann)" in sentence(folder)
    assert [each.id for each in flow_runs(folder) if each.start_time] == [run.id]
    answer(folder, "tuesday.csv")
    until(lambda: answered(folder) == 4)
    assert known(folder)[0].pending == ()
    last = ask(folder, do=Do.END.value)
    until(lambda: known(folder)[0].pending)
    answer(folder, "friday.csv")
    assert ended(last) == ("Completed", "ended: budget: 6 evaluations")


def test_the_form_starts_pauses_resumes_and_stops_a_campaign(served):
    """Wrong values are refused; what a person asks for is done, recorded, and said."""
    folder = served["form"]
    for wrong in ({"do": "rumba"}, {"in_flight": 0}, {"in_flight": "many"}):
        with pytest.raises(PrefectHTTPStatusError, match="Validation failed for field"):
            ask(folder, **wrong)
    run = ask(folder)
    until(lambda: answered(folder) >= 4)
    assert ended(ask(folder, do=Do.PAUSE.value, reason="lunch", by="Ann"))[0] == "Completed"
    assert "paused since" in ended(run)[1]
    campaign, entries = known(folder)
    assert Paused(reason="lunch", by="Ann") in [event for _, event in entries]
    assert campaign.answered == len(campaign.observations)
    ask(folder, do=Do.RESUME.value)
    until(lambda: answered(folder) > campaign.answered)
    status, message = ended(ask(folder, do=Do.STOP_NOW.value, reason="the end"))
    assert (status, message[:32]) == ("Completed", "Stopped: the end (by Prefect's U")
    until(lambda: not known(folder)[0].running)
    until(lambda: left_open(folder) == [])
    assert set(known(folder)[0].attempts.values()) == {1}


def test_what_is_given_up_is_closed_and_asked_again(served, athanor):
    """Stop now, and Prefect's Cancel: nothing is left running, and no file starts it again."""
    folder = served["cancel"]
    run = ask(folder)
    until(lambda: left_open(folder) == ["RUNNING", "RUNNING"])
    assert "given up" in athanor("stop", folder, "--now", "--reason", "fire").out
    assert ended(run) == ("Completed", sentence(folder))
    assert not known(folder)[0].running
    until(lambda: not left_open(folder))

    run = ask(folder)
    until(lambda: left_open(folder) == ["RUNNING", "RUNNING"])
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run.id, State(type=StateType.CANCELLING))
    assert ended(run)[0] == "Cancelled"
    campaign = known(folder)[0]
    assert campaign.paused is not None
    assert campaign.paused.stop == "now"
    assert not campaign.running
    until(lambda: not left_open(folder))
    (first, second) = task_runs(folder)
    for each in (first, second):
        assert each.state is not None
        assert (each.state.name, each.state.message) == ("Cancelled", GIVEN_UP.message)

    until(lambda: is_seen(folder) and not left_open(folder))
    slow = (folder / "measure.py").read_text()
    (folder / "measure.py").write_text(slow.replace("sleep(60.0)", "sleep(0)"))
    text = (folder / "campaign.toml").read_text()
    (folder / "campaign.toml").write_text(f"{text}# a file has changed\n")
    until(lambda: called(folder, "campaign.toml changed"))
    (idle,) = called(folder, "campaign.toml changed")
    assert ended(idle) == ("Completed", sentence(folder))
    assert known(folder)[0].attempts == campaign.attempts
    ask(folder)
    until(lambda: known(folder)[0].closed == "budget: 2 evaluations")
    assert sum(known(folder)[0].attempts.values()) == 4


def test_a_file_starts_a_turn_and_a_broken_folder_stops_nobody(tmp_path, start):
    """Within seconds; what is wrong with the other folder is said, and once mended it goes on."""
    folder, broken = lab(tmp_path / "lab"), lab(tmp_path / "broken", proposer="rumba")
    process = start("serve", folder, broken, "--start")
    until(lambda: "'rumba'" in process.stdout.readline())
    until(lambda: remembered(folder) is not None)
    first = known(folder)[0].turn
    answer(folder, "monday.csv")
    began = time.monotonic()
    until(lambda: known(folder)[0].turn > first, 30)
    assert time.monotonic() - began < 20
    text = (broken / "campaign.toml").read_text()
    (broken / "campaign.toml").write_text(text.replace("rumba", "design").replace("test", "other"))
    until(lambda: remembered(broken) is not None)
    run = next(each for each in flow_runs(broken) if each.name.startswith("other"))
    assert ended(run)[1].startswith("waiting for 2 of 2 results since ")
