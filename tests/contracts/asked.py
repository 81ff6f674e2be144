"""A program that answers what `oracles.testing` asks of it, in one of its troubles at 400 K."""

import json
import sys
import time

TROUBLE = sys.argv[1] if len(sys.argv) > 1 else ""


def answer(asked, trouble):
    """What is said to a candidate."""
    T, alloy = asked["point"]["T"], asked["point"]["alloy"]
    if T == 400:
        match trouble:
            case "refuses":
                return {"failed": "infeasible", "message": "it melts"}
            case "raises":
                raise RuntimeError("the furnace is cold")
            case "hangs":
                time.sleep(600)
            case "nan":
                return {"values": {"toughness": float("nan"), "cost": 3.0}}
    values = {"toughness": T / 100 + alloy.get("Cu", 0), "cost": 3}
    return {"values": values, "notes": {"made by": "a robot"}}


if __name__ == "__main__":
    json.dump(answer(json.load(sys.stdin), TROUBLE), sys.stdout)
