"""docs/promises.md: every promise names tests that are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = [
    line
    for line in (ROOT / "docs" / "promises.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and not line.startswith(("| when", "| ---"))
]
CITED = re.compile(r"`(tests/[\w/]+\.py)?(?:::(\w+))?`")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip())
def test_a_promise_names_tests_that_are_there(row):
    """By file, or by file and name; `::name` alone is in the file before it."""
    proofs = CITED.findall(row.split("|")[3])
    assert proofs, "who proves it?"
    file = ""
    for path, name in proofs:
        file = path or file
        assert f"def {name}" in (ROOT / file).read_text(encoding="utf-8")
