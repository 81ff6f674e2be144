"""The structures of a campaign's answers, as files that other programs read."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from ase import Atoms
from ase.io import write

from flows.folder import known
from flows.listing import statuses
from loop.campaign import Campaign
from loop.errors import SettingsError
from loop.records import Json, Measured
from loop.space.values import written
from oracles.atoms.database import Kept, kept

SUFFIXES = (".xyz", ".extxyz")


def export(folder: Path, target: Path) -> int:
    """Write the structures to an extended XYZ file, or as CIF to a folder; how many there are.

    In extended XYZ every frame says its candidate, its point, its values with their units, and the
    calculator with versions and attempt; a CIF has the first three in comments at its head.
    """
    campaign, _ = known(folder)
    found = list(_described(campaign, kept(folder)))
    if not found:
        remedy = "Structures are those of an atoms oracle's answers."
        raise SettingsError(str(folder), "structures of answers", "none", remedy)
    try:
        if target.suffix.casefold() in SUFFIXES:
            write(target, [atoms for _, atoms in found], format="extxyz")
        else:
            _cifs(target, found)
    except OSError as error:
        remedy = "Choose another place."
        raise SettingsError(str(target), "a place to write", str(error.strerror), remedy) from error
    return len(found)


def _described(campaign: Campaign, rows: list[Kept]) -> Iterator[tuple[str, Atoms]]:
    """The structures of candidates on record, with what is known of each."""
    status = statuses(campaign)
    for row in rows:
        if row.candidate not in campaign.candidates:
            continue
        atoms = row.atoms
        atoms.info.clear()
        atoms.info |= {
            "candidate": row.candidate,
            "campaign": campaign.problem.name,
            "status": status[row.candidate],
            "point": written(campaign.candidates[row.candidate].point),
            **_values(campaign, row.candidate),
            "calculator": str(row.provenance.get("calculator", "")),
            "versions": str(row.provenance.get("versions", "")),
            "attempt": str(row.provenance.get("attempt", "")),
        }
        yield row.candidate, atoms


def _values(campaign: Campaign, candidate: str) -> dict[str, Json]:
    """The values on record, each named with its unit: `bulk_modulus [GPa]`."""
    units = campaign.problem.objective.units
    for answer in reversed(campaign.observations.get(candidate, ())):
        if isinstance(answer, Measured):
            return {
                f"{name} [{units[name]}]" if units.get(name) else name: value
                for name, value in answer.values.items()
            }
    return {}


def _cifs(folder: Path, found: list[tuple[str, Atoms]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    times = Counter(name for name, _ in found)
    for name, atoms in found:
        own = name if times[name] == 1 else f"{name}-{atoms.calc.name}"
        path = folder / f"{own}.cif"
        write(path, atoms, format="cif")
        head = "".join(f"# {key}: {value}\n" for key, value in atoms.info.items())
        path.write_text(head + path.read_text(encoding="utf-8"), encoding="utf-8")
