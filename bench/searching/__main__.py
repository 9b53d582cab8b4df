"""`python -m bench.searching SEARCH`: one of several workers. Exit code 0 when the trials are all done."""

import sys
from pathlib import Path

from bench import process
from bench.config import read_config
from bench.errors import BenchError
from bench.searching.folder import SearchFolder
from bench.searching.plan import plan_search
from bench.searching.worker import work
from bench.searching.workers import FAILED, WorkerTask


def main() -> int:
    task = WorkerTask.model_validate_json(process.connect())
    folder = SearchFolder.open(Path(sys.argv[1]))
    try:
        config = read_config(folder.config_path, overrides={"device": task.device, "jobs": 1})
        work(folder, plan_search(config), task.url, process.send)
    except BenchError as error:
        process.send({"event": FAILED, "reason": str(error)})
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
