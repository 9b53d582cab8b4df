"""What bench takes for granted of ultralytics, so that another release fails here and says where.

`Trainer` overrides methods of ultralytics' trainer, registers callbacks, and reads and sets its attributes;
the validator and the dataset override methods, too. When one of these tests fails: read the new code of what
it names, adapt adapters/yolo, and write down the new signature.
"""

import inspect
import re
from pathlib import Path
from typing import Any

import pytest

import bench.adapters

pytestmark = pytest.mark.slow

YOLO = Path(bench.adapters.__path__[0]) / "yolo"

HOOKS = {
    "Trainer": {
        "get_dataset": "(self)",
        "build_dataset": "(self, img_path, mode, batch)",
        "get_dataloader": "(self, dataset_path, batch_size, rank, mode)",
        "preprocess_batch": "(self, batch)",
        "build_optimizer": "(self, model, name, lr, momentum, decay, iterations)",
        "optimizer_step": "(self)",
        "get_validator": "(self)",
        "validate": "(self)",
        "save_model": "(self)",
        "final_eval": "(self)",
    },
    "JudgedValidator": {
        "init_metrics": "(self, model)",
        "postprocess": "(self, preds)",
        "update_metrics": "(self, preds, batch)",
    },
    "Predictor": {},
    "LayoutDataset": {"get_img_files": "(self, img_path)", "get_labels": "(self)"},
}
"""Our class -> methods of ultralytics that it overrides, with their parameters there."""

EVENTS = {
    "on_pretrain_routine_end": "_setup_train",
    "on_train_epoch_start": "_do_train",
    "on_train_batch_start": "_do_train",
    "on_train_batch_end": "_do_train",
    "on_train_epoch_end": "_do_train",
    "on_fit_epoch_end": "_do_train",
}
"""Callbacks that are registered -> where ultralytics calls them."""

OWN = {
    *("plan", "recipe", "ranks", "examples", "classes", "root", "steps", "session", "add_callback"),
    *("save_model", "_half", "_begin_training", "_begin_epoch", "_end_batch", "_end_epoch"),
}
"""Attributes of our trainer, and methods, that are not ultralytics' attributes."""


@pytest.fixture(scope="module")
def ours() -> dict[str, Any]:
    from bench.adapters.yolo import quiet

    quiet.prepare()
    from bench.adapters.yolo.data import LayoutDataset
    from bench.adapters.yolo.detections import JudgedValidator, Predictor
    from bench.adapters.yolo.trainer import Trainer

    return {kind.__name__: kind for kind in (Trainer, JudgedValidator, Predictor, LayoutDataset)}


@pytest.mark.parametrize("name", HOOKS)
def test_every_method_that_is_overridden_is_as_it_was(ours: dict[str, Any], name: str) -> None:
    kind = ours[name]
    theirs = kind.__mro__[1]
    overridden = {
        method
        for method, value in vars(kind).items()
        if callable(value) and hasattr(theirs, method) and not method.startswith("__")
    }
    found = {method: _parameters(getattr(theirs, method)) for method in overridden}
    assert found == HOOKS[name]


def test_no_private_method_is_overridden(ours: dict[str, Any]) -> None:
    for kind in ours.values():
        private = {name for name in vars(kind) if name.startswith("_") and not name.startswith("__")}
        assert not {name for name in private if hasattr(kind.__mro__[1], name)}


@pytest.mark.parametrize("event", EVENTS)
def test_ultralytics_calls_back_where_it_did(ours: dict[str, Any], event: str) -> None:
    source = inspect.getsource(getattr(ours["Trainer"], EVENTS[event]))
    assert f'run_callbacks("{event}")' in source


def test_the_callbacks_that_are_registered_are_these() -> None:
    assert set(re.findall(r'"(on_\w+)"', (YOLO / "trainer.py").read_text(encoding="utf-8"))) == set(EVENTS)


def test_every_attribute_that_is_read_or_set_is_ultralytics_own(ours: dict[str, Any]) -> None:
    used = set(re.findall(r"\bself\.(\w+)", (YOLO / "trainer.py").read_text(encoding="utf-8")))
    for file in ("session.py", "steps.py"):
        used |= set(re.findall(r"\btrainer\.(\w+)", (YOLO / file).read_text(encoding="utf-8")))
    source = "".join(inspect.getsource(kind) for kind in ours["Trainer"].__mro__[1:3])
    theirs = set(re.findall(r"\bself\.(\w+)", source))
    assert used - OWN - theirs == set()


def test_no_loss_no_repeated_epoch(ours: dict[str, Any]) -> None:
    """ultralytics repeats an epoch whose loss is NaN, unless there is none: `_end_epoch` removes it."""
    source = inspect.getsource(ours["Trainer"]._handle_nan_recovery)
    assert "loss_nan = self.loss is not None and not self.loss.isfinite()" in source


def _parameters(method: Any) -> str:
    return f"({', '.join(inspect.signature(method).parameters)})"
