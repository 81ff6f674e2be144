"""What another process runs: append events to a ledger, deciding again after every conflict."""

import sys

from loop.errors import Conflict
from loop.ledger import Ledger
from loop.records import Closed


def append(url: str, name: str, count: int) -> None:
    """Append `count` events that carry `name`, each after whatever is the last event by then."""
    ledger = Ledger(url=url, campaign="race")
    written = 0
    while written < count:
        seq = len(ledger.events())
        try:
            ledger.append([Closed(reason=f"{name} {written}")], after=seq)
        except Conflict:
            continue
        written += 1


if __name__ == "__main__":
    append(sys.argv[1], sys.argv[2], int(sys.argv[3]))
