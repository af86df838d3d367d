"""Which requests are allowed: those of this machine's own pages and programs, and no GET that changes something.

Every web page that the owner of the machine opens can reach a server on loopback, since the browser sends the request
from this machine. The headers Host, Origin and Sec-Fetch-* show such requests. The rules prevent cross-site request
forgery (CSRF) and DNS rebinding.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
LOOPBACK_HOST = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)
# The types that a form, or a script without a CORS preflight, can send to another site.
SENT_BY_FORMS = ("", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data")
NAMES_A_HOST = ("x-forwarded-host", "x-original-host", "x-host", "x-forwarded-server", "x-http-host-override")
_FORWARDED_HOST = re.compile(r"host=\"?([^;,\"]*)\"?", re.IGNORECASE)
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
OWN = "Open the address that `up` printed."
ALLOW = "Name a reverse proxy's host in INTELLIGENCE_ALLOWED_HOSTS."


@dataclass(frozen=True, slots=True)
class Request:
    """A request: `target` exactly as in the request line, names of headers in lower case.

    `is_socket` says that a WebSocket is to be opened.
    """

    method: str
    target: str
    headers: Sequence[tuple[str, str]]
    is_socket: bool = False

    def all(self, name: str) -> list[str]:
        """Return the values of a header, in order."""
        return [value.strip() for key, value in self.headers if key == name]

    @property
    def path(self) -> str:
        """Return the path, decoded."""
        return unquote(self.target.partition("?")[0])

    @property
    def query(self) -> list[tuple[str, str]]:
        """Return the names and values of the query."""
        return parse_qsl(self.target.partition("?")[2], keep_blank_values=True)


def refusal(request: Request, *, allowed_hosts: Collection[str] = ()) -> str | None:
    """Return in one sentence what is refused and what to do; None for a request that is allowed.

    Args:
        request: The request as it was received.
        allowed_hosts: Hosts under which a reverse proxy is reached, with their port unless it is the default of the
            scheme.
    """
    checks = (_target, _host, _other_hosts, _origin, _site, _looked_at, _form)
    return next((reason for reason in (check(request, allowed_hosts) for check in checks) if reason), None)


def _target(request: Request, _: Collection[str]) -> str | None:
    if request.method not in METHODS:
        return f"The method {request.method!r} is refused: nothing here answers to it."
    if not request.target.startswith("/"):
        return f"A request for a whole address is refused: this is no proxy. {OWN}"
    parts = re.split(r"[/\\]", request.path)
    if ".." in parts or any(ord(sign) < 32 for sign in request.path):
        return "A path that leads upwards or holds control characters is refused. Follow a link of the page."
    return None


def _host(request: Request, allowed: Collection[str]) -> str | None:
    hosts = request.all("host")
    if len(hosts) == 1 and _is_known(hosts[0], allowed):
        return None
    named = ", ".join(map(repr, hosts)) or "none"
    return f"The host is refused ({named}): it is not this machine's own. {OWN} {ALLOW}"


def _other_hosts(request: Request, allowed: Collection[str]) -> str | None:
    values = [value for name in NAMES_A_HOST for value in request.all(name)]
    hosts = [host.strip() for value in values for host in value.split(",")]
    hosts += [host for value in request.all("forwarded") for host in _FORWARDED_HOST.findall(value)]
    foreign = [host for host in hosts if not _is_known(host, allowed)]
    return f"A forwarded host is refused ({foreign[0]!r}). {ALLOW}" if foreign else None


def _origin(request: Request, allowed: Collection[str]) -> str | None:
    origins = request.all("origin")
    if not origins or is_same_origin(request, allowed):
        return None
    return f"A request of another site is refused (origin {', '.join(origins)!r}). {OWN}"


def _site(request: Request, _: Collection[str]) -> str | None:
    sites = request.all("sec-fetch-site")
    if all(site in ("same-origin", "none") for site in sites):
        return None
    is_link = (
        request.method == "GET"
        and not request.is_socket
        and request.all("sec-fetch-mode") == ["navigate"]
        and request.all("sec-fetch-dest") == ["document"]
    )
    return None if is_link else f"What another site's page loads or sends is refused ({', '.join(sites)}). {OWN}"


def _looked_at(request: Request, _: Collection[str]) -> str | None:
    # For every method: Dagster reads a query from the address of a POST as well.
    if request.path.rstrip("/").rpartition("/")[2] != "graphql":
        return None
    queries = [value for name, value in request.query if name == "query"]
    if all(map(only_reads, queries)) and not any(name == "extensions" for name, _ in request.query):
        return None
    return "What changes something is refused by GET: send it by POST as application/json, or use the page."


def _form(request: Request, allowed: Collection[str]) -> str | None:
    kinds = [value.partition(";")[0].strip().lower() for value in request.all("content-type")]
    # A request without any type does not come from a form, and one of a script has an Origin.
    is_of_a_form = len(kinds) > 1 or any(kind in SENT_BY_FORMS for kind in kinds)
    # No browser adds a bearer token by itself, and a script that adds one needs a CORS preflight.
    is_signed = any(value.startswith("Bearer ") for value in request.all("authorization"))
    if request.method != "POST" or not is_of_a_form or is_signed or is_same_origin(request, allowed):
        return None
    return f"A POST as {', '.join(kinds) or 'no type'} is refused, which any web page can send. Send it as application/json."


def is_same_origin(request: Request, allowed: Collection[str]) -> bool:
    """Return whether the Origin is the address under which the server was reached, or that of the reverse proxy.

    Args:
        request: The request as it was received.
        allowed: Hosts under which a reverse proxy is reached.
    """
    origins, hosts = request.all("origin"), [host.lower() for host in request.all("host")]
    if len(origins) != 1 or len(hosts) != 1:
        return False
    scheme, _, host = origins[0].lower().partition("://")
    if scheme not in _DEFAULT_PORTS:
        return False
    usual = _DEFAULT_PORTS[scheme]
    return host.removesuffix(usual) == hosts[0].removesuffix(usual) or host in {each.lower() for each in allowed}


def only_reads(query: str) -> bool:
    """Return whether GraphQL text contains only queries; False for text that is not GraphQL.

    >>> only_reads("{ version }"), only_reads("query a { b } mutation c { d }"), only_reads("{")
    (True, False, False)
    """
    from graphql import GraphQLError, OperationDefinitionNode, OperationType, parse

    try:
        document = parse(query, no_location=True)
    except (GraphQLError, RecursionError):
        return False
    operations = [each for each in document.definitions if isinstance(each, OperationDefinitionNode)]
    return all(each.operation is OperationType.QUERY for each in operations)


def _is_known(host: str, allowed: Collection[str]) -> bool:
    return bool(LOOPBACK_HOST.fullmatch(host)) or host.lower() in {each.lower() for each in allowed}
