"""Train several object detectors on one dataset under the same rules, and compare them.

    import bench

    run = bench.run("bench.yaml", models=["detr", "yolo"], seeds=[0, 1])
    run.results

Names are imported on first use: `import bench` itself imports neither torch nor pandas.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.api.checkup import Checkup, doctor
    from bench.api.compare import Comparison, compare
    from bench.api.data import DataDescription, Dataset, check, convert, describe, export, init
    from bench.api.download import Downloaded, download
    from bench.api.evaluate import evaluate
    from bench.api.models import models
    from bench.api.prediction import Predictions, predict
    from bench.api.records import from_records
    from bench.api.report import Report, report
    from bench.api.runs import Run, open, run
    from bench.api.searches import Search, open_search, search
    from bench.api.verify import Verification, verify
    from bench.api.weights import fetch_weights, import_weights, weights
    from bench.config import json_schema
    from bench.errors import BenchError, ConfigError, DataError, RecipeError, RunError, WeightsError

__version__ = "0.2.0"

__all__ = [
    "BenchError",
    "Checkup",
    "Comparison",
    "ConfigError",
    "DataDescription",
    "DataError",
    "Dataset",
    "Downloaded",
    "Predictions",
    "RecipeError",
    "Report",
    "Run",
    "RunError",
    "Search",
    "Verification",
    "WeightsError",
    "check",
    "compare",
    "convert",
    "describe",
    "doctor",
    "download",
    "evaluate",
    "export",
    "fetch_weights",
    "from_records",
    "import_weights",
    "init",
    "json_schema",
    "models",
    "open",
    "open_search",
    "predict",
    "report",
    "run",
    "search",
    "verify",
    "weights",
]

_MODULES = {
    "bench.api.checkup": ("Checkup", "doctor"),
    "bench.api.compare": ("Comparison", "compare"),
    "bench.api.data": ("DataDescription", "Dataset", "check", "convert", "describe", "export", "init"),
    "bench.api.download": ("Downloaded", "download"),
    "bench.api.evaluate": ("evaluate",),
    "bench.api.models": ("models",),
    "bench.api.prediction": ("Predictions", "predict"),
    "bench.api.records": ("from_records",),
    "bench.api.report": ("Report", "report"),
    "bench.api.runs": ("Run", "open", "run"),
    "bench.api.searches": ("Search", "open_search", "search"),
    "bench.api.verify": ("Verification", "verify"),
    "bench.api.weights": ("fetch_weights", "import_weights", "weights"),
    "bench.config": ("json_schema",),
    "bench.errors": ("BenchError", "ConfigError", "DataError", "RecipeError", "RunError", "WeightsError"),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'bench' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
