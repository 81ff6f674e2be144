"""What `athanor check` examines: the packages that are installed, and the campaign folder."""

from importlib.metadata import packages_distributions
from importlib.util import find_spec
from math import isinf
from pathlib import Path

from flows.folder import require_writable
from flows.pool import listed
from flows.rehearsal import Finding, rehearsals
from flows.rig import Setup, load
from flows.several import parts
from flows.versions import versions
from loop.campaign import Campaign
from loop.protocols import Oracle
from loop.records import REAL, Problem
from loop.run import replay
from loop.space.pool import Pool
from loop.space.values import written
from oracles.atoms.oracle import AtomsOracle
from oracles.several import Part
from oracles.wrappers import Cache, Delay, Meter, Noise, Retry

DISTRIBUTION = "athanor-loop"
PACKAGES = ("loop", "oracles", "flows")


def examine(folder: Path, *, evaluate: bool) -> list[Finding]:
    """All findings; LoopError where the folder holds no campaign that could run.

    With `evaluate`, an oracle that computes its answers is asked for one.
    """
    setup = load(folder)
    require_writable(folder)
    findings = [*_packages(), *_caps(), *_campaign(setup)]
    return [*findings, *rehearsals(setup.rig)] if evaluate else findings


def _packages() -> list[Finding]:
    """Whether our packages are ours: a foreign `flows` exists, and installs over it silently."""
    owners = packages_distributions()
    home = Path(__file__).parents[1]
    findings = []
    for package in PACKAGES:
        foreign = set(owners.get(package, ())) - {DISTRIBUTION}
        spec = find_spec(package)
        place = Path(spec.origin).parents[1] if spec and spec.origin else None
        well = not foreign and place == home
        said = str(place) if well else f"{', '.join(foreign) or place}: uninstall that one"
        findings.append(Finding(what=f"package {package}", well=well, said=said))
    return findings


def _caps() -> list[Finding]:
    said = versions()
    return [Finding(what=each, well=not wrong, said=wrong or found) for each, found, wrong in said]


def _campaign(setup: Setup) -> list[Finding]:
    rig = setup.rig
    space, size = rig.problem.space, rig.problem.space.size
    points = "infinitely many points" if isinf(size) else f"{size:g} points before constraints"
    asked = [*parts(rig.oracle, rig.problem), *parts(rig.laboratory, rig.problem)]
    for part in asked:
        _require(part.oracle)
    campaign = replay(rig)
    first = rig.proposer.propose(Campaign(problem=rig.problem), 1)[0]
    return [
        Finding(what="space", well=True, said=f"{len(space.columns)} columns, {points}"),
        *(_pool(each) for each in space.parameters if isinstance(each, Pool)),
        *(_oracle(part, rig.problem) for part in asked),
        Finding(
            what="proposer",
            well=True,
            said=f"{type(rig.proposer).__name__.lower()}, first {written(first.point)}",
        ),
        Finding(what="ledger", well=True, said=f"{campaign.seq} events"),
    ]


def _oracle(part: Part, problem: Problem) -> Finding:
    """What an oracle says of itself; of several, what it stands in for."""
    declared = part.oracle.declaration
    measures = declared.measures or {each: problem.objective.units[each] for each in part.targets}
    targets = ", ".join(f"{name} [{unit}]" if unit else name for name, unit in measures.items())
    limit = f", at most {declared.wall_s:g} s each" if declared.wall_s else ""
    real = problem.fidelity(REAL).called
    stands_in = f"; stands in for {real}" if part.fidelity != REAL else ""
    said = f"{declared.name}: {targets}{limit}{stands_in}"
    return Finding(what=f"oracle {part.name}".rstrip(), well=True, said=said)


def _require(oracle: Oracle) -> None:
    """Raise OracleError where a calculator's program or file is missing."""
    match oracle:
        case AtomsOracle():
            oracle.require()
        case Retry(oracle=inner) | Delay(oracle=inner) | Noise(oracle=inner):
            _require(inner)
        case Meter(oracle=inner) | Cache(oracle=inner):
            _require(inner)


def _pool(pool: Pool) -> Finding:
    """What a pool's file was found to hold."""
    said = f"{pool.count} rows of {pool.file}, ids from {pool.key or 'their places'}"
    said += f", features {listed(pool.features)}"
    if pool.dropped:
        said += f"; left out, being the same in all rows: {listed(pool.dropped)}"
    return Finding(what=f"pool {pool.name}", well=True, said=said)
