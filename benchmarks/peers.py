"""The peers, each in a process of the environment of `peers.txt`, spoken to in JSON lines.

The worker (`peer_worker.py`) measures its own CPU and wall seconds, imports left out of them.
"""

import json
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any

from pools import Array, Table

HERE = Path(__file__).parent
PYTHON = HERE.parent / ".peers" / "bin" / "python"
INSTALL = "python3 -m venv .peers && .peers/bin/pip install --no-deps -r benchmarks/peers.txt"


class PeerError(RuntimeError):
    """A peer raised; its last words."""


@dataclass(slots=True, kw_only=True)
class Peer:
    """A worker process; `cpu` and `wall` are the seconds of its last answer."""

    process: subprocess.Popen[str]
    inbox: IO[str]
    outbox: IO[str]
    cpu: float = 0.0
    wall: float = 0.0

    def tell(self, **message: Any) -> Any:
        """Send a message, wait, and return the answer; PeerError where the peer raised."""
        self.inbox.write(json.dumps(message) + "\n")
        self.inbox.flush()
        line = self.outbox.readline()
        if not line:
            worker.cache_clear()  # the next run starts another
            raise PeerError(f"the peer ended with status {self.process.wait()}")
        said = json.loads(line)
        if "error" in said:
            raise PeerError(said["error"])
        self.cpu, self.wall = said["cpu"], said["wall"]
        return said["answer"]


def present() -> bool:
    """Whether the peers' environment is there."""
    return PYTHON.exists()


@cache
def worker() -> Peer:
    """The worker of this process; its imports happen at the first message, once for all runs.

    It ends with this process, for its inbox is closed then.
    """
    process = subprocess.Popen(
        [str(PYTHON), "-W", "ignore", str(HERE / "peer_worker.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    if process.stdin is None or process.stdout is None:
        raise PeerError("a process without pipes")
    return Peer(process=process, inbox=process.stdin, outbox=process.stdout)


def pool(kind: str) -> Callable[[Table, int], "PoolPeer"]:
    """How to open the peer `kind` on a pool."""

    def opened(table: Table, seed: int) -> PoolPeer:
        peer = worker()
        frame = {name: table.frame[name].tolist() for name in table.frame.columns}
        peer.tell(do="pool", kind=kind, frame=frame, X=table.X.tolist(), seed=seed)
        return PoolPeer(peer=peer)

    return opened


@dataclass(slots=True, kw_only=True)
class PoolPeer:
    """A peer that has been given a pool: called for the next row."""

    peer: Peer

    def __call__(self, seen: Sequence[int], y: Array, seed: int) -> int:
        """The row that the peer would test next."""
        answer = self.peer.tell(do="row", seen=list(map(int, seen)), y=y.tolist(), seed=seed)
        return int(answer)

    @property
    def cpu(self) -> float:
        """CPU seconds of the last answer, in the peer's process."""
        return self.peer.cpu


def space(kind: str, problem: Mapping[str, Any], seed: int) -> "SpacePeer":
    """The peer `kind`, opened on a space."""
    peer = worker()
    peer.tell(do="space", kind=kind, problem=problem, seed=seed)
    return SpacePeer(peer=peer)


@dataclass(slots=True, kw_only=True)
class SpacePeer:
    """A peer that has been given a space: called for the next point."""

    peer: Peer

    def __call__(self, points: Sequence[Mapping[str, Any]], Y: Array, seed: int) -> dict[str, Any]:
        """The point that the peer would try next."""
        answer: dict[str, Any] = self.peer.tell(
            do="point", points=list(points), Y=Y.tolist(), seed=seed
        )
        return answer

    @property
    def cpu(self) -> float:
        """CPU seconds of the last answer, in the peer's process."""
        return self.peer.cpu
