"""The UIs of Dagster and MLflow, Dagster's daemon, the Evidently pages and the local twins, on loopback until told to stop."""

import os
import shlex
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

from honcho.manager import Manager

from intelligence.errors import PlatformError
from resources.mlflow_store import database_in, make_store, quiet_environment
from resources.runs import close_stopped_runs, dagster_home, instance_for
from resources.settings import ROOT, settings

LOOPBACK = "127.0.0.1"


def serve(*, port: int, mlflow_port: int, reports_port: int, twins_port: int, say: Callable[[str], None]) -> int:
    """Serve until Ctrl-C or SIGTERM and return the exit code; raises PlatformError if a port is taken."""
    ports = {"Dagster UI": port, "MLflow UI": mlflow_port, "Evidently pages": reports_port, "Local twins": twins_port}
    for name, wanted in ports.items():
        if _is_taken(wanted):
            raise PlatformError(name, f"port {wanted} is in use.", hint="Stop what runs there or choose another port.")
    # Two servers that make the same fresh database at once fail; made here first, they find it there.
    with instance_for(settings()) as instance:
        close_stopped_runs(instance)
    home, binaries = dagster_home(settings()), Path(sys.executable).parent
    quiet = {
        "DAGSTER_HOME": str(home),
        "PYTHONUNBUFFERED": "1",
        "PYTHONWARNINGS": "ignore",
        # Links on asset pages lead to where the Evidently pages are served now.
        "INTELLIGENCE_REPORTS_UI": os.environ.get("INTELLIGENCE_REPORTS_UI") or f"http://{LOOPBACK}:{reports_port}",
    }
    environment = {**quiet_environment(), **quiet}
    store, artifacts = database_in(settings().mlruns), settings().mlruns / "artifacts"
    make_store(settings().mlruns)
    manager = Manager()
    manager.add_process(
        "dagster",
        f"exec {binaries}/dagster-webserver -h {LOOPBACK} -p {port} -w workspace.yaml",
        env=environment,
        cwd=str(ROOT),
    )
    manager.add_process(
        "daemon", f"exec {binaries}/dagster-daemon run -w workspace.yaml", env=environment, cwd=str(ROOT)
    )
    manager.add_process(
        "mlflow",
        f"exec {binaries}/mlflow server --backend-store-uri sqlite:///{store} --artifacts-destination {artifacts}"
        f" --host {LOOPBACK} --port {mlflow_port} --workers 1",
        env=environment,
        cwd=str(ROOT),
    )
    settings().reports.mkdir(parents=True, exist_ok=True)
    manager.add_process(
        "reports",
        f"exec {shlex.quote(sys.executable)} -m http.server --bind {LOOPBACK}"
        f" --directory {shlex.quote(str(settings().reports))} {reports_port}",
        env=environment,
        cwd=str(ROOT),
    )
    manager.add_process(
        "twins",
        f"exec {shlex.quote(sys.executable)} -m resources.twins.server {shlex.quote(str(settings().data))} {twins_port}",
        env=environment,
        cwd=str(ROOT),
    )
    say(
        f"Dagster    http://{LOOPBACK}:{port}\nMLflow     http://{LOOPBACK}:{mlflow_port}\n"
        f"Evidently  http://{LOOPBACK}:{reports_port}\nMessages   http://{LOOPBACK}:{twins_port}  (those kept on this machine)\n"
        "Ctrl-C stops all."
    )
    manager.loop()
    return 0 if manager.returncode in (0, None, -signal.SIGINT, -signal.SIGTERM, 130) else int(manager.returncode)


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return True
    return False
