"""The columns of a CSV or Parquet file, in blocks, so that a large one is never held whole.

All cells of a CSV file are read as text first: what a cell says can then be told to its author.
"""

import csv
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from loop.errors import SettingsError

Blocks: TypeAlias = Iterator[pa.RecordBatch]

BLOCK = 1 << 16  # rows of Parquet at a time
INDEX = "__index_level_"  # pandas' row numbers, which are no column
BYTES = 1 << 20  # of a file at a time; of Parquet, per column


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A table: its headers, those with numbers below them, and columns of it in blocks."""

    headers: tuple[str, ...]
    numeric: Callable[[], tuple[str, ...]]
    blocks: Callable[[Sequence[str]], Blocks]


def sheet(path: Path) -> Sheet:
    """The file as a table; SettingsError where it is none."""
    with readable(path):
        if path.suffix.casefold() == ".parquet":
            return _parquet(path)
        if path.suffix.casefold() == ".csv":
            return _csv(path)
    raise SettingsError(
        str(path),
        "a .csv or .parquet table, .extxyz, .xyz or .db structures, or a folder of .cif files",
        repr(path.name),
        "Convert it to one of these.",
    )


def _parquet(path: Path) -> Sheet:
    schema = pyarrow.parquet.read_schema(path)

    def blocks(columns: Sequence[str]) -> Blocks:
        with pyarrow.parquet.ParquetFile(path, buffer_size=BYTES, pre_buffer=False) as file:
            yield from file.iter_batches(batch_size=BLOCK, columns=list(columns))

    def numeric() -> tuple[str, ...]:
        columns = (field for field in schema if not field.name.startswith(INDEX))
        return tuple(field.name for field in columns if _is_numeric(field.type))

    return Sheet(headers=tuple(schema.names), numeric=numeric, blocks=blocks)


def _csv(path: Path) -> Sheet:
    """A CSV file: all cells are read as text, and those of the wanted columns made numbers."""
    with path.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.reader(lines)
        headers = tuple(cell.strip() for cell in next(filter(None, reader), []))
        skipped = reader.line_num

    def blocks(columns: Sequence[str]) -> Blocks:
        yield from pyarrow.csv.open_csv(
            path,
            read_options=pyarrow.csv.ReadOptions(
                column_names=headers, skip_rows=skipped, block_size=BYTES
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(headers, pa.string()),
                include_columns=list(columns),
                strings_can_be_null=False,
            ),
        )

    def numeric() -> tuple[str, ...]:
        with readable(path):
            first = next(blocks(headers), None)
        if first is None:
            return ()
        return tuple(h for h in headers if not np.isnan(numbers(first[h])).all())

    for place, header in enumerate(headers, start=1):
        if headers.count(header) > 1 or not header:
            got = f"two of {header!r}" if header else f"none above column {place}"
            remedy = "Rename it; row numbers, as pandas writes them, are to be left out."
            raise SettingsError(str(path), "headers that differ", got, remedy)
    return Sheet(headers=headers, numeric=numeric, blocks=blocks)


def numbers(cells: pa.Array) -> NDArray[np.float64]:
    """Cells (n,) as numbers, NaN where one is none."""
    if pa.types.is_dictionary(cells.type):
        cells = cells.dictionary_decode()
    if _is_numeric(cells.type):
        return _floats(cells)
    if not (pa.types.is_string(cells.type) or pa.types.is_large_string(cells.type)):
        return np.full(len(cells), np.nan)
    cells = pc.utf8_trim_whitespace(cells)
    try:
        return _floats(cells)
    except pa.ArrowInvalid:
        found = pd.to_numeric(cells.to_pandas(), errors="coerce")
        return np.asarray(found, dtype=np.float64)


def _floats(cells: pa.Array) -> NDArray[np.float64]:
    floats: NDArray[np.float64] = cells.cast(pa.float64()).to_numpy(zero_copy_only=False)
    return floats


def _is_numeric(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    )


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Say what is wrong with a file that is no table."""
    try:
        yield
    except (OSError, pa.ArrowException, UnicodeDecodeError, csv.Error) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SettingsError(
            str(path), "a table that can be read", reason, "Correct the file, or save it again."
        ) from error
