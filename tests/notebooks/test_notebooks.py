"""The notebooks run, and the README shows what they run."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path, tmp_path):
    """Every notebook runs from top to bottom in an empty folder, and shows something."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert any(cell.outputs for cell in notebook.cells if cell.cell_type == "code")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_committed_without_outputs(path):
    """A notebook in the repository carries no canned results."""
    notebook = nbformat.read(path, as_version=4)
    assert not any(cell.outputs for cell in notebook.cells if cell.cell_type == "code")


def test_readme_shows_the_notebook():
    """The Python code in the README is the first cell of the notebook, to the letter."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    notebook = nbformat.read(NOTEBOOKS[0], as_version=4)
    first = next(cell.source for cell in notebook.cells if cell.cell_type == "code")
    assert f"```python\n{first}\n```" in readme
