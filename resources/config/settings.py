"""Every environment variable that the platform reads, in one place. None is needed."""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from intelligence.core.errors import PlatformError
from intelligence.core.foreign import harmless
from intelligence.core.sql import literal
from resources.config.serving_lock import served_addresses

LANDING = "landing"
ROOT = Path(__file__).resolve().parents[2]

# Characters with a special meaning in file patterns or URLs, which a folder's path must not contain.
UNUSABLE = "%?#*[]\\"
SHORTEST_KEY = 20
# Headers that clients set themselves, or that say something else.
NO_NAMES = (
    "host",
    "origin",
    "cookie",
    "authorization",
    "user-agent",
    "referer",
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
)
MODES = ("shadow", "advise", "approve", "auto")


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a process: folders, addresses of stores and limits.

    Attributes:
        product_file: INTELLIGENCE_PRODUCT, the product's `product.yaml`.
        data: INTELLIGENCE_DATA, the folder for everything that the platform writes.
        catalog: INTELLIGENCE_LAKE_CATALOG, `sqlite:<path>` or `postgres:<libpq settings>`.
        store: INTELLIGENCE_LAKE_STORE, a folder or `s3://bucket/prefix` for the lake's Parquet files.
        memory_limit: INTELLIGENCE_MEMORY_LIMIT, how much memory DuckDB may use before it spills to disk.
        threads: INTELLIGENCE_THREADS, how many threads DuckDB may use; by default one for each core.
        mlruns: INTELLIGENCE_MLRUNS, the folder of the MLflow store; inside the data folder if that is not the default one.
        reports: INTELLIGENCE_REPORTS, the folder of Evidently pages; inside the data folder if that is not the default one.
        mlflow_uri: INTELLIGENCE_MLFLOW_URI, URL of an MLflow server that is used instead of the database in that folder.
        mlflow_ui: INTELLIGENCE_MLFLOW_UI, the URL at which people open MLflow, used for links.
        reports_ui: INTELLIGENCE_REPORTS_UI, the URL at which people open those pages, used for links.
        state: INTELLIGENCE_STATE, the SQLAlchemy URL of the store for promotions and other operational state; a
            password for it belongs into PGPASSWORD or ~/.pgpass.
        mode: INTELLIGENCE_MODE, shadow, advise, approve or auto: the autonomy level of every kind of action, instead of the
            levels in product.yaml.
        simulated_days: INTELLIGENCE_SIMULATED_DAYS, how many days a simulator delivers, instead of the number in product.yaml.
        kafka: INTELLIGENCE_KAFKA, addresses of Kafka brokers, `host:port` separated by commas.
        redis: INTELLIGENCE_REDIS, the URL of a Redis that has the windows of the stream, `redis://host:port/number`; a password and a
            user belong into it, and are never displayed.
    """

    product_file: Path
    data: Path
    catalog: str
    store: str
    memory_limit: str
    threads: int | None
    mlruns: Path
    reports: Path
    mlflow_uri: str | None
    mlflow_ui: str
    reports_ui: str
    state: str
    mode: str | None
    simulated_days: int | None
    kafka: str | None = None
    redis: str | None = field(default=None, repr=False)

    @property
    def online(self) -> Path:
        """Return the database of the stream."""
        return self.data / "online.db"

    @property
    def landing(self) -> Path:
        """Return the folder into which the simulator delivers its files."""
        return self.data / LANDING

    @property
    def champions(self) -> Path:
        """Return the folder for local copies of champions."""
        return self.data / "models"


def product_and_data() -> tuple[Path, Path]:
    """Return the product file and the data folder of this process, whether they exist or not."""
    return (
        ROOT / os.environ.get("INTELLIGENCE_PRODUCT", "product.yaml"),
        ROOT / os.environ.get("INTELLIGENCE_DATA", "data"),
    )


def settings() -> Settings:
    """Return the settings of this process; relative paths start at the project's root.

    Raises PlatformError for a setting that cannot be used.
    """
    product_file, data = product_and_data()
    file = next((str(path) for path in (data, *data.parents) if os.path.isfile(path)), None)
    if file:
        raise PlatformError(
            str(data),
            "everything is written under it, but it is a file."
            if file == str(data)
            else f"{file} is a file, no folder.",
            hint="Name a folder with INTELLIGENCE_DATA.",
        )
    store_root = ROOT if data == ROOT / "data" else data
    mlruns = ROOT / os.environ.get("INTELLIGENCE_MLRUNS", store_root / "mlruns")
    reports = ROOT / os.environ.get("INTELLIGENCE_REPORTS", store_root / "evidently_reports")
    for variable, folder in (("DATA", data), ("MLRUNS", mlruns), ("REPORTS", reports)):
        _require_usable(folder, f"INTELLIGENCE_{variable}")
    served = served_addresses(data)
    mlflow_uri = os.environ.get("INTELLIGENCE_MLFLOW_URI") or None
    return Settings(
        product_file=product_file,
        data=data,
        catalog=os.environ.get("INTELLIGENCE_LAKE_CATALOG", f"sqlite:{data / 'lake' / 'catalog.sqlite'}"),
        store=os.environ.get("INTELLIGENCE_LAKE_STORE", str(data / "lake" / "files")),
        memory_limit=os.environ.get("INTELLIGENCE_MEMORY_LIMIT", "4GB"),
        threads=lake_threads(),
        mlruns=mlruns,
        reports=reports,
        mlflow_uri=mlflow_uri,
        mlflow_ui=os.environ.get(
            "INTELLIGENCE_MLFLOW_UI", mlflow_uri or served.get("mlflow") or "http://127.0.0.1:5000"
        ),
        reports_ui=os.environ.get("INTELLIGENCE_REPORTS_UI", served.get("reports") or "http://127.0.0.1:8090"),
        state=os.environ.get("INTELLIGENCE_STATE", f"sqlite:///{data / 'state.db'}"),
        mode=_mode(),
        simulated_days=_positive("INTELLIGENCE_SIMULATED_DAYS"),
        kafka=os.environ.get("INTELLIGENCE_KAFKA") or None,
        redis=os.environ.get("INTELLIGENCE_REDIS") or None,
    )


def _require_usable(folder: Path, variable: str) -> None:
    """Raise PlatformError for a folder whose path contains a character that DuckDB, SQLite or MLflow would interpret."""
    found = next((sign for sign in str(folder) if sign in UNUSABLE or not sign.isprintable()), None)
    if found is None:
        return
    raise PlatformError(
        harmless(str(folder)),
        f"a folder whose path contains {found!a} cannot be used: DuckDB, SQLite or MLflow would interpret that character.",
        hint=f"Name another folder with {variable}. Spaces, quotes and letters of any language are fine.",
    )


def lake_threads() -> int | None:
    """Return how many threads DuckDB may use; None for one per core. Raises PlatformError if the setting is not a number."""
    return _positive("INTELLIGENCE_THREADS")


def _mode() -> str | None:
    mode = os.environ.get("INTELLIGENCE_MODE") or None
    if mode and mode not in MODES:
        raise PlatformError("INTELLIGENCE_MODE", f"it is {mode!r}.", hint=f"Give one of {', '.join(MODES)}.")
    return mode


def _positive(variable: str) -> int | None:
    text = os.environ.get(variable, "")
    if text and not (text.isdigit() and int(text) > 0):
        raise PlatformError(variable, f"it is {text!r}.", hint="Give a whole number from 1 up.")
    return int(text) if text else None


def object_store_secret() -> str | None:
    """Return the SQL statement that gives DuckDB the object store's credentials, from the usual AWS_* variables."""
    key, secret = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
    if not key or not secret:
        return None
    parts = {"TYPE": "s3", "KEY_ID": literal(key), "SECRET": literal(secret)}
    parts["REGION"] = literal(os.environ.get("AWS_REGION", "us-east-1"))
    endpoint = os.environ.get("AWS_ENDPOINT_URL")
    if endpoint:
        parts["ENDPOINT"] = literal(endpoint.split("://", 1)[-1])
        parts["URL_STYLE"] = literal("path")
        parts["USE_SSL"] = str(endpoint.startswith("https")).lower()
    return f"CREATE OR REPLACE SECRET lake_store ({', '.join(f'{name} {value}' for name, value in parts.items())})"


@dataclass(frozen=True, slots=True)
class ActionSecrets:
    """The credentials of the services that actions are sent to; None for a service that is not used. They are never displayed.

    Attributes:
        slack_token: INTELLIGENCE_SLACK_TOKEN, a bot's token with chat:write, channels:read, groups:read, channels:history.
        pagerduty_routing_key: INTELLIGENCE_PAGERDUTY_ROUTING_KEY, of an Events API v2 integration.
        jira_user: INTELLIGENCE_JIRA_USER, the e-mail address to which the token belongs.
        jira_token: INTELLIGENCE_JIRA_TOKEN, an API token.
        webhook_secret: INTELLIGENCE_WEBHOOK_SECRET, the key with which webhooks are signed.
    """

    slack_token: SecretStr | None = None
    pagerduty_routing_key: SecretStr | None = None
    jira_user: str | None = None
    jira_token: SecretStr | None = None
    webhook_secret: SecretStr | None = None


def action_secrets() -> ActionSecrets:
    """Return the secrets of this process."""
    return ActionSecrets(
        slack_token=_secret("INTELLIGENCE_SLACK_TOKEN"),
        pagerduty_routing_key=_secret("INTELLIGENCE_PAGERDUTY_ROUTING_KEY"),
        jira_user=os.environ.get("INTELLIGENCE_JIRA_USER") or None,
        jira_token=_secret("INTELLIGENCE_JIRA_TOKEN"),
        webhook_secret=_secret("INTELLIGENCE_WEBHOOK_SECRET"),
    )


def language_key() -> SecretStr | None:
    """Return INTELLIGENCE_LANGUAGE_KEY, the key of the server of a language model; None where it asks for none."""
    return _secret("INTELLIGENCE_LANGUAGE_KEY")


def _secret(name: str) -> SecretStr | None:
    value = os.environ.get(name, "").strip()
    return SecretStr(value) if value else None


def allowed_hosts() -> tuple[str, ...]:
    """Return INTELLIGENCE_ALLOWED_HOSTS: comma-separated host names under which people reach a reverse proxy."""
    named = os.environ.get("INTELLIGENCE_ALLOWED_HOSTS", "")
    return tuple(host.strip() for host in named.split(",") if host.strip())


@dataclass(frozen=True, slots=True)
class ProxySettings:
    """The reverse proxy in front of the dashboard.

    Attributes:
        user_header: INTELLIGENCE_PROXY_USER_HEADER, the header in which it names the person who asks; empty for none.
        may_decide: INTELLIGENCE_PROXY_MAY_DECIDE, `yes` where a person whom it names may approve and reject.
    """

    user_header: str = ""
    may_decide: bool = False


def proxy_settings() -> ProxySettings:
    """Return how the reverse proxy in front says who asks.

    Raises PlatformError for a header that cannot be believed, and where no host of a proxy is named.
    """
    header = os.environ.get("INTELLIGENCE_PROXY_USER_HEADER", "").strip()
    may_decide = os.environ.get("INTELLIGENCE_PROXY_MAY_DECIDE", "").strip().lower()
    if may_decide not in ("", "no", "yes"):
        raise PlatformError("INTELLIGENCE_PROXY_MAY_DECIDE", f"it is {may_decide!r}.", hint="Give yes or no.")
    if not header:
        if may_decide == "yes":
            raise PlatformError(
                "INTELLIGENCE_PROXY_MAY_DECIDE",
                "nothing says who asks through the proxy.",
                hint="Name the header with INTELLIGENCE_PROXY_USER_HEADER.",
            )
        return ProxySettings()
    if not re.fullmatch(r"[A-Za-z0-9-]{1,64}", header) or header.lower() in NO_NAMES:
        raise PlatformError(
            "INTELLIGENCE_PROXY_USER_HEADER",
            f"{harmless(header)!r} is no header for the name of a person.",
            hint="Name one that the proxy sets itself, such as X-Forwarded-User.",
        )
    if not allowed_hosts():
        raise PlatformError(
            "INTELLIGENCE_PROXY_USER_HEADER",
            "no host of the proxy is named, so that its requests cannot be told from others.",
            hint="Name it with INTELLIGENCE_ALLOWED_HOSTS.",
        )
    return ProxySettings(header.lower(), may_decide == "yes")


def api_keys() -> tuple[SecretStr, ...]:
    """Return INTELLIGENCE_API_KEYS: comma-separated keys of the read API. They are never displayed.

    Raises PlatformError for a key that is too short to be one.
    """
    keys = [each.strip() for each in os.environ.get("INTELLIGENCE_API_KEYS", "").split(",") if each.strip()]
    if any(len(each) < SHORTEST_KEY for each in keys):
        raise PlatformError(
            "INTELLIGENCE_API_KEYS",
            f"a key has fewer than {SHORTEST_KEY} characters.",
            hint='Make one with `python -c "import secrets; print(secrets.token_urlsafe(32))"`.',
        )
    return tuple(map(SecretStr, keys))


def fault_point() -> str | None:
    """Return INTELLIGENCE_KILL_AT, the point at which this process kills itself; see `resources/config/faults.py`."""
    return os.environ.get("INTELLIGENCE_KILL_AT")
