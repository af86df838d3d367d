"""How long loading the code location takes, as a multiple of importing Dagster alone; exits with 1 above MOST.

Both are measured in the same run, in turns, as CPU time of new processes, so that the ratio holds on a busy machine too.
"""

import os
import statistics
import subprocess
import sys

from resources.config.settings import ROOT

TIMES = 5
MOST = 1.3
PROGRAMS = {
    "import dagster": "import dagster",
    "load the code location": "import assets.definitions as d; d.defs().get_repository_def()",
}


def cpu_s(program: str) -> float:
    """Return the CPU seconds that a new process needs for a program, which is given as Python code."""
    before = os.times()
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def main() -> int:
    """Print the median of each and their ratio, and return 1 where that is above MOST."""
    for program in PROGRAMS.values():
        cpu_s(program)  # Writes what Python compiles.
    measured = [{name: cpu_s(program) for name, program in PROGRAMS.items()} for _ in range(TIMES)]
    for name in PROGRAMS:
        print(f"{name:24} {statistics.median(each[name] for each in measured):6.2f} CPU s")
    alone, whole = (statistics.median(each[name] for each in measured) for name in PROGRAMS)
    print(f"ratio {whole / alone:.2f}, at most {MOST}")
    return int(whole > MOST * alone)


if __name__ == "__main__":
    sys.exit(main())
