"""The contract that every oracle keeps; run it with `pytest` in this folder."""

from pathlib import Path

from my_oracle import MyOracle

from oracles.testing import OracleContract, World, candidates


class TestMyOracle(OracleContract):
    """The whole suite; of its troubles, this oracle only refuses."""

    def world(self, folder: Path, trouble: str = "") -> World | None:
        """Two points that have an answer; the first has none where it refuses."""
        if trouble not in {"", "refuses"}:
            return None
        asked = candidates({"T": 700.0, "x": 0.1}, {"T": 600.0, "x": 0.2})
        oracle = MyOracle(melts=650.0 if trouble else 1100.0)
        return World(oracle=oracle, candidates=asked, targets=frozenset({"strength"}))
