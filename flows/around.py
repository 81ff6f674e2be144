"""What is laid around the oracle of a campaign folder: delay, attempts, meter, cache, noise."""

import re
from hashlib import sha256
from pathlib import Path

from flows.settings import FolderTable, Oracles
from loop.choices import PLACE
from loop.protocols import Oracle
from loop.records import Problem
from loop.space.pool import Pool
from oracles.wrappers import Cache, Delay, Meter, Noise, Retry

CACHE = "cache.db"
COSTS = "costs.db"
LONG = 255  # characters: no file system names a file with more
# Settings that change when an answer comes and what is made of it, not what it is.
BESIDE = PLACE | {"attempts", "cache", "delay_s", "meter", "noise", "wall_s"}


def around(made: Oracle, table: Oracles, folder: Path, problem: Problem) -> Oracle:
    """The oracle with what its table lays around it; OracleError where that cannot be.

    A value that is kept has cost nothing when it is told again, and is kept without noise.
    """
    if isinstance(table, FolderTable):
        return made
    if table.delay_s is not None:
        made = Delay(oracle=made, seconds=table.delay_s)
    if table.attempts > 1:
        made = Retry(oracle=made, attempts=table.attempts)
    if table.meter is not None:
        made = Meter(oracle=made, file=folder / COSTS, **table.meter.model_dump())
    if table.cache:
        asked = content(table, folder, problem)
        made = Cache(oracle=made, file=folder / CACHE, content=asked)
    return Noise(oracle=made, sd=table.noise, seed=problem.seed) if table.noise else made


def content(table: Oracles, folder: Path, problem: Problem) -> str:
    """What decides an answer besides the point: settings, the files that they name, pools.

    A file is looked for here and in the folders that are named too, such as `pseudo_dir`. What it
    imports or reads in its turn is not looked at.
    """
    said = table.model_dump_json(exclude=set(BESIDE))
    words = {part for text in re.findall(r'"([^"]*)"', said) for part in text.split(":")}
    names = {word.removeprefix("{campaign}/") for word in words if len(word) < LONG} - {""}
    places = [folder, *(folder / name for name in names if (folder / name).is_dir())]
    named = {place / name for place in places for name in names}
    files = sorted(file for file in named if file.is_file())
    pools = [each.digest for each in problem.space.parameters if isinstance(each, Pool)]
    return "\n".join([said, *(sha256(file.read_bytes()).hexdigest() for file in files), *pools])
