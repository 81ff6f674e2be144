"""A pool: a parameter whose values are the rows of a table of candidates, named by their ids.

Notation: N rows, numbered from 0; ids (N,); X (N, d) their features, each scaled to 0..1 by its own
range in the pool. A pool of a million rows is scanned, never listed: work with row numbers
(`rows_of`, `points`), because two ids may share all their features, and no encoded point can tell
those apart.

What is written down of a pool is its name, its columns, how many rows it has and the digest of
them. One that is read from a ledger therefore equals the one that was opened, and has no rows.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from hashlib import sha256
from typing import Any, TypeAlias
from zlib import crc32

import numpy as np
import scipy
from numpy.typing import NDArray

from loop.errors import SpaceError
from loop.space.values import Array, stated_at

Index: TypeAlias = NDArray[np.int64]
Ids: TypeAlias = NDArray[Any]  # of strings, each as long as it is: a fixed width costs gigabytes

CONSTANT = 1e-12  # a range this small beside its values is rounding, not a feature
SAMPLE = 50_000  # rows among which a design is spread; more would not fill the space any better
BLOCK = 64  # rows whose distances to SAMPLE others are held at once: 26 MB
LISTED = 20_000  # in a larger pool no similar id is looked for
MIXER = 0x9E3779B97F4A7C15  # odd, its bits spread evenly: Knuth's multiplicative hash, 2^64 / phi
DECIMALS = 9  # of scaled features that tell two points apart, as in `SearchSpace.keys`


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Listing:
    """A table of candidates as it was read: ids (N,), their features X (N, d), unscaled.

    `file` and `key` say where the ids came from: a file's name, and a column of it. `content`
    digests what the ids and features do not tell, such as the positions of atoms. `beside` are
    columns (N,) that are no features, such as prices: they may change while a campaign runs.
    """

    ids: Ids | Sequence[str]
    X: Array
    features: tuple[str, ...]
    file: str = ""
    key: str = ""
    content: str = ""
    beside: Mapping[str, Array] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Pool:
    """One of `count` candidates, by id. `pool` makes one with rows, a ledger one without.

    `features` are the columns that vary among the rows, `dropped` those that do not; `past` is the
    id that all points had before the parameter was added to a running campaign.
    """

    name: str
    features: tuple[str, ...]
    count: int
    digest: str
    dropped: tuple[str, ...] = ()
    file: str = ""
    key: str = ""
    past: str | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """One column per feature, named `parameter.feature`."""
        return tuple(f"{self.name}.{feature}" for feature in self.features)

    @property
    def is_live(self) -> bool:
        """Whether the rows are here; false in what a ledger keeps."""
        return "X" in vars(self)

    @cached_property
    def X(self) -> Array:  # noqa: N802 - as in the literature
        """The scaled features (N, d), never to be written to; SpaceError where not live."""
        raise self._absent()

    @cached_property
    def ids(self) -> Ids:
        """The ids (N,); SpaceError where not live."""
        raise self._absent()

    @cached_property
    def beside(self) -> Mapping[str, Array]:
        """Columns (N,) that are no features, named `parameter.column`; none where not live."""
        return {}

    def __contains__(self, value: object) -> bool:
        """Whether a row has that id."""
        return isinstance(value, str) and bool(self._find([value])[0] >= 0)

    def encode(self, value: object) -> tuple[float, ...]:
        """The scaled features of the row with that id; SpaceError where there is none."""
        return tuple(self.X[self.rows_of([value])[0]].tolist())

    def snap(self, columns: Array) -> Array:
        """Columns (n, d) moved to those of the nearest rows."""
        nearest: Array = self.X[self.nearest(columns)]
        return nearest

    def decode(self, columns: Sequence[float]) -> str:
        """The id of the nearest row; of any one of them, where several share their features."""
        return str(self.ids[self.nearest(np.array([columns], dtype=np.float64))[0]])

    def check(self, value: object) -> None:
        """Raise SpaceError unless a row has that id."""
        self.rows_of([value])

    def rows_of(self, ids: Iterable[object]) -> Index:
        """The row numbers (n,) of n ids; SpaceError for one that no row has."""
        asked = list(ids)
        rows = self._find([each if isinstance(each, str) else "" for each in asked])
        for value, row in zip(asked, rows.tolist(), strict=True):
            if row < 0 or not isinstance(value, str):
                raise SpaceError(
                    f"space.{self.name}",
                    f"the id of one of the {self.count} rows of {self.file or 'the pool'}",
                    repr(value),
                    self._similar(str(value)),
                )
        return rows

    def points(self, rows: Iterable[int]) -> list[dict[str, str]]:
        """The points of these rows: {name: id}."""
        return [{self.name: str(self.ids[row])} for row in rows]

    def nearest(self, columns: Array) -> Index:
        """The row numbers (n,) nearest to columns (n, d): exact where a row is exactly there."""
        _, rows = self._tree.query(columns)
        found: Index = np.asarray(rows, dtype=np.int64)
        return found

    def neighbours(self, row: int, count: int) -> Index:
        """The numbers of up to `count` rows nearest to a row, itself left out, nearest first."""
        _, rows = self._tree.query(self.X[row], k=min(count + 1, self.count))
        found = np.atleast_1d(rows)
        others: Index = found[found != row][:count].astype(np.int64)
        return others

    def spread(self, count: int, seed: int, taken: Iterable[int] = ()) -> Index:
        """Up to `count` rows, none of `taken`, each the farthest from those and from one another.

        Farthest-point sampling (Gonzalez, Theor. Comput. Sci. 38, 293, 1985) on scaled features,
        from the row nearest to the mean. Of a large pool, among SAMPLE rows drawn by seed; the
        seed also settles ties, so that no row gains by its place in the file.
        """
        order = np.random.default_rng(seed).permutation(self.count)
        asked = np.fromiter(taken, dtype=np.int64)
        free = np.isin(order, asked, invert=True)
        if free[:SAMPLE].sum() >= count:
            order, free = order[:SAMPLE], free[:SAMPLE]
        here = self.X[order]
        found: list[int] = []
        if len(asked):
            gaps = _gaps(here, self.X[asked])
        else:
            centre = here.mean(axis=0, keepdims=True)
            found.append(int(np.argmin(_gaps(here, centre))))
            gaps = _gaps(here, here[found])
        for _ in range(len(found), min(count, int(free.sum()))):
            free[found] = False
            found.append(int(np.argmax(np.where(free, gaps, -1.0))))
            gaps = np.minimum(gaps, _gaps(here, here[found[-1:]]))
        return order[found[:count]]

    @cached_property
    def twins(self) -> tuple[str, str] | None:
        """Two ids that share all their features to nine decimals, if any do."""
        marks = np.zeros(self.count, dtype=np.uint64)
        for column in self.X.T:
            steps = np.round(column * 10.0**DECIMALS).astype(np.uint64)
            marks = marks * np.uint64(MIXER) + steps
        order = np.argsort(marks, kind="stable")
        for place in np.flatnonzero(marks[order][1:] == marks[order][:-1]).tolist():
            a, b = order[place], order[place + 1]
            if np.array_equal(np.round(self.X[a], DECIMALS), np.round(self.X[b], DECIMALS)):
                return str(self.ids[a]), str(self.ids[b])
        return None

    @cached_property
    def _tree(self) -> "scipy.spatial.cKDTree":
        # Neither balanced nor compact: a million rows in 0.3 s, and many equal rows do no harm.
        return scipy.spatial.cKDTree(self.X, balanced_tree=False, compact_nodes=False)

    @cached_property
    def _index(self) -> tuple[NDArray[np.uint32], Index]:
        """The checksums of all ids in order, and the row of each: 12 bytes per row."""
        keys = _keys(self.ids)
        order = np.argsort(keys, kind="stable")
        return keys[order], order.astype(np.int64)

    def _find(self, texts: Sequence[str]) -> Index:
        """The row of each text, -1 where no row has that id."""
        known, order = self._index
        keys = _keys(texts)
        first, last = np.searchsorted(known, keys), np.searchsorted(known, keys, "right")
        found = np.full(len(texts), -1, dtype=np.int64)
        for place, (text, a, b) in enumerate(zip(texts, first, last, strict=True)):
            found[place] = next((row for row in order[a:b] if self.ids[row] == text), -1)
        return found

    def _similar(self, text: str) -> str:
        """`Did you mean ...?` with the most similar id of a small pool, else where to look."""
        close = get_close_matches(text, map(str, self.ids), n=1) if self.count <= LISTED else []
        return f"Did you mean {close[0]!r}?" if close else "Correct the id."

    def _absent(self) -> SpaceError:
        return SpaceError(
            f"space.{self.name}",
            f"the {self.count} rows of {self.file or 'the pool'}",
            "a pool without rows, as a ledger keeps it",
            "Load the campaign from its folder, where the pool's file is.",
        )


def pool(name: str, listing: Listing, past: str | None = None) -> Pool:
    """The pool of a table; SpaceError for fewer than two rows, doubled ids, NaN, no varying column.

    The listing's X is taken over and scaled where it stands: a copy of a large one is dear.
    """
    ids = np.asarray(listing.ids, dtype=np.dtypes.StringDType())
    if len(ids) < 2 or listing.X.shape != (len(ids), len(listing.features)):
        raise SpaceError(
            f"space.{name}",
            f"two or more rows of {len(listing.features)} features",
            f"{len(ids)} ids with features {listing.X.shape}",
        )
    low, high = listing.X.min(axis=0), listing.X.max(axis=0)
    varies = high - low > CONSTANT * np.maximum(np.abs(low), np.abs(high))
    _require_features(name, listing, high - low, varies)
    digest = _digest(ids, listing)
    columns = listing.X if varies.all() else listing.X[:, varies]
    X = np.ascontiguousarray(columns, dtype=np.float64)
    X -= low[varies]
    X /= (high - low)[varies]
    made = Pool(
        name=name,
        features=tuple(f for f, kept in zip(listing.features, varies, strict=True) if kept),
        count=len(ids),
        digest=digest,
        dropped=tuple(f for f, kept in zip(listing.features, varies, strict=True) if not kept),
        file=listing.file,
        key=listing.key,
        past=past,
    )
    beside = {f"{name}.{column}": values for column, values in listing.beside.items()}
    vars(made).update(ids=ids, X=X, beside=beside)
    _require_different(made)
    if past is not None:
        with stated_at(f"space.{name}.past"):
            made.check(past)
    return made


def _require_features(name: str, listing: Listing, span: Array, varies: NDArray[np.bool_]) -> None:
    """Raise SpaceError for NaN or infinity, and unless some feature (d,) varies."""
    if not np.isfinite(span).all():
        column = int(np.argmin(np.isfinite(span)))
        row = int(np.argmin(np.isfinite(listing.X[:, column])))
        raise SpaceError(
            f"space.{name}, row {row + 1}, {listing.features[column]!r}",
            "a finite number",
            f"{listing.X[row, column]:g}",
            "Correct the cell, or remove the row.",
        )
    if not varies.any():
        raise SpaceError(
            f"space.{name}",
            "a feature that differs among the rows",
            f"the same {', '.join(listing.features)} in all of them",
            "Add a column by which a model can tell the candidates apart.",
        )


def _require_different(made: Pool) -> None:
    """Raise SpaceError for an id that two rows have."""
    known, order = made._index  # noqa: SLF001
    for place in np.flatnonzero(known[1:] == known[:-1]).tolist():
        run = order[place : np.searchsorted(known, known[place], "right")].tolist()
        double = next((row for row in run[1:] if made.ids[row] == made.ids[run[0]]), None)
        if double is not None:
            raise SpaceError(
                f"space.{made.name}",
                "ids that differ",
                f"{str(made.ids[double])!r} in rows {run[0] + 1} and {double + 1}",
                "Remove one of the rows, or name another column as id.",
            )


def _digest(ids: Ids, listing: Listing) -> str:
    """The sha256 of everything that the rows say."""
    digest = sha256(repr((listing.features, listing.X.shape, listing.content)).encode())
    for start in range(0, len(ids), SAMPLE):
        rows = slice(start, start + SAMPLE)
        digest.update("\0".join([*map(str, ids[rows]), ""]).encode())
        digest.update(np.ascontiguousarray(listing.X[rows], dtype="<f8").data)
    return digest.hexdigest()


def _keys(ids: Iterable[str]) -> NDArray[np.uint32]:
    """A checksum of every id, the same in every process."""
    return np.fromiter((crc32(each.encode()) for each in ids), dtype=np.uint32)


def _gaps(X: Array, marks: Array) -> Array:
    """The distance of every row of X (n, d) to the nearest of marks (k, d): (n,)."""
    gaps = np.full(len(X), np.inf)
    for start in range(0, len(marks), BLOCK):
        np.minimum(
            gaps,
            scipy.spatial.distance.cdist(X, marks[start : start + BLOCK]).min(axis=1),
            out=gaps,
        )
    return gaps
