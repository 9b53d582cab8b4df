"""`python -m bench.searching SEARCH`: one of several workers. Exit code 0 when the trials are all done.

It ends, its cell with it, when its standard input does.
"""

import os
import signal
import sys
import threading
from pathlib import Path

# See bench/cell/__main__.py.
sys.path[:] = [entry for entry in sys.path if entry not in ("", str(Path.cwd()))]

from bench.config import read_config  # noqa: E402
from bench.errors import BenchError  # noqa: E402
from bench.searching.folder import SearchFolder  # noqa: E402
from bench.searching.plan import plan_search  # noqa: E402
from bench.searching.worker import work  # noqa: E402
from bench.searching.workers import FAILED, URL, tell  # noqa: E402


def main() -> int:
    threading.Thread(target=_end_with_input, daemon=True).start()
    folder = SearchFolder.open(Path(sys.argv[1]))
    try:
        work(folder, plan_search(read_config(folder.config_path)), os.environ[URL], tell)
    except BenchError as error:
        tell({"event": FAILED, "reason": str(error)})
        return error.exit_code
    return 0


def _end_with_input() -> None:
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
