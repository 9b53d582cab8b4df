"""One cell, start to end, in a process of its own: `python -m bench.cell CELL_FOLDER`."""
