"""Whether what a campaign asked is what this process asks, of the same events."""

from pathlib import Path

from flows.folder import known
from flows.prove.child import Trial
from flows.prove.invariants import CHOICE, INVARIANTS, History
from flows.rig import load


def whims(folder: Path) -> list[str]:
    """Each turn that asked for something else; whoever took it, and whatever else went on."""
    trial = Trial(folder=folder, ledger="", evaluations=0)
    entries = known(folder)[1]
    history = History(trial=trial, rig=load(folder).rig, entries=entries, remembered=())
    return list(INVARIANTS[CHOICE](history))
