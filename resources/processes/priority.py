"""Who goes first on a machine that is busy: whoever looks at a page, before what computes tables."""

import os
from typing import Final

# Nothing waits for it while the machine has nothing else to do; a page then takes what it needs.
NICE: Final = 5


def give_way() -> None:
    """Let this process, and those that it starts from now on, give way to others, where the system knows of priorities."""
    if hasattr(os, "setpriority"):
        os.setpriority(os.PRIO_PROCESS, 0, max(NICE, os.getpriority(os.PRIO_PROCESS, 0)))
