"""`python -m bench.cell CELL_FOLDER`: exit code 0 when the cell is done, 1 when it failed or is invalid.

By hand, with `-P`: `python -P -m bench.cell CELL_FOLDER`; see bench.process.
"""

import logging
import sys
from pathlib import Path

from bench import process
from bench.cell.work import work
from bench.store import CellFolder


def main() -> int:
    process.connect()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    record = work(CellFolder(Path(sys.argv[1]).resolve()), process.send)
    return 0 if record.status == "done" else 1


if __name__ == "__main__":
    sys.exit(main())
