"""Results as JSON lines, so that a long benchmark can be done in pieces, and their statistics."""

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from rich.progress import Progress

Job = TypeVar("Job")

RESAMPLES = 4000
RESULTS = Path(__file__).with_name("results")  # committed: a later run goes on from them
CHOICES = "2026-11-28"  # when Athanor last came to choose otherwise: raised with such a change


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """A file of results; each is known by the values of `keys`."""

    file: Path
    keys: tuple[str, ...]

    def rows(self) -> Iterator[dict[str, Any]]:
        """Every result written so far, none where there is no file."""
        if self.file.exists():
            with self.file.open(encoding="utf-8") as lines:
                yield from (json.loads(line) for line in lines)

    def done(self) -> set[tuple[Any, ...]]:
        """The keys of what is there."""
        return {tuple(row[key] for key in self.keys) for row in self.rows()}

    def add(self, row: dict[str, Any]) -> None:
        """Write a result down."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(row) + "\n")

    def run(
        self, play: Callable[[Job], dict[str, Any]], jobs: Sequence[Job], workers: int, title: str
    ) -> list[str]:
        """Do the jobs in processes of their own, write each down as it ends; those that failed."""
        failures = []
        with (
            ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool,
            Progress() as progress,
        ):
            task = progress.add_task(title, total=len(jobs))
            waiting = {pool.submit(play, job): job for job in jobs}
            for future in as_completed(waiting):
                error = future.exception()
                if error is None:
                    self.add(future.result())
                else:
                    failures.append(f"{waiting[future]}: {type(error).__name__}: {error}")
                progress.advance(task)
        return failures


def dated(method: str) -> str:
    """The name of a method in the results: Athanor's says which Athanor, `athanor@2026-11-27`."""
    is_own = method.startswith("athanor") and "@" not in method
    return f"{method}@{CHOICES}" if is_own else method


def quartiles(values: ArrayLike) -> tuple[float, float, float]:
    """Lower quartile, median, upper quartile."""
    low, middle, high = np.percentile(np.asarray(values, dtype=float), [25, 50, 75])
    return float(low), float(middle), float(high)


def spread(values: ArrayLike, digits: int = 3) -> str:
    """`median (lower quartile - upper quartile)`."""
    low, middle, high = quartiles(values)
    return f"{middle:.{digits}g} ({low:.{digits}g} - {high:.{digits}g})"


def geometric(values: ArrayLike) -> float:
    """The geometric mean."""
    return float(np.exp(np.log(np.asarray(values, dtype=float)).mean()))


def ratio(above: Sequence[float], below: Sequence[float]) -> tuple[float, float, float]:
    """Geometric mean of paired ratios with a 90 % bootstrap interval: low, mean, high."""
    logs = np.log(np.asarray(above, dtype=float)) - np.log(np.asarray(below, dtype=float))
    means = _resampled(logs).mean(axis=1)
    low, high = np.exp(np.percentile(means, [5, 95]))
    return float(low), float(np.exp(logs.mean())), float(high)


def difference(first: Sequence[float], second: Sequence[float]) -> tuple[float, float, float]:
    """Mean of paired differences with a 90 % bootstrap interval: low, mean, high."""
    gaps = np.asarray(first, dtype=float) - np.asarray(second, dtype=float)
    low, high = np.percentile(_resampled(gaps).mean(axis=1), [5, 95])
    return float(low), float(gaps.mean()), float(high)


def _resampled(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The values drawn anew with replacement (RESAMPLES, n)."""
    rng = np.random.default_rng(0)
    return values[rng.integers(len(values), size=(RESAMPLES, len(values)))]
