"""Run a program, and append the CPU seconds it took, with those of its children, to a file.

    python benchmarks/timed.py FILE PROGRAM ARGUMENTS...

Wall time on a shared machine tells how busy the others were.
"""

import resource
import subprocess
import sys
from pathlib import Path


def main() -> int:
    """The program's exit status."""
    file, *command = sys.argv[1:]
    status = subprocess.run(command, check=False).returncode
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    with Path(file).open("a", encoding="utf-8") as lines:
        lines.write(f"{used.ru_utime + used.ru_stime:.3f}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
