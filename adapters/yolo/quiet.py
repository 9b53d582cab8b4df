"""ultralytics without network access, analytics, installer, files in the home folder and output on stdout.

`prepare()` must have run before the first `import ultralytics` of a process; the modules of this family that
import it at their top (`detector` and what it imports) are imported after it. Some switches are read at
import only: a process that imported ultralytics before is made as quiet as is still possible.
"""

import atexit
import contextlib
import json
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ENVIRONMENT = {
    "YOLO_OFFLINE": "1",  # no look-ups at import (utils.is_online), no release check
    "YOLO_AUTOINSTALL": "0",  # never run pip
    "YOLO_VERBOSE": "0",  # at import: a logger that is silent until we have redirected it, no progress bars
    "ULTRALYTICS_SAFE_LOAD": "true",  # weights_only with an allow-list, and no eval() of a model's yaml
}
UPLOAD_KEY = "ULTRALYTICS_API_KEY"
"""With this variable set, ultralytics would upload every training to its platform."""

SETTINGS = {
    "sync": False,  # analytics, crash reports
    **dict.fromkeys(("clearml", "comet", "dvc", "mlflow", "raytune", "tensorboard", "wandb"), False),
    "vscode_msg": False,
    "openvino_msg": False,
    "api_key": "",
}

_log = logging.getLogger("ultralytics")


def prepare() -> None:
    """Import ultralytics quietly. A second call costs nothing."""
    if "ultralytics" not in sys.modules:
        os.environ.update(ENVIRONMENT)
        os.environ["YOLO_CONFIG_DIR"] = str(_private_folder())
        _import()
    os.environ.pop(UPLOAD_KEY, None)
    _hush()


@contextlib.contextmanager
def preserve_threads() -> Iterator[None]:
    """Give torch its number of threads back: ultralytics sets cores - 1 when it selects the CPU.

    On two cores that is one thread, and a training that takes twice as long.
    """
    import torch

    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _import() -> None:
    """The import sets OMP_NUM_THREADS to 1 if it is unset; child processes must not inherit that."""
    unset = not os.environ.get("OMP_NUM_THREADS")
    with preserve_threads():
        import ultralytics  # noqa: F401
    if unset:
        os.environ.pop("OMP_NUM_THREADS", None)


def _private_folder() -> Path:
    """A settings folder of this process, removed at its end: nothing is written to the user's home."""
    folder = Path(tempfile.mkdtemp(prefix="bench-ultralytics-"))
    owner = os.getpid()

    def remove() -> None:
        if os.getpid() == owner:
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)
    (folder / "Ultralytics").mkdir()
    (folder / "Ultralytics" / "settings.json").write_text(json.dumps(SETTINGS), encoding="utf-8")
    return folder


def _hush() -> None:
    """The log goes to Python's logging and not to stdout; analytics and trackers stay off."""
    from ultralytics import utils
    from ultralytics.utils import SETTINGS as LIVE
    from ultralytics.utils.events import events

    utils.VERBOSE = False  # progress bars ask for it each time: a process may have had ultralytics before us
    for handler in list(_log.handlers):
        if isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler):
            _log.removeHandler(handler)
    _log.propagate = True
    _log.setLevel(logging.INFO)
    events.enabled = False
    for key, value in SETTINGS.items():
        dict.__setitem__(LIVE, key, value)  # in memory: the settings' own `update` writes the user's file
