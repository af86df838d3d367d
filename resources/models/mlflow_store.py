"""How MLflow is opened: quiet, its database made once however many processes ask, a dead one told within seconds."""

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
# Without these MLflow looks up its telemetry host, shells out to uv, draws bars, or waits minutes for a dead server.
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
# These say in a traceback or a paragraph what the errors and arguments here already say.
TALKATIVE = {
    "mlflow.store.db.utils": logging.CRITICAL,
    "mlflow.utils.environment": logging.ERROR,
    "mlflow.pyfunc": logging.WARNING,
    "alembic": logging.WARNING,
}

_clients: dict[str, Any] = {}


class MlflowUnreachable(ModelError):
    """MLflow did not answer; what it would have said is not known."""


def quiet_environment() -> dict[str, str]:
    """Return this process's environment after the addition of ENVIRONMENT; to be called before MLflow is imported."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    for name, level in TALKATIVE.items():
        logging.getLogger(name).setLevel(level)
    # About hints in MLflow's own code and in ours, where the signature is given instead.
    warnings.filterwarnings("ignore", message=".*type hint", category=UserWarning, module=r"mlflow\.")
    return dict(os.environ)


def database_in(root: Path) -> Path:
    """Return where the database of the store under `root` lies."""
    return root.resolve() / "mlflow.db"


def store_uri(root: Path) -> str:
    """Return the address of the database of the store under `root`, as MLflow takes it."""
    return f"sqlite:///{database_in(root)}"


def alias_in(database: Path, model_name: str, alias: str) -> tuple[str, str] | None:
    """Return the version that bears the alias and its run, read from the database itself; None without an answer.

    Both are "" where no version bears it. Loading MLflow takes seconds and this a millisecond. The tables are MLflow's own
    affair, so whoever gets None asks MLflow.
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
    """Make the database under `root` unless it is there; MLflow's own making fails when two processes do it at once."""
    database = database_in(root)
    with answers(f"MLflow's database {database}"):
        database.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(database.with_suffix(".lock"), timeout=600):
            if not database.exists():
                _make_database(database)


def _make_database(database: Path) -> None:
    # Under another name until it is whole: a process that is killed here leaves nothing that looks made.
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
    """Return the MLflow client of a store that exists; raises MlflowUnreachable where its database cannot be read.

    MLflow itself retries an unreadable database for a minute and a half, so it is tried here first.
    """
    if uri.startswith("sqlite:///"):
        with answers(uri):
            _read(Path(uri.removeprefix("sqlite:///")))
    if uri not in _clients:
        with answers(uri):
            _clients[uri] = _new_client(uri)
    import mlflow

    # MLflow looks up a version's model in the process's store, whichever client asks; unset, it makes ./mlflow.db.
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
    """Turn whatever a silent, locked, unreadable or full store raises into one MlflowUnreachable.

    What MLflow refuses on good grounds (an unknown name, an alias that is not set) passes through as MlflowException.
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
            f"it cannot be reached at {uri} ({_told(error)}).",
            hint="Check INTELLIGENCE_MLRUNS or INTELLIGENCE_MLFLOW_URI, that the server runs and the disk is not full.",
        ) from error


_STORES = ("mlflow.", "sqlalchemy.")


def _told(error: BaseException) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return lines[0].strip()[:200]
