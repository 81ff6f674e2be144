"""A laboratory in a process of its own: reads the worklist, crushes barrels, writes files.

    python barrel_lab.py CAMPAIGN_FOLDER CROSSED_BARREL_CSV

The barrels are those of Gongora et al., Sci. Adv. 6, eaaz1708 (2020): each design was printed and
crushed three times. A design that is not in the table is made as the nearest one that is, and the
file says so. The laboratory is human: of every seven results one comes late and one in the wrong
unit first, one file comes twice and one names an unknown
id. When the file `stop` appears it hands in what is late and writes its own account.
"""

import json
import os
import sys
import time
from collections import Counter
from pathlib import Path

import pandas as pd

PARAMETERS = ["n", "theta", "r", "t"]
HEADER = "candidate,replicate,toughness [{unit}]," + ",".join(
    f"executed:{name}{unit}"
    for name, unit in zip(PARAMETERS, ["", " [deg]", " [mm]", " [mm]"], strict=True)
)


def main(folder: Path, table: Path) -> None:
    """Work until the campaign is over."""
    designs = pd.read_csv(table).groupby(PARAMETERS).toughness.apply(list)
    grid = designs.index.to_frame().to_numpy(dtype=float)
    worklist = folder / "worklist" / "worklist.csv"
    done: set[str] = set()
    late: list[tuple[str, str]] = []
    account: Counter[str] = Counter()
    stop = folder / "stop"
    while True:
        last = stop.exists()
        rows = pd.read_csv(worklist) if worklist.exists() else pd.DataFrame({"candidate": []})
        fresh = [row for row in rows.to_dict("records") if row["candidate"] not in done]
        for made in late if last or not fresh else []:
            hand_in(folder, *made, account)
        late = [] if last or not fresh else late
        for row in fresh:
            done.add(row["candidate"])
            asked = [float(v) for key, v in row.items() if str(key).split(" ")[0] in PARAMETERS]
            span = grid.max(axis=0) - grid.min(axis=0)
            nearest = int((((grid - asked) / span) ** 2).sum(axis=1).argmin())
            text = result(row["candidate"], grid[nearest], designs.iloc[nearest], "J")
            late += behave(folder, len(done) % 7, row["candidate"], text, account)
        if last:
            break
        time.sleep(0.1)
    (folder / "account.json").write_text(json.dumps(account))


def result(candidate: str, design: list[float], toughness: list[float], unit: str) -> str:
    """A file with a row for each of the replicates."""
    executed = ",".join(f"{value:g}" for value in design)
    rows = [f"{candidate},{k},{value!r},{executed}" for k, value in enumerate(toughness, start=1)]
    return "\n".join([HEADER.format(unit=unit), *rows]) + "\n"


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
