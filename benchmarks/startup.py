"""How long a command takes that does nothing: `bench --help` beside a bare Python, in turns.

    python benchmarks/startup.py [--repeats 11]

Exit code 1 where the median of `bench --help` is over 0.4 s.
"""

import argparse
import statistics
import subprocess
import sys
import time

LIMIT_S = 0.4
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "python -m bench --help": [sys.executable, "-m", "bench", "--help"],
    "python -m bench models": [sys.executable, "-m", "bench", "models"],
}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=11)
    repeats = parser.parse_args().repeats
    spans: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(repeats):
        for name, command in COMMANDS.items():
            begun = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            spans[name].append(time.perf_counter() - begun)
    for name, found in spans.items():
        print(f"{name:<24} median {statistics.median(found):.3f} s   ({min(found):.3f} to {max(found):.3f})")
    return int(statistics.median(spans["python -m bench --help"]) > LIMIT_S)


if __name__ == "__main__":
    sys.exit(main())
