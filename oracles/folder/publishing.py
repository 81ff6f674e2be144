"""Writing what goes out: the worklist in all its forms, each whole; what others wrote is kept.

Whoever fills a form in and saves it where it is, not in results/, must not lose it: a file that is
not as it was written here is put aside as `changed-...` before it is written anew.
"""

import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from loop.errors import OracleError
from loop.objective import Objective
from loop.records import Candidate
from loop.space.space import SearchSpace
from oracles.folder.columns import titled
from oracles.folder.files import write_whole
from oracles.folder.form import as_form
from oracles.folder.making import Making
from oracles.folder.paper import as_page
from oracles.folder.workbook import as_workbook
from oracles.folder.worklist import as_csv, worklist

FORM = "form.xlsx"
FORMS = ("worklist.csv", "worklist.xlsx", "worklist.html", FORM)
WRITTEN = ".written.json"  # the sha256 of what was written here, the newest last
REMEMBERED = 100


def publish(
    folder: Path,
    candidates: Sequence[Candidate],
    space: SearchSpace,
    objective: Objective,
    making: Making,
) -> None:
    """Make these candidates the whole worklist; OracleError where it cannot be written.

    While the CSV would stay the same, nothing is touched but what is missing or was changed.
    """
    place = folder / "worklist"
    table = worklist(candidates, space, objective, making)
    content = as_csv(table)
    try:
        ours = _written(place)
        put_aside(place, ours)
        if _stands(place, content):
            return
        to_fill = frozenset(titled(each.name, each.unit) for each in objective.targets)
        made = {
            "worklist.html": as_page(candidates, space, objective, making, folder.absolute().name),
            "worklist.xlsx": as_workbook(table, to_fill),
            FORM: as_form(candidates, space, objective, making),
            "worklist.csv": content,
        }
        ours += [sha256(each).hexdigest() for each in made.values()]
        write_whole(place / WRITTEN, json.dumps(ours[-REMEMBERED:]).encode())
        for name, each in made.items():
            write_whole(place / name, each)
    except OSError as error:
        where = str(error.filename or place / FORMS[0])
        raise OracleError(
            where, "a file that can be written", str(error), "Close it in other programs."
        ) from error


def _stands(place: Path, content: bytes) -> bool:
    """Whether all forms are there as they should be: the CSV is written last, so it tells."""
    is_whole = all((place / name).is_file() for name in FORMS)
    return is_whole and (place / "worklist.csv").read_bytes() == content


def put_aside(place: Path, ours: Sequence[str]) -> None:
    """Rename the forms that somebody has changed; of an unknown past, none."""
    for name in FORMS if ours else ():
        path = place / name
        digest = sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        if digest and digest not in ours:
            path.rename(place / f"changed-{digest[:8]}-{name}")


def forget(folder: Path) -> None:
    """Let the next worklist be written whatever it says; what others changed is put aside."""
    place = folder / "worklist"
    put_aside(place, _written(place))
    for name in FORMS:
        (place / name).unlink(missing_ok=True)


def _written(place: Path) -> list[str]:
    try:
        known = json.loads((place / WRITTEN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [each for each in known if isinstance(each, str)] if isinstance(known, list) else []
