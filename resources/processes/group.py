"""Processes that belong together: started, their output passed on line by line, and ended together."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

GRACE_S = 8.0
LOOK_S = 0.2

Say = Callable[[str, str], None]


@dataclass(slots=True)
class Processes:
    """Processes, each in a process group of its own; `say` is called with the name of a process and each line of output.

    Their standard input is a pipe into which nothing is written: it closes when this process ends, whatever the reason.
    """

    say: Say
    environment: Mapping[str, str]
    folder: Path
    _running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _readers: list[threading.Thread] = field(default_factory=list)
    _signals: list[int] = field(default_factory=list)

    def start(self, name: str, command: Sequence[str]) -> None:
        """Start a process.

        Args:
            name: The name under which its output is passed on.
            command: The program and its arguments.
        """
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(self.environment),
            cwd=self.folder,
            start_new_session=True,
        )
        self._running[name] = process
        reader = threading.Thread(target=self._pass_on_output, args=(name, process), daemon=True)
        self._readers.append(reader)
        reader.start()

    def wait(self) -> int:
        """Wait until a process ends or a signal asks to stop, end all, and return the exit code; 0 after a signal."""
        try:
            while not self._signals:
                ended = next((name for name, each in self._running.items() if each.poll() is not None), None)
                if ended is not None:
                    code = self._running[ended].returncode
                    self.say(ended, f"ended by itself with {code}; all others are stopped.")
                    return code if code > 0 else 1
                time.sleep(LOOK_S)
            return 0
        finally:
            self.end()

    def stop(self, signal_number: int, _: object) -> None:
        """Note that a signal asked to stop; after a second one `end` kills what still runs."""
        self._signals.append(signal_number)

    def end(self) -> None:
        """End every process and its children: by SIGTERM first, by SIGKILL after a grace period or a second signal."""
        self._send(signal.SIGTERM)
        deadline = time.monotonic() + GRACE_S
        while self._groups() and time.monotonic() < deadline and len(self._signals) < 2:
            time.sleep(LOOK_S)
        self._send(signal.SIGKILL)
        for process, reader in zip(self._running.values(), self._readers, strict=True):
            process.wait()
            reader.join()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()

    def _groups(self) -> list[int]:
        """Return the process groups in which a process still runs."""
        return [process.pid for process in self._running.values() if process.poll() is None or _exists(process.pid)]

    def _send(self, number: signal.Signals) -> None:
        for group in self._groups():
            try:
                os.killpg(group, number)
            except ProcessLookupError:
                continue

    def _pass_on_output(self, name: str, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.say(name, line.decode(errors="replace").rstrip())


def _exists(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
