"""Processes of a laboratory, really killed and really at once.

    python lab_processes.py kill FOLDER        every step of a turn, killed with SIGKILL
    python lab_processes.py crowd FOLDER       eight writers, while two processes take turns

Each process is forked from this one, which has imported everything. Where a turn is cut off is told
by a tracer: before every line of the functions that read, record, archive and hand back.
"""

import json
import os
import shutil
import signal
import sys
import time
from collections import Counter
from pathlib import Path

from flows.folder import known
from flows.inbox import accounts
from flows.laboratory import take
from flows.rig import load
from loop.ledger import Ledger
from loop.run import Worker
from oracles.folder import files, oracle, rejected, tray

STEPS = {
    take.__code__,
    oracle.Folder.collect.__code__,
    oracle.Folder.news.__code__,
    oracle.Folder.read.__code__,
    oracle.Folder._collect.__code__,
    oracle.Folder._receipts.__code__,
    Ledger.append.__code__,
    files.write_whole.__code__,
    tray.content.__code__,
    tray.write_index.__code__,
    rejected.write_rejected.__code__,
}
WRITERS, TURNERS, FILES = 8, 2, 6


def turn(folder):
    """One turn of the campaign."""
    return take(load(folder), Worker())


def forked(work):
    """The exit status of a child that does the work; minus the signal that has ended it."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - the child must end here
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def tracing(at):
    """Call `at` before every line of a step, with the place."""

    def local(frame, event, _):
        if event == "line":
            at((frame.f_code.co_name, frame.f_lineno))
        return local

    sys.settrace(lambda frame, *_: local if frame.f_code in STEPS else None)


def places(folder):
    """Every place in the steps of a turn, in the order in which they come."""
    seen = []
    tracing(lambda place: None if place in seen else seen.append(place))
    turn(folder)
    sys.settrace(None)
    return seen


def outcome(folder):
    """All that must be the same however the turn went."""
    campaign, _ = known(folder)
    return {
        "values": {r.candidate.id: dict(r.values) for r in campaign.results},
        "torn": sorted(campaign.torn),
        "files": Counter(event.receipt.file for event in campaign.ingested),
        "inbox": {a.file: (a.rows, a.used, a.duplicate, a.conflict) for a in accounts(campaign)},
        "balances": all(each.balances for each in accounts(campaign)),
        "pages": sorted(
            (path.parent.name, path.name, path.read_text())
            for name in ("rejected", "worklist")
            for path in (folder / name).glob("*.csv")
        ),
        "archive": sorted(p.name for p in (folder / "archive").iterdir() if p.name[0] != "."),
    }


def kill(folder):
    """Kill a turn before every line of its steps; say how often, and where the end differs."""
    whole = folder.with_name("whole")
    shutil.copytree(folder, whole)
    found = places(whole)
    turn(whole)
    wanted, wrong, killed = outcome(whole), [], 0
    for place in found:
        copy = folder.with_name("copy")
        shutil.copytree(folder, copy)
        status = forked(lambda copy=copy, place=place: cut_off(copy, place))
        killed += status == -signal.SIGKILL
        status = forked(lambda copy=copy: (turn(copy), turn(copy)))
        if status != 0 or outcome(copy) != wanted:
            wrong.append((place, status))
        shutil.rmtree(copy)
    say({"places": len(found), "killed": killed, "wrong": wrong})


def cut_off(folder, place):
    """A turn that is killed when it comes to the place."""
    tracing(lambda here: os.kill(os.getpid(), signal.SIGKILL) if here == place else None)
    turn(folder)


def crowd(folder):
    """Writers and turners at once; what is on record when all are done."""
    ids = [each.id for each in known(folder)[0].pending]
    turners = [start(lambda: turn_until(folder)) for _ in range(TURNERS)]
    writers = [start(lambda n=n: write(folder, ids, n)) for n in range(WRITERS)]
    ended = [os.waitstatus_to_exitcode(os.waitpid(each, 0)[1]) for each in writers]
    (folder / "stop").touch()
    ended += [os.waitstatus_to_exitcode(os.waitpid(each, 0)[1]) for each in turners]
    turn(folder)
    campaign, entries = known(folder)
    said = outcome(folder)
    repeats = {r.candidate.id: r.repeats["strength"] for r in campaign.results}
    numbers = [event.receipt.rows for event in campaign.ingested]
    say(
        {
            "ended": ended,
            "events": len(entries) == campaign.seq,
            "balances": said["balances"],
            "repeats": repeats,
            "read": len(numbers),
            "torn": said["torn"],
        }
    )


def say(found):
    """The answer, as the last line."""
    sys.stdout.write(json.dumps(found) + "\n")


def start(work):
    """The id of a child at work."""
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    return child


def turn_until(folder):
    """Turn after turn until told to stop."""
    while not (folder / "stop").exists():
        turn(folder)


def write(folder, ids, writer):
    """Files of a row per sample, each row a replicate of its own, written as programs write."""
    for number in range(FILES):
        rows = [f"{each},{writer}.{number},{100 + writer + number / 8}\n" for each in ids]
        text = "candidate,replicate,strength [MPa]\n" + "".join(rows)
        path = folder / "results" / f"{writer}-{number}.csv"
        with path.open("w") as file:
            for start_at in range(0, len(text), 23):
                file.write(text[start_at : start_at + 23])
                file.flush()
                time.sleep(0.002)


if __name__ == "__main__":
    {"kill": kill, "crowd": crowd}[sys.argv[1]](Path(sys.argv[2]))
