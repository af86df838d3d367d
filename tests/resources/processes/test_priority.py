"""What computes tables gives way to whoever looks at a page."""

import subprocess
import sys

PROGRAM = """
import os, subprocess, sys
from resources.processes.priority import give_way
if len(sys.argv) > 1:
    os.nice(int(sys.argv[1]))
give_way()
give_way()
child = subprocess.run([sys.executable, "-c", "import os; print(os.nice(0))"], capture_output=True, text=True, check=True)
print(os.nice(0), child.stdout)
"""


def niceness(*begun_with: str) -> list[int]:
    """Return that of a process which gives way twice, and of one that it starts."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, *begun_with], capture_output=True, text=True, check=True)
    return [int(each) for each in done.stdout.split()]


def test_a_process_gives_way_once_and_so_does_what_it_starts() -> None:
    assert niceness() == [5, 5]


def test_a_process_that_gave_way_further_stays_where_it_is() -> None:
    assert niceness("9") == [9, 9]
