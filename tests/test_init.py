"""What `import bench` promises: every name, its type, and no heavy import before it is needed."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import bench

SOURCE = Path(bench.__file__)


def test_importing_bench_imports_nothing_heavy(tmp_path: Path) -> None:
    code = "import bench, sys; "
    code += "print(sorted({'torch', 'numpy', 'pandas', 'pydantic', 'rich'} & set(sys.modules)))"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


@pytest.mark.slow
def test_calling_a_run_imports_neither_torch_nor_pandas(tmp_path: Path) -> None:
    code = "import bench, sys; bench.run, bench.search, bench.predict; "
    code += "print(sorted({'torch', 'pandas'} & set(sys.modules)))"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize("name", bench.__all__)
def test_every_name_is_there_and_explained(name: str) -> None:
    assert getattr(bench, name).__doc__


def test_what_a_type_checker_sees_is_what_python_gives() -> None:
    (block,) = (node for node in ast.parse(SOURCE.read_text()).body if isinstance(node, ast.If))
    seen = {
        alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == bench._HOME
    assert sorted(seen) == sorted(bench.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'runn'"):
        _ = bench.runn  # type: ignore[attr-defined]


def test_errors_are_one_tree() -> None:
    assert issubclass(bench.ConfigError, bench.BenchError) and issubclass(bench.RunError, bench.BenchError)
