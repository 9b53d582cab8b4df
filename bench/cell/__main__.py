"""`python -m bench.cell CELL_FOLDER`: exit code 0 when the cell is done, 1 when it failed."""

import sys
from pathlib import Path

# `python -m` puts the folder it is started in first, and a folder named `datasets` there would be taken for
# Hugging Face's package by transformers.
sys.path[:] = [entry for entry in sys.path if entry not in ("", str(Path.cwd()))]

from bench.cell.work import work  # noqa: E402
from bench.store import CellFolder  # noqa: E402


def main() -> int:
    record = work(CellFolder(Path(sys.argv[1]).resolve()))
    return 0 if record.status == "done" else 1


if __name__ == "__main__":
    sys.exit(main())
