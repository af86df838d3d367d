"""Which process something was: a number alone is none, since it goes to another when its bearer has ended.

Linux names the boot and the container's own numbering exactly, and counts the start of a process from the boot, so that
no clock is in it. Elsewhere the start is a moment that stays with the process. psutil tells it there; on Linux it would add
the clock's whole seconds of the boot, by up to a second too early and another number once the clock is set, and it knows
neither boot nor numbering.
"""

import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
# A moment is known this exactly: processes begin at a tick of 10 ms.
EXACT_S = 0.05
_ENDED = ("Z", "X", "x")


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process of a machine; `birth` tells it from others that bore its number, None where only that was noted."""

    host: str
    number: int
    birth: str | None = None

    def is_gone(self, *, noted_at: float | None = None) -> bool:
        """Return whether the process has ended; False where that cannot be known, as of another machine.

        `noted_at` is when it was noted down, in seconds since 1970: what began later is another that bears its number.
        """
        here = this_machine()
        if self.birth is None:
            began = here.began_at(self.number) if self.host == here.host else 0.0
            return began is None or (noted_at is not None and began > noted_at + EXACT_S)
        if self._is_of(here):
            return here.birth(self.number) not in (self.birth, here.unknown_birth)
        # Another boot, or the numbering of a container, under the same name: the machine or container began anew.
        return self.host == here.host

    def _is_of(self, machine: "Machine") -> bool:
        boot = str(self.birth).rpartition("/")[0]
        return boot == machine.boot and (bool(machine.boot) or self.host == machine.host)


@dataclass(frozen=True, slots=True)
class Machine:
    """What numbers its processes: `boot` is this boot and numbering, "" where the system names none.

    `start` returns the start of a process, exactly as text and in seconds since 1970; None where there is no such process
    and ("", 0.0) where it may not be looked at.
    """

    host: str
    boot: str
    start: Callable[[int], tuple[str, float] | None]

    @property
    def unknown_birth(self) -> str:
        """Return the birth of a process whose start may not be looked at."""
        return f"{self.boot}/"

    def birth(self, number: int) -> str | None:
        """Return what tells this process from others with its number; None where there is no such process."""
        found = self.start(number) if number > 0 else None
        return f"{self.boot}/{found[0]}" if found else None

    def began_at(self, number: int) -> float | None:
        """Return when the process began, in seconds since 1970; None where there is no such process."""
        found = self.start(number) if number > 0 else None
        return found[1] if found else None


def this_process() -> ProcessIdentity:
    """Return the identity of this process."""
    machine = this_machine()
    return ProcessIdentity(machine.host, os.getpid(), machine.birth(os.getpid()))


def this_machine() -> Machine:
    """Return the machine, or container, in which this process runs."""
    host = socket.gethostname()
    try:
        boot = (PROC / "sys" / "kernel" / "random" / "boot_id").read_text().strip()
        numbering = os.readlink(PROC / "self" / "ns" / "pid")
    except OSError:
        return Machine(host, "", _start_of)
    return Machine(host, f"{boot}/{numbering}", _start_on_linux)


def _start_on_linux(number: int) -> tuple[str, float] | None:
    try:
        state, *fields = (PROC / str(number) / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ("", 0.0) if _is_hidden(number) else None
    ticks = int(fields[18])
    booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return None if state in _ENDED else (str(ticks), booted + ticks / os.sysconf("SC_CLK_TCK"))


def _is_hidden(number: int) -> bool:
    """Return whether there is such a process of another user, which /proc need not show."""
    try:
        os.kill(number, 0)
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return False


def _start_of(number: int) -> tuple[str, float] | None:
    """Return the start of a process where there is no /proc."""
    import psutil

    try:
        process = psutil.Process(number)
        began, status = process.create_time(), process.status()
    except psutil.AccessDenied:
        return "", 0.0
    except (psutil.NoSuchProcess, OverflowError):
        return None
    return None if status == psutil.STATUS_ZOMBIE else (f"{began:.6f}", began)
