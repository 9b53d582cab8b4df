"""`python -m bench.cell CELL_FOLDER`: exit code 0 when the cell is done, 1 when it failed or is invalid.

With `--lifeline` the process ends, workers and all, when its standard input does: the runner holds the other
end, so a runner that is killed leaves no cell behind that would write into a folder that a resumed run uses.
"""

import logging
import os
import signal
import sys
import threading
from pathlib import Path

# `python -m` puts the folder it is started in first, and a folder named `datasets` there would be taken for
# Hugging Face's package by transformers.
sys.path[:] = [entry for entry in sys.path if entry not in ("", str(Path.cwd()))]

from bench.cell.work import work  # noqa: E402
from bench.store import CellFolder  # noqa: E402


def main() -> int:
    if "--lifeline" in sys.argv[2:]:
        threading.Thread(target=_end_with_input, daemon=True).start()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    record = work(CellFolder(Path(sys.argv[1]).resolve()))
    return 0 if record.status == "done" else 1


def _end_with_input() -> None:
    while os.read(0, 1):
        pass
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
