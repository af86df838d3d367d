"""The servers of `up`: dashboard, API, the UIs of Dagster and MLflow, the daemon, Evidently pages and twins, on loopback until stopped."""

import importlib.util
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from intelligence.core.errors import PlatformError
from resources.config.serving_lock import serving
from resources.config.settings import ROOT, Settings, api_keys, proxy_settings, settings
from resources.models.mlflow_store import make_store, quiet_environment, store_uri
from resources.processes.front.serving import LOOPBACK, require_free
from resources.processes.group import Processes
from resources.processes.runs import close_stopped_runs, dagster_home, instance_for

# MLflow's start page is about other uses of it; this page lists the experiments, next to the models.
MLFLOW_PAGE = "/#/experiments?workflowType=machine_learning"


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports on loopback, each named like the option that sets it."""

    dashboard_port: int
    api_port: int
    port: int
    mlflow_port: int
    reports_port: int
    twins_port: int

    @property
    def options(self) -> dict[str, tuple[str, int]]:
        """Return the option and the number of each port, by what is served there."""
        return {
            "Dashboard": ("--dashboard-port", self.dashboard_port),
            "Read API": ("--api-port", self.api_port),
            "Dagster UI": ("--port", self.port),
            "MLflow UI": ("--mlflow-port", self.mlflow_port),
            "Evidently pages": ("--reports-port", self.reports_port),
            "Local twins": ("--twins-port", self.twins_port),
        }

    @property
    def addresses(self) -> dict[str, str]:
        """Return the addresses by the name of the server."""
        named = {
            "dashboard": self.dashboard_port,
            "api": self.api_port,
            "dagster": self.port,
            "mlflow": self.mlflow_port,
            "reports": self.reports_port,
            "twins": self.twins_port,
        }
        return {name: f"http://{LOOPBACK}:{number}" for name, number in named.items()}


def serve(
    *,
    dashboard_port: int,
    api_port: int,
    port: int,
    mlflow_port: int,
    reports_port: int,
    twins_port: int,
    say: Callable[[str], None],
    tell: Callable[[str, str], None],
) -> int:
    """Serve until Ctrl-C or SIGTERM and return the exit code.

    Args:
        dashboard_port: The port of the dashboard.
        api_port: The port of the read API.
        port: The port of the Dagster UI.
        mlflow_port: The port of the MLflow UI.
        reports_port: The port of the Evidently pages.
        twins_port: The port of the local twins.
        say: Called once with the text that lists the addresses.
        tell: Called with the name of a server and each line of its output.

    Raises:
        PlatformError: Where another process serves the same data, or a port is taken.
    """
    # What the servers would refuse at their start is said here, once.
    proxy_settings()
    api_keys()
    now, ports = settings(), Ports(dashboard_port, api_port, port, mlflow_port, reports_port, twins_port)
    with serving(now.data, ports.addresses):
        _require_free(ports)
        # Two servers that create the same database at once fail, so it is created here first.
        with instance_for(now) as instance:
            close_stopped_runs(instance)
        make_store(now.mlruns)
        now.reports.mkdir(parents=True, exist_ok=True)
        processes = Processes(tell, _environment(now, ports), ROOT)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, processes.stop)
        try:
            for name, arguments in _programs(now, ports).items():
                processes.start(name, [sys.executable, "-m", "resources.processes.programs", name, *arguments])
            say(_addresses_text(ports))
        except BaseException:
            processes.end()
            raise
        return processes.wait()


def _programs(now: Settings, ports: Ports) -> Mapping[str, list[str]]:
    return {
        **({"dashboard": [str(ports.dashboard_port)]} if _has_dashboard() else {}),
        "api": [str(ports.api_port)],
        "dagster": [str(ports.port)],
        "daemon": [],
        "mlflow": [store_uri(now.mlruns), str(now.mlruns / "artifacts"), str(ports.mlflow_port)],
        "reports": [str(now.reports), str(ports.reports_port)],
        "twins": [str(now.data), str(ports.twins_port)],
    }


def _environment(now: Settings, ports: Ports) -> dict[str, str]:
    own = {
        "DAGSTER_HOME": str(dagster_home(now)),
        "PYTHONUNBUFFERED": "1",
        "PYTHONWARNINGS": "ignore",
        "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))),
    }
    # Links on asset pages lead to the addresses at which MLflow and the pages are served now.
    links = {"INTELLIGENCE_REPORTS_UI": ports.addresses["reports"]}
    if not now.mlflow_uri:
        links["INTELLIGENCE_MLFLOW_UI"] = ports.addresses["mlflow"]
    return {**quiet_environment(), **own, **{name: os.environ.get(name) or url for name, url in links.items()}}


def _has_dashboard() -> bool:
    """Return whether the dashboard's packages are installed: they are an extra for those who install the package alone."""
    return importlib.util.find_spec("streamlit") is not None


def _addresses_text(ports: Ports) -> str:
    at = ports.addresses
    dashboard = at["dashboard"] if _has_dashboard() else "not installed: it comes with the extra `ui`"
    return (
        f"Dashboard  {dashboard}\nRead API   {at['api']}/v1\nDagster    {at['dagster']}\nMLflow     {at['mlflow']}{MLFLOW_PAGE}\n"
        f"Evidently  {at['reports']}\nMessages   {at['twins']}  (those kept on this machine)\nCtrl-C stops all."
    )


def _require_free(ports: Ports) -> None:
    given: dict[int, str] = {}
    for name, (option, number) in ports.options.items():
        if number in given:
            raise PlatformError(
                name, f"{option} {number} is the port of {given[number]} too.", hint=f"Choose another with {option}."
            )
        given[number] = name
        if not 0 < number < 65_536:
            raise PlatformError(name, f"{option} {number} is no port.", hint="Give a number from 1 to 65535.")
        require_free(name, number, option=option)
