"""A laboratory in a process of its own: reads the worklist, crushes barrels, writes files.

    python barrel_lab.py CAMPAIGN_FOLDER CROSSED_BARREL_CSV

The laboratory is human: of every seven results one comes late and one in the wrong unit first, one
file comes twice and one names an unknown id. When the file `stop` appears it hands in what is late
and writes its own account.
"""

import json
import os
import sys
import time
from collections import Counter
from pathlib import Path

import pandas as pd

from tests.flows.barrels import printer, written


def main(folder: Path, table: Path) -> None:
    """Work until the campaign is over."""
    made = printer(table)
    worklist = folder / "worklist" / "worklist.csv"
    done: set[str] = set()
    late: list[tuple[str, str]] = []
    account: Counter[str] = Counter()
    stop = folder / "stop"
    while True:
        last = stop.exists()
        rows = pd.read_csv(worklist) if worklist.exists() else pd.DataFrame({"candidate": []})
        fresh = [row for row in rows.to_dict("records") if row["candidate"] not in done]
        for kept in late if last or not fresh else []:
            hand_in(folder, *kept, account)
        late = [] if last or not fresh else late
        for row in fresh:
            done.add(row["candidate"])
            text = written(made.make(row).rows)
            late += behave(folder, len(done) % 7, row["candidate"], text, account)
        if last:
            break
        time.sleep(0.1)
    (folder / "account.json").write_text(json.dumps(account))


def behave(
    folder: Path, mood: int, candidate: str, text: str, account: Counter[str]
) -> list[tuple[str, str]]:
    """Hand a result in, in one way or another; what is kept for later."""
    if mood == 2:
        return [(candidate, text)]
    if mood == 3:
        write(folder, f"{candidate}-wrong", text.replace("[J]", "[mm]", 1))
        account["rejected"] += text.count("\n") - 1
    if mood == 4:
        hand_in(folder, f"{candidate}-again", text, account)
        account["taken"] -= text.count("\n") - 1
        account["duplicates"] += text.count("\n") - 1
    if mood == 5:
        write(folder, f"{candidate}-unknown", text.replace(candidate, "9999-xyz"))
        account["rejected"] += text.count("\n") - 1
    hand_in(folder, candidate, text, account)
    return []


def hand_in(folder: Path, name: str, text: str, account: Counter[str]) -> None:
    """Write a good file."""
    write(folder, name, text)
    account["taken"] += text.count("\n") - 1


def write(folder: Path, name: str, text: str) -> None:
    """Write a file as most programs do: not at once."""
    with (folder / "results" / f"{name}.csv").open("w") as file:
        file.write(text[: len(text) // 2])
        file.flush()
        os.fsync(file.fileno())
        time.sleep(0.02)
        file.write(text[len(text) // 2 :])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
