"""Who asks: this machine itself, or a person whom the reverse proxy in front names in a header.

The header is believed only where the owner named it, only in requests that came through a host of the proxy, and only where it stands
there once. Its value is text from outside.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from resources.processes.front.guard import App, Receive, Scope, Send, refuse, request_of
from resources.processes.front.rules import LOOPBACK_HOST, Request

# Headers that a proxy adds, and a browser on this machine does not.
FORWARDED: Final = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")
LONGEST_NAME: Final = 80
NAME_IT: Final = "Let the proxy pass the Host on, and set the header that INTELLIGENCE_PROXY_USER_HEADER names once."


@dataclass(frozen=True, slots=True)
class Proxy:
    """The reverse proxy in front, as the owner describes it.

    Attributes:
        user_header: Header with the name of the person, in lower case; empty where no header is believed.
        hosts: Hosts under which it is reached.
        may_decide: Whether a person whom it names may approve and reject.
    """

    user_header: str = ""
    hosts: tuple[str, ...] = ()
    may_decide: bool = False


def is_direct(request: Request, proxy: Proxy | None = None) -> bool:
    """Return whether a request was sent on this machine to this server, and through no proxy.

    Args:
        request: The request.
        proxy: The proxy; a request with its header did not come directly.
    """
    hosts = request.all("host")
    named = (*FORWARDED, *((proxy.user_header,) if proxy and proxy.user_header else ()))
    is_own = len(hosts) == 1 and LOOPBACK_HOST.fullmatch(hosts[0]) is not None
    return is_own and not any(request.all(name) for name in named)


def person_of(request: Request, proxy: Proxy) -> str | None:
    """Return the name of the person whom the proxy vouches for; None for a request in which nobody is named reliably.

    Args:
        request: The request.
        proxy: The proxy.

    >>> proxy = Proxy("x-user", ("insights.example.com",))
    >>> person_of(Request("GET", "/", [("host", "insights.example.com"), ("x-user", "ada")]), proxy)
    'ada'
    >>> person_of(Request("GET", "/", [("host", "127.0.0.1:8501"), ("x-user", "ada")]), proxy)
    """
    hosts, names = request.all("host"), request.all(proxy.user_header) if proxy.user_header else []
    is_of_proxy = len(hosts) == 1 and hosts[0].lower() in {each.lower() for each in proxy.hosts}
    return _name(names[0]) if is_of_proxy and len(names) == 1 else None


def _name(value: str) -> str | None:
    """Return a header's value as a name; None for one that is empty, too long, or holds what no name does."""
    try:
        # Servers hand on bytes as Latin-1; proxies send names as UTF-8.
        text = value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        text = value
    text = text.strip()
    is_plain = not any(unicodedata.category(sign)[0] == "C" for sign in text)
    return " ".join(text.split()) if text and is_plain and len(text) <= LONGEST_NAME else None


def with_people(app: App, proxy: Proxy) -> App:
    """Return the application behind a check that a request through the proxy says who asks; as it is where no header is named.

    Args:
        app: The application.
        proxy: The proxy.
    """
    if not proxy.user_header:
        return app

    async def answered(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            request = request_of(scope)
            if not is_direct(request, proxy) and person_of(request, proxy) is None:
                await refuse(scope, f"The request does not say reliably who asks. {NAME_IT}", send)
                return
        await app(scope, receive, send)

    return answered


def as_request(headers: Sequence[tuple[str, str]]) -> Request:
    """Return headers, with names in any case, as a request whose sender can be looked at."""
    return Request("GET", "/", [(name.lower(), value) for name, value in headers])
