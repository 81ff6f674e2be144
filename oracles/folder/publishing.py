"""Writing what goes out: the worklist in its three forms, each whole, together or not at all."""

from collections.abc import Sequence
from pathlib import Path

from loop.errors import OracleError
from loop.objective import Objective
from loop.records import Candidate
from loop.space.space import SearchSpace
from oracles.folder.columns import titled
from oracles.folder.files import write_changed, write_whole
from oracles.folder.making import Making
from oracles.folder.paper import as_page
from oracles.folder.workbook import as_workbook
from oracles.folder.worklist import as_csv, worklist

FORMS = ("worklist.csv", "worklist.xlsx", "worklist.html")


def publish(
    folder: Path,
    candidates: Sequence[Candidate],
    space: SearchSpace,
    objective: Objective,
    making: Making,
) -> None:
    """Make these candidates the whole worklist; OracleError where it cannot be written.

    The CSV is written last: while it is unchanged, so are the others, and none is touched.
    """
    place = folder / "worklist"
    table = worklist(candidates, space, objective, making)
    content = as_csv(table)
    path = place / "worklist.csv"
    try:
        page = as_page(candidates, space, objective, making, folder.absolute().name)
        write_changed(place / "worklist.html", page)
        others = place / "worklist.xlsx"
        if not (path.is_file() and others.is_file() and path.read_bytes() == content):
            to_fill = frozenset(titled(each.name, each.unit) for each in objective.targets)
            write_whole(others, as_workbook(table, to_fill))
        write_changed(path, content)
    except OSError as error:
        where = str(error.filename or path)
        raise OracleError(
            where, "a file that can be written", str(error), "Close it in other programs."
        ) from error
