"""`python -m bench.searching SEARCH`: one of several workers. Exit code 0 when the trials are all done.

Its task is the storage's URL: a password in it is seen neither in a list of processes nor in an environment.
"""

import sys
from pathlib import Path

from bench import process
from bench.config import read_config
from bench.errors import BenchError
from bench.searching.folder import SearchFolder
from bench.searching.plan import plan_search
from bench.searching.worker import work
from bench.searching.workers import FAILED


def main() -> int:
    url = process.connect()
    folder = SearchFolder.open(Path(sys.argv[1]))
    try:
        work(folder, plan_search(read_config(folder.config_path)), url, process.send)
    except BenchError as error:
        process.send({"event": FAILED, "reason": str(error)})
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
