"""examples/compare.ipynb: it runs, and it is committed with the tables that it shows."""

from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).parents[1] / "examples/compare.ipynb"


def shown(notebook: Any, source: str, kind: str = "text/html") -> str:
    """What the only code cell that begins with `source` shows as `kind`."""
    (cell,) = (cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.startswith(source))
    return "".join(output.data[kind] for output in cell.outputs if kind in output.get("data", {}))


def check(notebook: Any) -> None:
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert not [output for output in outputs if output.output_type in ("stream", "error")]
    progress = shown(notebook, "import bench")
    assert progress.count(": done in ") == 4 and "<progress" not in progress
    (answer,) = (cell.outputs[0].data["text/html"] for cell in notebook.cells if cell.source == "run")
    assert "test AP" in answer and "<table>" in answer
    assert shown(notebook, "run.results").count(">done<") == 4
    assert ">disc<" in shown(notebook, "run.classes")
    assert shown(notebook, "val_ap =", "image/png")
    assert ".png" in shown(notebook, "run.predictions")
    assert shown(notebook, "run.report()", "text/plain") == "'report.html'"


def test_it_is_committed_with_its_outputs() -> None:
    nbformat = pytest.importorskip("nbformat")
    check(nbformat.read(NOTEBOOK, as_version=4))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore")  # those of Jupyter's own packages
def test_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "jupyter"))
    (tmp_path / "here").mkdir()
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    where = {"metadata": {"path": str(tmp_path / "here")}}
    NotebookClient(notebook, timeout=850, kernel_name="python3", resources=where).execute()
    check(notebook)
