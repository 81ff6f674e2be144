"""What one evaluation may use, with all that it starts: time, memory, disk; and who looks after it.

Time and memory are those of the evaluation together with its programs. Besides the looks at them,
the kernel holds every single process to the memory and every single file to the output, for what
grows faster than anybody looks.
"""

import json
import os
import resource
import signal
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from math import isfinite
from pathlib import Path
from typing import Literal, TypeAlias

import psutil

from loop.errors import OracleError

Bound: TypeAlias = Literal["wall_s", "memory_mb", "output_mb"]

MB = 1_000_000  # bytes
LOOK_S = 0.1  # between two looks at the memory
SIZE_S = 1.0  # between two looks at the disk, which take longer
FIRST_TO_GO = "500"  # of 1000: the kernel, short of memory, ends an evaluation before its campaign


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Seconds; resident memory and output of the attempt folder in 10^6 bytes, None for no end."""

    wall_s: float
    memory_mb: float | None = None
    output_mb: float = 1000.0

    def __post_init__(self) -> None:
        """Raise OracleError for a bound that nothing could keep."""
        for name, bound in asdict(self).items():
            if bound is not None and not (isfinite(bound) and bound > 0):
                raise OracleError(f"oracle.{name}", "a number above 0", f"{bound:g}")

    def line(self, folder: Path) -> str:
        """One line of text that asks a worker for the evaluation in a folder."""
        return json.dumps({"folder": str(folder), **asdict(self)})

    def said(self, bound: Bound) -> str:
        """The sentence for a bound that was reached."""
        match bound:
            case "wall_s":
                return f"killed after the wall limit of {self.wall_s:g} s"
            case "memory_mb":
                return f"out of memory: killed above the limit of {self.memory_mb:g} MB"
            case "output_mb":
                return f"killed: it wrote more than the limit of {self.output_mb:g} MB"

    def impose(self) -> None:
        """Hold this process, and what it will start, to what the kernel can hold it to."""
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        size = int(self.output_mb * MB)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        # Python ignores it, and would then fail to write its traceback, too.
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        with suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text(FIRST_TO_GO, encoding="ascii")
        if self.memory_mb is not None and sys.platform == "linux":
            # Writable private memory: unlike the address space, it does not count what is mapped
            # and never touched. What the fork inherited comes on top.
            data = int(self.memory_mb * MB) + _inherited()
            resource.setrlimit(resource.RLIMIT_DATA, (data, data))


def asked(line: str) -> tuple[Path, Bounds]:
    """The attempt folder and the bounds that `Bounds.line` wrote."""
    said = json.loads(line)
    return Path(said.pop("folder")), Bounds(**said)


@dataclass(slots=True, kw_only=True)
class Watch:
    """Looks at an evaluation, which began now, as often as it pays."""

    folder: Path
    bounds: Bounds
    began: float = field(default_factory=time.monotonic)
    sized: float = field(default_factory=time.monotonic)

    @property
    def patience_s(self) -> float:
        """How long to sleep before the next look."""
        left = self.began + self.bounds.wall_s - time.monotonic()
        often = SIZE_S if self.bounds.memory_mb is None else LOOK_S
        return max(0.0, min(left, often))

    def reached(self) -> Bound | None:
        """The bound that this process's descendants, or what they wrote, have reached."""
        now = time.monotonic()
        if now >= self.began + self.bounds.wall_s:
            return "wall_s"
        memory = self.bounds.memory_mb
        if memory is not None and _resident() > memory * MB:
            return "memory_mb"
        if now - self.sized >= SIZE_S:
            self.sized = now
            if _size(self.folder) > self.bounds.output_mb * MB:
                return "output_mb"
        return None


def _inherited() -> int:
    """Writable private memory of this process, bytes (VmData of proc(5), which is in kB)."""
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    line = next(line for line in status.splitlines() if line.startswith("VmData:"))
    return int(line.split()[1]) * 1024


def _resident() -> int:
    """Resident bytes of all descendants; pages that they share with one another count for each."""
    total = 0
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            total += process.memory_info().rss
    return total


def _size(folder: Path) -> int:
    """Bytes of the files in a folder and below."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += os.lstat(Path(place) / name).st_size
    return total
