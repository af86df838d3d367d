"""What computes tables gives way to whoever looks at a page."""

import os
import subprocess
import sys

import pytest

from resources.processes.priority import NICE

LOWEST = 19
PROGRAM = """
import os, subprocess, sys
from resources.processes.priority import give_way
os.nice(int(sys.argv[1]))
give_way()
give_way()
child = subprocess.run([sys.executable, "-c", "import os; print(os.nice(0))"], capture_output=True, text=True, check=True)
print(os.nice(0), child.stdout)
"""


@pytest.mark.parametrize("further", [0, 9])
def test_a_process_gives_way_once_and_stays_where_it_is_if_that_is_further(further: int) -> None:
    """The tests themselves may have been started with less than the usual priority."""
    begun = min(os.nice(0) + further, LOWEST)

    done = subprocess.run([sys.executable, "-c", PROGRAM, str(further)], capture_output=True, text=True, check=True)

    assert [int(each) for each in done.stdout.split()] == [max(NICE, begun)] * 2
