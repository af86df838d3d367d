"""What `up` starts, one process each: python -m resources.processes.programs NAME [ARGUMENT …]. Each ends when `up` does.

Everything that a program needs is handed over as an argument of its own, never as a line for a shell.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

# How long what is to end may take before it is killed.
GRACE_S = 5.0
WORKSPACE = "workspace.yaml"


def dagster_ui(port: str) -> None:
    """Serve the Dagster UI."""
    import contextlib

    # `dagster-webserver` serves without a guard; what it serves is put together by these alone.
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
    """Run Dagster's daemon."""
    from importlib.metadata import entry_points

    (daemon,) = entry_points(group="console_scripts", name="dagster-daemon")
    sys.argv = [daemon.name, "run", "-w", WORKSPACE]
    daemon.load()()


def mlflow_ui(database_uri: str, artifacts: str, port: str) -> None:
    """Serve the MLflow UI over the store; in this process, so that nothing of it is left when it ends."""
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
    """Serve the Evidently pages."""
    from resources.processes.front.pages import pages_app
    from resources.processes.front.serving import served

    served(pages_app(Path(folder)), port=int(port))


def local_twins(data: str, port: str) -> None:
    """Serve the local twins of the services to which actions go."""
    from resources.processes.front.serving import served
    from resources.processes.front.twins import Twins
    from resources.twins.recorded import twin_store

    served(Twins(twin_store(Path(data))).app, port=int(port))


PROGRAMS: dict[str, Callable[..., None]] = {
    "dagster": dagster_ui,
    "daemon": dagster_daemon,
    "mlflow": mlflow_ui,
    "reports": evidently_pages,
    "twins": local_twins,
}


def end_with_parent() -> None:
    """End this process and all that it starts when the other end of its standard input closes, however that came about."""
    threading.Thread(target=_wait_for_the_end, daemon=True).start()


def _wait_for_the_end() -> None:
    while os.read(0, 1_024):
        pass
    os.killpg(os.getpgrp(), signal.SIGTERM)
    time.sleep(GRACE_S)
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    end_with_parent()
    PROGRAMS[sys.argv[1]](*sys.argv[2:])
