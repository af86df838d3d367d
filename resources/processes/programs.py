"""The programs that `up` starts, one process each: python -m resources.processes.programs NAME [ARGUMENT …].

Each ends when `up` does. Every value that a program needs is an argument of its own, never part of a shell command.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

# Seconds that a program may take to end before it is killed.
GRACE_S = 5.0
WORKSPACE = "workspace.yaml"
# The doors are run and not imported: nothing here depends on them.
API = "intelligence.interfaces.api"
DASHBOARD = "intelligence.interfaces.dashboard.server"


def dagster_ui(port: str) -> None:
    """Serve the Dagster UI."""
    import contextlib

    # `dagster-webserver` serves without a guard. Only these parts that are not public build its application.
    from dagster import DagsterInstance
    from dagster._core.workspace.context import WorkspaceProcessContext
    from dagster._core.workspace.load_target import WorkspaceFileTarget
    from dagster._utils.log import configure_loggers
    from dagster_webserver.app import create_app_from_workspace_process_context
    from dagster_webserver.version import __version__

    from resources.processes.front.serving import served

    configure_loggers(formatter="colored", log_level="INFO")
    with contextlib.ExitStack() as stack:
        instance = stack.enter_context(DagsterInstance.get())
        instance.optimize_for_webserver(15_000, 3_600, 20)
        target = WorkspaceFileTarget(paths=[WORKSPACE])
        context = WorkspaceProcessContext(instance, target, version=__version__, code_server_log_level="info")
        served(create_app_from_workspace_process_context(stack.enter_context(context), "", 2_000), port=int(port))


def dagster_daemon() -> None:
    """Run Dagster's daemon; it and the runs that it starts give way to the servers."""
    from importlib.metadata import entry_points

    from resources.processes.priority import give_way

    give_way()
    (daemon,) = entry_points(group="console_scripts", name="dagster-daemon")
    sys.argv = [daemon.name, "run", "-w", WORKSPACE]
    daemon.load()()


def mlflow_ui(database_uri: str, artifacts: str, port: str) -> None:
    """Serve the MLflow UI over the store, in this process, so that no other process is left when it ends.

    Args:
        database_uri: SQLAlchemy URL of MLflow's database.
        artifacts: The folder of artifacts.
        port: The port on loopback, as text.
    """
    from mlflow.server import constants

    os.environ |= {
        constants.BACKEND_STORE_URI_ENV_VAR: database_uri,
        constants.REGISTRY_STORE_URI_ENV_VAR: database_uri,
        constants.ARTIFACT_ROOT_ENV_VAR: "mlflow-artifacts:/",
        constants.SERVE_ARTIFACTS_ENV_VAR: "true",
        constants.ARTIFACTS_DESTINATION_ENV_VAR: artifacts,
    }
    from mlflow.server.fastapi_app import app

    from resources.processes.front.serving import served

    served(app, port=int(port))


def evidently_pages(folder: str, port: str) -> None:
    """Serve the Evidently pages.

    Args:
        folder: The folder of the pages.
        port: The port on loopback, as text.
    """
    from resources.processes.front.pages import pages_app
    from resources.processes.front.serving import served

    served(pages_app(Path(folder)), port=int(port))


def dashboard(port: str) -> None:
    """Serve the dashboard.

    Args:
        port: The port on loopback, as text.
    """
    _run_door(DASHBOARD, port)


def read_api(port: str) -> None:
    """Serve the read API.

    Args:
        port: The port on loopback, as text.
    """
    _run_door(API, port)


def _run_door(module: str, port: str) -> None:
    import runpy

    sys.argv = [module, port]
    runpy.run_module(module, run_name="__main__")


def local_twins(data: str, port: str) -> None:
    """Serve the local twins of the services to which actions are sent.

    Args:
        data: The data folder, which contains the store of the twins.
        port: The port on loopback, as text.
    """
    from resources.processes.front.serving import served
    from resources.processes.front.twins import Twins
    from resources.twins.recorded import twin_store

    served(Twins(twin_store(Path(data))).app, port=int(port))


PROGRAMS: dict[str, Callable[..., None]] = {
    "api": read_api,
    "dagster": dagster_ui,
    "daemon": dagster_daemon,
    "dashboard": dashboard,
    "mlflow": mlflow_ui,
    "reports": evidently_pages,
    "twins": local_twins,
}


def end_with_parent() -> None:
    """End this process and its children when the other end of its standard input closes, whatever the reason."""
    threading.Thread(target=_end_after_parent, daemon=True).start()


def _end_after_parent() -> None:
    while os.read(0, 1_024):
        pass
    os.killpg(os.getpgrp(), signal.SIGTERM)
    time.sleep(GRACE_S)
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    end_with_parent()
    PROGRAMS[sys.argv[1]](*sys.argv[2:])
