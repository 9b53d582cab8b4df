"""No module imports itself by way of others, neither within a function nor under TYPE_CHECKING.

import-linter holds the layers (`make check`); circles within a layer are looked for here, in the same graph.
"""

import os
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest


def circle(package: str) -> list[str] | None:
    """The modules of one circle of imports, or None."""
    graph = grimp.build_graph(package, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert len(imports) > 1
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return [str(module) for module in error.args[1]]
    return None


def test_no_circles() -> None:
    assert circle("bench") is None


def test_the_graph_holds_what_the_links_show() -> None:
    modules = grimp.build_graph("bench", cache_dir=None).modules
    assert {"bench.adapters.yolo.family", "bench.datasets.prepare", "bench.reports.page"} <= modules


PLANTED = {
    "lazy": "def later():\n    from planted.linked import first\n",
    "types": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from planted.linked.first import X\n",
}


@pytest.mark.parametrize("kind", PLANTED)
def test_a_circle_behind_a_link_is_found(kind: str, tmp_path: Path) -> None:
    real, package = tmp_path / "elsewhere", tmp_path / "planted"
    real.mkdir()
    package.mkdir()
    (package / "__init__.py").touch()
    (real / "__init__.py").touch()
    (real / "first.py").write_text("from planted.linked import second\nX = second\n", encoding="utf-8")
    (real / "second.py").write_text(PLANTED[kind], encoding="utf-8")
    (package / "linked").symlink_to(real)
    script = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import test_imports as t; "
    found = subprocess.run(
        [sys.executable, "-c", script + "print(t.circle('planted'))"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    ).stdout
    assert "planted.linked.first" in found and "planted.linked.second" in found
