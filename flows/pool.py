"""The rows of a pool, from a CSV or Parquet table or from structures, for `loop.space.pool`.

A table is read in blocks, and only the columns that are wanted, so that a million rows need little
more memory than their features do. Nothing is left out in silence: a cell that is no number is an
error that names it, and `loop.space.pool.Pool` says which columns it has.
"""

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flows.refusal import nearest
from flows.sheet import Sheet, numbers, readable, sheet
from flows.tables.problem import PoolTable
from loop.cost import WHERE
from loop.errors import SettingsError
from loop.space.pool import Ids, Listing, Pool, pool
from loop.space.values import Array
from oracles.atoms.collection import (
    Structure,
    content,
    description,
    is_library,
    numeric,
    structures,
)

SHOWN = 12  # names that a message lists
TEXT = np.dtypes.StringDType()


def made(
    table: PoolTable, folder: Path, answers: Collection[str], priced: Sequence[str] = ()
) -> Pool:
    """The pool that a [[parameter]] asks for; LoopError where its file does not hold one.

    `answers` are the columns that hold what is to be found out: a feature must not be one. Those
    of `priced` are what the cost is made of, and no features unless they are named as such.
    """
    path = folder / table.file
    if not path.exists():
        raise SettingsError(
            f"parameter.{table.name}.file",
            "a file in the campaign folder",
            f"no {table.file!r}",
            "Put it there, or correct its name.",
        )
    read = _of_structures if is_library(path) else _of_sheet
    return pool(table.name, read(table, path, answers, priced), table.past)


def _of_sheet(
    table: PoolTable, path: Path, answers: Collection[str], priced: Sequence[str]
) -> Listing:
    """The ids and features of a CSV or Parquet file."""
    source = sheet(path)
    where = f"parameter.{table.name}"
    key = _key(table, source.headers)
    leaks = [header for header in source.headers if _base(header) in answers]
    prices = {name: _header(WHERE, name, source.headers) for name in priced}
    _require_no_leak(WHERE, prices.values(), leaks)
    if table.features is None:
        left = {key, *leaks, *prices.values()}
        features = tuple(header for header in source.numeric() if header not in left)
    else:
        features = tuple(_header(f"{where}.features", f, source.headers) for f in table.features)
        _require_no_leak(f"{where}.features", features, leaks)
    if not features:
        raise SettingsError(
            f"{where}.file",
            "columns of numbers besides the id and the targets",
            f"none among {listed(source.headers)}",
            "Add the features by which the candidates differ.",
        )
    ids, X = _filled(str(path), source, key, features)
    columns = _filled(str(path), source, None, [*prices.values()])[1].T if prices else ()
    return Listing(
        ids=ids,
        X=X,
        features=features,
        file=table.file,
        key=key or "",
        beside=dict(zip(prices, columns, strict=True)),
    )


def _of_structures(
    table: PoolTable, path: Path, answers: Collection[str], priced: Sequence[str]
) -> Listing:
    """The ids of structures, and features: their own numbers, or else what their atoms tell."""
    library = structures(path, table.id)
    where = f"parameter.{table.name}"
    own = [key for key in numeric(library) if key != table.id]
    leaks = [key for key in own if _base(key) in answers]
    prices = {name: _header(WHERE, name, own) for name in priced}
    _require_no_leak(WHERE, prices.values(), leaks)
    own = [key for key in own if key not in leaks]
    left = [key for key in own if key not in prices.values()]
    chosen = left or None if table.features is None else table.features
    _require_no_leak(f"{where}.features", chosen or (), leaks)
    if chosen is not None and set(chosen) <= set(own):
        features, X = tuple(chosen), _said(str(path), library, chosen)
    else:
        features, X = description(library)
        if chosen is not None:
            known = (*own, *features)
            asked = tuple(_header(f"{where}.features", each, known) for each in chosen)
            both = np.hstack([_said(str(path), library, own), X])
            features, X = asked, both[:, [known.index(each) for each in asked]]
    return Listing(
        ids=[each.id for each in library],
        X=X,
        features=features,
        file=table.file,
        key=table.id or "",
        content=content(library),
        beside=dict(zip(prices, _said(str(path), library, [*prices.values()]).T, strict=True)),
    )


def _said(path: str, library: Sequence[Structure], keys: Sequence[str]) -> Array:
    """What the structures say of themselves (N, d), every one of every key."""
    X = np.empty((len(library), len(keys)))
    for row, each in enumerate(library):
        for column, key in enumerate(keys):
            value = each.said.get(key)
            if not isinstance(value, int | float | np.number) or not np.isfinite(value):
                raise SettingsError(
                    f"{path}, structure {row + 1} ({each.id})",
                    f"a finite number as {key!r}",
                    repr(value),
                    "Add it, or leave the key out of features.",
                )
            X[row, column] = value
    return X


def _filled(
    path: str, source: Sheet, key: str | None, features: Sequence[str]
) -> tuple[Ids, Array]:
    """The ids (N,) and features (N, d), read block by block."""
    ids: list[Ids] = []
    X = np.empty((0, len(features)))
    wanted = features if key is None else (key, *features)
    with readable(Path(path)):
        for block in source.blocks(list(dict.fromkeys(wanted))):
            start = len(X)
            X.resize((start + len(block), len(features)), refcheck=False)  # in place, not copied
            for column, header in enumerate(features):
                X[start:, column] = numbers(block[header])
                _require_finite(path, header, start, X[start:, column], block[header])
            ids.append(_ids(path, key, start, block))
    return np.concatenate([np.array([], dtype=TEXT), *ids]), X


def _ids(path: str, key: str | None, start: int, block: pa.RecordBatch) -> Ids:
    """The ids of a block: the cells of the column `key`, or the numbers of the rows."""
    if key is None:
        return np.array([f"row-{start + n + 1}" for n in range(len(block))], dtype=TEXT)
    cells = pc.utf8_trim_whitespace(pc.fill_null(block[key].cast(pa.string()), ""))
    texts = cells.to_pylist()
    if "" in texts:
        row = start + texts.index("") + 1
        raise SettingsError(
            f"{path}, row {row}, column {key!r}", "an id", "an empty cell", "Fill it in."
        )
    return np.array(texts, dtype=TEXT)


def _require_finite(path: str, header: str, start: int, found: Array, cells: pa.Array) -> None:
    """Raise SettingsError with the first cell that is no finite number."""
    finite = np.isfinite(found)
    if not finite.all():
        row = int(np.argmin(finite))
        said = cells[row].as_py()
        raise SettingsError(
            f"{path}, row {start + row + 1}, column {header!r}",
            "a finite number",
            "an empty cell" if said in {None, ""} else repr(said),
            "Correct the cell or remove the row; or name other columns in features.",
        )


def _key(table: PoolTable, headers: Sequence[str]) -> str | None:
    """The column of the ids: the one that is stated, else the first called id, else none."""
    if table.id is not None:
        return _header(f"parameter.{table.name}.id", table.id, headers)
    return next((header for header in headers if header.casefold() == "id"), None)


def _header(where: str, name: str, headers: Sequence[str]) -> str:
    """The header that is `name`, or `name [unit]`; SettingsError unless there is exactly one."""
    found = [h for h in headers if h == name] or [h for h in headers if _base(h) == name]
    if len(found) != 1:
        raise SettingsError(
            where,
            f"a column among {listed(headers)}",
            repr(name) if not found else f"{name!r}, which {' and '.join(found)} could be",
            nearest(name, headers) or "Name a column of the file.",
        )
    return found[0]


def _require_no_leak(where: str, features: Collection[str], leaks: Collection[str]) -> None:
    """Raise SettingsError where a feature is a target's own column."""
    for feature in features:
        if feature in leaks:
            raise SettingsError(
                where,
                "columns that are known before a measurement",
                f"{feature!r}, which is a target",
                "Leave it out.",
            )


def _base(header: str) -> str:
    """A header without its unit."""
    return header.partition("[")[0].strip()


def listed(headers: Sequence[str]) -> str:
    """The names of a table's columns, or the first of very many."""
    more = f" and {len(headers) - SHOWN} more" if len(headers) > SHOWN else ""
    return ", ".join(headers[:SHOWN]) + more
