"""Opens MLflow: without telemetry and noise, its database created only once, an unreachable store reported within seconds."""

import logging
import os
import sqlite3
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from filelock import FileLock

from intelligence.core.errors import ModelError

PATIENCE_S = 5
# Without these MLflow contacts its telemetry host, starts uv, prints progress bars, or waits minutes for an unreachable server.
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_UV_AUTO_DETECT": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_GENAI_EVAL_MAX_WORKERS": "1",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
    "OMP_WAIT_POLICY": "PASSIVE",
}
# Log levels for loggers that repeat, in a traceback or a paragraph, what the errors raised here already say.
TALKATIVE = {
    "mlflow.store.db.utils": logging.CRITICAL,
    "mlflow.utils.environment": logging.ERROR,
    "mlflow.pyfunc": logging.WARNING,
    "alembic": logging.WARNING,
}

_clients: dict[str, Any] = {}


class MlflowUnreachable(ModelError):
    """MLflow did not answer, so it is unknown what it contains."""


def quiet_environment() -> dict[str, str]:
    """Return this process's environment after adding ENVIRONMENT to it; call this before MLflow is imported."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    for name, level in TALKATIVE.items():
        logging.getLogger(name).setLevel(level)
    # MLflow warns about missing type hints, in its own code and in ours; our models give a signature instead.
    warnings.filterwarnings("ignore", message=".*type hint", category=UserWarning, module=r"mlflow\.")
    return dict(os.environ)


def database_in(root: Path) -> Path:
    """Return the path of the database of the store under `root`."""
    return root.resolve() / "mlflow.db"


def store_uri(root: Path) -> str:
    """Return MLflow's URI for the database of the store under `root`."""
    return f"sqlite:///{database_in(root)}"


def alias_in(database: Path, model_name: str, alias: str) -> tuple[str, str] | None:
    """Return the version that has the alias and its run id, read from MLflow's database directly; None if that fails.

    Both are "" if no version has the alias. Loading MLflow takes seconds, this query a millisecond. MLflow may change its tables, so
    a caller that gets None asks MLflow.

    Args:
        database: Path of MLflow's SQLite database.
        model_name: Name of the registered model.
        alias: Name of the alias, such as `champion`.
    """
    query = (
        "SELECT version, run_id FROM registered_model_aliases LEFT JOIN model_versions USING (workspace, name, version)"
        " WHERE name = ? AND alias = ?"
    )
    try:
        with closing(
            sqlite3.connect(f"file:{quote(str(database))}?mode=ro", uri=True, timeout=PATIENCE_S)
        ) as connection:
            row = connection.execute(query, (model_name, alias)).fetchone()
    except sqlite3.Error:
        return None
    return (str(row[0]), row[1] or "") if row else ("", "")


def make_store(root: Path) -> None:
    """Create the database under `root` if it is missing; MLflow's own creation fails if two processes do it at once."""
    database = database_in(root)
    with answers(f"MLflow's database {database}"):
        database.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(database.with_suffix(".lock"), timeout=600):
            if not database.exists():
                _make_database(database)


def _make_database(database: Path) -> None:
    # It has another name until it is complete, so that a process that is killed here leaves no incomplete database.
    unfinished = database.with_suffix(".unfinished")
    for leftover in database.parent.glob(f"{unfinished.name}*"):
        leftover.unlink()
    client = _new_client(f"sqlite:///{unfinished}")
    client.search_registered_models(max_results=1)
    for store in (client._tracking_client.store, client._get_registry_client().store):
        store.engine.dispose()
    with closing(sqlite3.connect(unfinished)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    unfinished.rename(database)


def client_of(uri: str) -> Any:
    """Return the MLflow client of an existing store; raises MlflowUnreachable if its database cannot be read.

    The database is read here first because MLflow itself retries an unreadable one for a minute and a half.
    """
    if uri.startswith("sqlite:///"):
        with answers(uri):
            _read(Path(uri.removeprefix("sqlite:///")))
    if uri not in _clients:
        with answers(uri):
            _clients[uri] = _new_client(uri)
    import mlflow

    # MLflow looks up a version's model in the process-wide store, whichever client is used; by default it creates ./mlflow.db.
    mlflow.set_tracking_uri(uri)
    return _clients[uri]


def _new_client(uri: str) -> Any:
    quiet_environment()
    import mlflow

    return mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)


def _read(database: Path) -> None:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=PATIENCE_S)) as connection:
        connection.execute("SELECT version_num FROM alembic_version").fetchall()


@contextmanager
def answers(uri: str) -> Iterator[None]:
    """Turn the errors of an unreachable, locked, unreadable or full store into one MlflowUnreachable.

    A regular refusal by MLflow (an unknown name, an alias that is not set) passes through as MlflowException.
    """
    try:
        yield
    except ModelError:
        raise
    except Exception as error:
        code = getattr(error, "error_code", None)
        if code in ("RESOURCE_DOES_NOT_EXIST", "RESOURCE_ALREADY_EXISTS", "INVALID_PARAMETER_VALUE"):
            raise
        if not isinstance(error, OSError | sqlite3.Error) and not type(error).__module__.startswith(_STORES):
            raise
        raise MlflowUnreachable(
            "MLflow",
            f"it cannot be reached at {uri} ({_first_line(error)}).",
            hint="Check INTELLIGENCE_MLRUNS or INTELLIGENCE_MLFLOW_URI, that the server runs and the disk is not full.",
        ) from error


_STORES = ("mlflow.", "sqlalchemy.")


def _first_line(error: BaseException) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return lines[0].strip()[:200]
