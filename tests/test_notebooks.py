"""Every notebook runs from top to bottom, and is kept without its output."""

import pathlib

import nbclient
import nbformat
import pytest


FOLDER = pathlib.Path(__file__).resolve().parents[1] / "notebooks"
NOTEBOOKS = sorted(path.name for path in FOLDER.glob("*.ipynb"))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_it_runs_and_every_last_line_shows_something(name):
    notebook = nbformat.read(FOLDER / name, as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": str(FOLDER)}}
    )
    client.execute()
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        noise = [o.text for o in cell.outputs if o.output_type == "stream" and o.name == "stderr"]
        assert noise == []
        if cell.source.splitlines()[-1].startswith(("element(", "explore(")):
            assert any("text/html" in output.get("data", {}) for output in cell.outputs)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_it_is_kept_without_output(name):
    notebook = nbformat.read(FOLDER / name, as_version=4)
    assert all(
        not c.outputs and c.execution_count is None for c in notebook.cells if c.cell_type == "code"
    )


def test_there_is_one_to_start_with():
    assert "00_start_here.ipynb" in NOTEBOOKS
