"""The identity of a process: a process number alone is none, since the system reuses it when the process has ended.

Linux identifies the boot and the PID namespace exactly, and counts the start of a process in ticks since the boot, which does
not depend on the clock. On other systems the identity is the time at which the process started, as psutil reports it. On Linux
psutil is not used: it adds the boot time in whole seconds, which can be up to a second early and changes when the clock is set,
and it identifies neither boot nor PID namespace.
"""

import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
# Precision of start times, in seconds: processes start at ticks of 10 ms.
EXACT_S = 0.05
_ENDED = ("Z", "X", "x")


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process of a machine.

    Attributes:
        host: Host name of the machine or container.
        number: The process number (PID).
        birth: Distinguishes the process from others with the same number (see `Machine.birth`); None if only the number was recorded.
    """

    host: str
    number: int
    birth: str | None = None

    def is_gone(self, *, noted_at: float | None = None) -> bool:
        """Return whether the process has ended; False if that cannot be known, for example on another machine.

        Args:
            noted_at: When the identity was recorded, in seconds since 1970 UTC: a process that started later is another one.
        """
        here = this_machine()
        if self.birth is None:
            began = here.began_at(self.number) if self.host == here.host else 0.0
            return began is None or (noted_at is not None and began > noted_at + EXACT_S)
        if self._is_of(here):
            return here.birth(self.number) not in (self.birth, here.unknown_birth)
        # The host name is the same but the boot or the PID namespace differs: the machine or container was restarted.
        return self.host == here.host

    def _is_of(self, machine: "Machine") -> bool:
        boot = str(self.birth).rpartition("/")[0]
        return boot == machine.boot and (bool(machine.boot) or self.host == machine.host)


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine or container, which numbers its processes.

    Attributes:
        host: Host name.
        boot: Identifies the boot and the PID namespace; empty where the system identifies neither.
        start: Returns when a process started, as an exact text and in seconds since 1970 UTC; None if there is no such process,
            and ("", 0.0) if its start may not be read.
    """

    host: str
    boot: str
    start: Callable[[int], tuple[str, float] | None]

    @property
    def unknown_birth(self) -> str:
        """Return the `birth` of a process whose start may not be read."""
        return f"{self.boot}/"

    def birth(self, number: int) -> str | None:
        """Return a text that distinguishes the process from others with the same number; None if there is no such process."""
        found = self.start(number) if number > 0 else None
        return f"{self.boot}/{found[0]}" if found else None

    def began_at(self, number: int) -> float | None:
        """Return when the process started, in seconds since 1970 UTC; None if there is no such process."""
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
    """Return whether the process exists and belongs to another user, whose processes /proc may hide."""
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
