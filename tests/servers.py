"""Real servers for tests on loopback: PostgreSQL and Redis that are installed, and applications of the platform."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

import psutil
import pytest

from resources.processes.front.guard import App
from resources.processes.front.serving import server_of

HOST: Final = "127.0.0.1"
PATIENCE_S: Final = 60
# What a test that is skipped for want of a server says; the end of a session says it again (tests/conftest.py).
NOT_PROVEN: Final = "NOT PROVEN"
_POSTGRES_FOLDERS: Final = "/usr/lib/postgresql"
# A test loses nothing by a loss of power, and waiting for a disk takes longer than all else. What was committed outlives a kill.
_IN_A_HURRY: Final = ("fsync=off", "full_page_writes=off")


@dataclass
class Server:
    """A server that was started, and that a test may stop, kill and start again at the same address."""

    command: Sequence[str]
    folder: Path
    port: int
    answers: Callable[["Server"], bool]
    user: str | None = None
    ends_by: signal.Signals = signal.SIGTERM
    _process: subprocess.Popen | None = field(default=None, init=False)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        log = self.folder / "log"
        with log.open("ab") as written:
            self._process = subprocess.Popen(
                self.command, stdout=written, stderr=written, stdin=subprocess.DEVNULL, cwd=self.folder, user=self.user
            )
        deadline = time.monotonic() + PATIENCE_S
        while not self.answers(self):
            assert self._process.poll() is None, f"{self.command[0]} ended: {log.read_text()[-2_000:]}"
            assert time.monotonic() < deadline, f"{self.command[0]} does not answer: {log.read_text()[-2_000:]}"
            time.sleep(0.02)

    def freeze(self) -> None:
        """Stop all its processes: connections stay and get no answer, as from a machine that hangs."""
        # The first one first, so that it starts no others meanwhile.
        for each in self._all():
            each.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let all its processes go on."""
        for each in reversed(self._all()):
            with suppress(psutil.NoSuchProcess):
                each.send_signal(signal.SIGCONT)

    def _all(self) -> list[psutil.Process]:
        if self._process is None or self._process.poll() is not None:
            return []
        first = psutil.Process(self._process.pid)
        return [first, *first.children(recursive=True)]

    def kill(self) -> None:
        """Kill it, as a loss of power would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it as its operator would."""
        self._end(self.ends_by)

    def _end(self, by: signal.Signals) -> None:
        if self._process is None:
            return
        self.thaw()
        children = self._all()[1:]
        self._process.send_signal(by)
        try:
            self._process.wait(PATIENCE_S)
        finally:
            self._process.kill()
        _, alive = psutil.wait_procs(children, timeout=PATIENCE_S)
        assert not alive, f"processes of {self.command[0]} outlive it: {alive}"


def free_port() -> int:
    with closing(socket.socket()) as one:
        one.bind((HOST, 0))
        return int(one.getsockname()[1])


def listens(server: Server) -> bool:
    with suppress(OSError), closing(socket.create_connection((HOST, server.port), timeout=1)):
        return True
    return False


def _postgres_program(name: str) -> str | None:
    newest_first = sorted(Path(_POSTGRES_FOLDERS).glob(f"*/bin/{name}"), key=_version, reverse=True)
    return shutil.which(name) or next(map(str, newest_first), None)


def _version(program: Path) -> int:
    number = program.parent.parent.name
    return int(number) if number.isdecimal() else -1


@cache
def _other_user() -> str | None:
    """A user without rights, as whom a server runs that refuses root; None for whoever is not root."""
    if os.geteuid() != 0:
        return None
    known = {each.pw_name for each in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in known)


@contextmanager
def postgres_started() -> Iterator[Server]:
    """Yield a PostgreSQL without any data; skips where none is installed."""
    initdb, postgres = _postgres_program("initdb"), _postgres_program("postgres")
    if not initdb or not postgres:
        pytest.skip(
            f"{NOT_PROVEN}: no PostgreSQL is installed (apt-get install postgresql) and TEST_POSTGRES names none"
        )
    with tempfile.TemporaryDirectory(prefix="postgres-") as made:
        folder, user = Path(made), _other_user()
        if user:
            shutil.chown(folder, user)
        make = [initdb, "--pgdata", made + "/data", "--username=test", "--auth=trust", "--no-sync", "--encoding=UTF8"]
        subprocess.run(make, check=True, user=user, cwd=folder, capture_output=True)
        port = free_port()
        places = [f"listen_addresses={HOST}", f"port={port}", f"unix_socket_directories={made}"]
        settings = [part for each in (*places, *_IN_A_HURRY) for part in ("-c", each)]
        command = [postgres, "-D", made + "/data", *settings]
        # SIGINT ends it without waiting for those who are connected.
        server = Server(command, folder, port, _takes_queries, user=user, ends_by=signal.SIGINT)
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _takes_queries(server: Server) -> bool:
    import psycopg

    with suppress(psycopg.OperationalError), psycopg.connect(address_of(server), connect_timeout=2):
        return True
    return False


def address_of(server: Server) -> str:
    return f"dbname=postgres host={HOST} port={server.port} user=test"


@contextmanager
def postgres_address() -> Iterator[str]:
    """Yield the address of a server as `dbname=… host=…`: the one that TEST_POSTGRES names, or one that is started."""
    if named := os.environ.get("TEST_POSTGRES"):
        yield named
    else:
        with postgres_started() as server:
            yield address_of(server)


@contextmanager
def empty_database(address: str) -> Iterator[str]:
    """Yield the address of a new database on a server, which is deleted at the end."""
    import psycopg
    from psycopg.conninfo import make_conninfo

    name = f"test_{uuid.uuid4().hex[:12]}"

    def asked(statement: str) -> None:
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(statement)

    asked(f"CREATE DATABASE {name}")
    try:
        yield make_conninfo(address, dbname=name)
    finally:
        asked(f"DROP DATABASE {name} WITH (FORCE)")


def state_url(address: str, **options: Any) -> str:
    """Return the URL of the store of state in a database."""
    import sqlalchemy as sa
    from psycopg.conninfo import conninfo_to_dict

    parts = {key: str(value) for key, value in {**conninfo_to_dict(address), **options}.items()}
    return sa.URL.create("postgresql+psycopg", query=parts).render_as_string(hide_password=False)


@contextmanager
def redis_started() -> Iterator[Server]:
    """Yield a Redis without any data, which keeps none beyond its end; skips where none is installed."""
    program = next(filter(None, map(shutil.which, ("redis-server", "valkey-server"))), None)
    if not program:
        pytest.skip(f"{NOT_PROVEN}: no Redis is installed (apt-get install redis-server)")
    with tempfile.TemporaryDirectory(prefix="redis-") as made:
        port = free_port()
        command = [program, "--bind", HOST, "--port", str(port), "--save", "", "--appendonly", "no", "--dir", made]
        server = Server(command, Path(made), port, listens)
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def application_served(app: App) -> Iterator[str]:
    """Yield the address of an application that a real server of the platform serves in a thread, with one loop for all requests."""
    with socket.socket() as opened:
        opened.bind((HOST, 0))
        server = server_of(app)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [opened]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield f"http://{HOST}:{opened.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
