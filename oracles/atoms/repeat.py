"""Repeating one evaluation by hand: `./repeat.py` in its attempt folder does it again, and says so.

What is needed lies beside it: request.json, and ASE's configuration where the campaign has one. The
evaluation runs in a folder of its own below, so that nothing of the first one is lost or found.
"""

import os
import shutil
import sys
from itertools import count
from pathlib import Path

from oracles.atoms.calculators import CONFIG
from oracles.atoms.evaluation import ANSWER, REQUEST, Refused, answer, read_answer

NAME = "repeat.py"
SCRIPT = """#!{python}
\"\"\"Evaluate request.json again, in a new folder repeat-1, repeat-2, ... beside this file.\"\"\"

import os
import sys
from pathlib import Path

os.environ.update({environment})
sys.path[:] = {path}

from oracles.atoms.repeat import repeat

sys.exit(repeat(Path(__file__).absolute().parent))
"""


def write(attempt: Path, environment: dict[str, str]) -> None:
    """Write the script, for this Python and what it can import, into an attempt folder."""
    file = attempt / NAME
    text = SCRIPT.format(python=sys.executable, environment=environment, path=sys.path)
    file.write_text(text, encoding="utf-8")
    file.chmod(0o755)


def repeat(attempt: Path) -> int:
    """Evaluate again and print the answer; the exit status, 1 for an evaluation without a value."""
    folder = _new(attempt)
    for name in (REQUEST, CONFIG):
        if (attempt / name).is_file():
            shutil.copy(attempt / name, folder)
    os.chdir(folder)  # this process is the evaluation's alone: calculators write where they stand
    answer(folder)
    found = read_answer(folder)
    sys.stdout.write(f"\n{folder / ANSWER}\n")
    if isinstance(found, Refused):
        sys.stdout.write(f"{found.kind}: {found.message}\n")
        return 1
    for name, value in found.values.items():
        sys.stdout.write(f"{name} = {value!r}\n")
    return 0


def _new(attempt: Path) -> Path:
    for number in count(1):
        folder = attempt / f"repeat-{number}"
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder
    raise AssertionError("count() ends")
