"""A program as oracle: what it is told, what its end means, and that nothing of it stays behind."""

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from loop.errors import OracleError
from loop.objective import Objective, Target
from loop.records import Failed, Measured
from oracles import command
from oracles.command import Command
from oracles.testing import candidates

OBJECTIVE = Objective(targets=(Target(name="strength", unit="MPa"),))
(ASKED,) = candidates({"T": 500.0, "alloy": {"Cu": 0.25, "Au": 0.75}})
VALUE = 'print(\'{"values": {"strength": 412}}\')'


def program(folder, body, **settings) -> Command:
    """The oracle of a Python script in the campaign folder."""
    lines = ["import json, os, signal, subprocess, sys, time", *body.split("; ")]
    (folder / "simulate.py").write_text("\n".join(lines))
    words = (sys.executable, "{campaign}/simulate.py")
    return Command(**{"command": words, "objective": OBJECTIVE, "folder": folder} | settings)


def ask(oracle, candidate=ASKED):
    """The one answer to one candidate."""
    (answer,) = oracle.collect([candidate])
    return answer


def runs(pid):
    """Whether a process is there, and more than a name that nobody has asked after."""
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def ends(pid, within_s=5.0):
    """Whether a process ends within some seconds."""
    end = time.monotonic() + within_s
    while runs(pid) and time.monotonic() < end:
        time.sleep(0.02)
    return not runs(pid)


@pytest.mark.parametrize("source", ["sys.stdin", "open('candidate.json')"])
def test_the_question_is_on_standard_input_and_in_a_file(tmp_path, source):
    """Id, point and targets with their units; a composition is a mapping."""
    body = f"said = json.dumps(json.load({source})); "
    body += "print(json.dumps({'values': {'strength': 1}, 'notes': {'asked': said}}))"
    answer = ask(program(tmp_path, body))
    assert json.loads(answer.notes["asked"]) == {
        "id": ASKED.id,
        "point": ASKED.point,
        "targets": {"strength": "MPa"},
    }


def test_a_written_answer_counts_before_a_printed_one(tmp_path):
    """A program may print what it likes when it writes answer.json; it works in its own folder."""
    body = "print('hello'); open('answer.json', 'w').write('{\"values\": {\"strength\": 7}}')"
    answer = ask(program(tmp_path, body))
    assert answer.values == {"strength": 7.0}
    assert answer.source.attempt == f"attempts/{ASKED.id}-1"
    assert list((tmp_path / "attempts").iterdir()) == []


@pytest.mark.parametrize(
    ("body", "kind", "says"),
    [
        ("sys.exit(1)", "crashed", "exited with status 1"),
        ("sys.exit(65)", "infeasible", "exited with status 65"),
        ("sys.exit(78)", "invalid_input", "exited with status 78"),
        ("sys.exit(124)", "timeout", "exited with status 124"),
        ("sys.exit(7)", "not_converged", "exited with status 7"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "crashed", "died of SIGSEGV"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "crashed", "died of SIGKILL"),
        ("1 / 0", "crashed", "exited with status 1"),
        ("print('done')", "invalid_output", "expected an answer in JSON, got 'done"),
        ("pass", "invalid_output", "expected an answer in JSON, got ''"),
        ("print(' ' * 2_000_000)", "invalid_output", "at most 1 MB"),
    ],
)
def test_an_end_without_a_value_has_its_kind(tmp_path, body, kind, says):
    """By exit status, by signal, by what was said; its folder is kept, with the way to repeat."""
    answer = ask(program(tmp_path, body, exits={7: "not_converged"}))
    assert isinstance(answer, Failed)
    assert (answer.kind, says in answer.message) == (kind, True), answer.message
    assert answer.source.attempt == f"attempts/failed-{ASKED.id}-1"
    assert (tmp_path / answer.source.attempt / "repeat.sh").is_file()


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_failure_shows_the_end_of_the_log(tmp_path, stream):
    """Of what it complained, or else of what it printed."""
    answer = ask(
        program(tmp_path, f"print('x' * 9000 + 'the end', file=sys.{stream}); sys.exit(3)")
    )
    assert answer.log.endswith("the end")
    assert len(answer.log) < 5000


def test_a_hang_ends_with_all_that_it_started(tmp_path):
    """At the wall limit the whole process group is killed."""
    body = "child = subprocess.Popen(['sleep', '60'])"
    body += "; open('pid', 'w').write(str(child.pid)); time.sleep(60)"
    began = time.monotonic()
    answer = ask(program(tmp_path, body, wall_s=1.0))
    assert time.monotonic() - began < 3.0
    assert (answer.kind, answer.message) == ("timeout", "killed after the wall limit of 1 s")
    assert ends(int((tmp_path / answer.source.attempt / "pid").read_text()))


def test_endless_output_is_stopped(tmp_path, monkeypatch):
    """A program that prints without end fills no disk."""
    monkeypatch.setattr(command, "MOST_OUTPUT", 100_000)
    answer = ask(program(tmp_path, "while True: print('x' * 1000)"))
    assert (answer.kind, "printed more than 0.1 MB" in answer.message) == ("invalid_output", True)


CAMPAIGN = """
import sys
sys.path[:0] = {path!r}
from pathlib import Path
from tests.oracles.test_command import ask, program
ask(program(Path({folder!r}), "open('../../pid', 'w').write(str(os.getpid())); time.sleep(60)"))
"""


def test_a_program_ends_with_its_campaign(tmp_path):
    """After a kill -9 of the campaign nothing goes on burning time."""
    path = [str(Path(__file__).parents[2]), *sys.path]
    script = CAMPAIGN.format(path=path, folder=str(tmp_path))
    pid = tmp_path / "pid"
    with subprocess.Popen([sys.executable, "-c", script]) as campaign:
        while not (pid.exists() and pid.read_text()):
            time.sleep(0.05)
        campaign.kill()
    assert ends(int(pid.read_text()))


def test_attempts_at_once_have_folders_of_their_own(tmp_path):
    """Eight runs of one candidate in parallel: eight folders, in none the files of another."""
    body = "assert not os.path.exists('mine'); open('mine', 'w'); time.sleep(0.2); sys.exit(9)"
    oracle = program(tmp_path, body)
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: ask(oracle), range(8)))
    assert all(answer.message.endswith("exited with status 9") for answer in answers)
    assert len({answer.source.attempt for answer in answers}) == 8


def test_an_attempt_can_be_repeated_by_hand(tmp_path):
    """The script in its folder asks the same of the same program, in the same environment."""
    body = "print(json.load(sys.stdin)['id'], os.environ['LEVEL']); sys.exit(3)"
    answer = ask(program(tmp_path, body, environment={"LEVEL": "a b"}))
    script = tmp_path / answer.source.attempt / "repeat.sh"
    again = subprocess.run([script], capture_output=True, text=True, check=False)
    assert (again.returncode, again.stdout) == (3, f"{ASKED.id} a b\n")
    assert answer.log == f"{ASKED.id} a b"


@pytest.mark.parametrize(("inherit", "seen"), [(True, "yes 1"), (False, "no 1")])
def test_the_environment_is_what_is_stated(tmp_path, monkeypatch, inherit, seen):
    """That of the campaign with what is added; or that alone."""
    monkeypatch.setenv("OURS", "x")
    body = "print('yes' if 'OURS' in os.environ else 'no', os.environ['MINE']); sys.exit(3)"
    answer = ask(program(tmp_path, body, environment={"MINE": "1"}, inherit=inherit))
    assert answer.log == seen


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"command": ("no-such-program",)}, r"oracle.command: .*got 'no-such-program'. Install it"),
        ({"command": ("./simulate.sh",)}, r"oracle.command: .*simulate.sh'"),
        ({"command": ()}, r"oracle.command: expected a program and its arguments, got none"),
        ({"wall_s": 0.0}, r"oracle.wall_s: expected a number of seconds above 0"),
        ({"exits": {0: "crashed"}}, r"oracle.exits: expected statuses from 1 to 255, got 0"),
        ({"exits": {3: "sad"}}, r"oracle.exits.3: expected one of infeasible, .*got 'sad'"),
    ],
)
def test_what_can_never_run_is_refused_at_once(tmp_path, settings, message):
    """One sentence, before anything is asked."""
    with pytest.raises(OracleError, match=message):
        program(tmp_path, VALUE, **settings)


def test_a_program_in_the_campaign_folder_is_found(tmp_path):
    """A path is looked for there, whatever folder the command was given in."""
    script = tmp_path / "simulate.sh"
    script.write_text('#!/bin/sh\necho \'{"values": {"strength": 5}}\'\n')
    script.chmod(0o755)
    answer = ask(program(tmp_path, "pass", command=("./simulate.sh",)))
    assert isinstance(answer, Measured)
    assert answer.values == {"strength": 5.0}


def test_a_program_that_has_gone_since_is_bad_input(tmp_path):
    """It stops the campaign with the reason: it would be the same for every candidate."""
    script = tmp_path / "simulate.sh"
    script.write_text("#!/no/such/shell\n")
    script.chmod(0o755)
    answer = ask(program(tmp_path, "pass", command=("./simulate.sh",)))
    assert (answer.kind, "No such file" in answer.log) == ("invalid_input", True)


def test_the_leash_costs_little(tmp_path):
    """A run in a folder of its own takes under 0.3 s more than its program."""
    oracle = program(tmp_path, VALUE)
    began = time.perf_counter()
    subprocess.run([sys.executable, str(tmp_path / "simulate.py")], check=True, capture_output=True)
    alone = time.perf_counter() - began
    assert min(ask(oracle).source.seconds for _ in range(5)) < alone + 0.3
