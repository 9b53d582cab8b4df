"""`bench`, and `python -m bench`."""

import sys
from pathlib import Path

# `python -m` puts the folder it is started in first, and a folder named `datasets` there would be taken for
# Hugging Face's package by transformers.
sys.path[:] = [entry for entry in sys.path if entry not in ("", str(Path.cwd()))]

from bench.cli.app import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
