"""Serves an application: on loopback, behind the guard, by uvicorn."""

import socket
from contextlib import suppress

import uvicorn
from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from intelligence.core.errors import PlatformError
from resources.config.settings import allowed_hosts
from resources.processes.front.guard import TARGET, App, Guard

LOOPBACK = "127.0.0.1"
# Seconds for which an open connection may delay the end of a server.
PATIENCE_S = 2
# The key in a scope under which the application finds the transport of its connection, so that it can abort it.
TRANSPORT = "intelligence.transport"


class WholeTarget(HttpToolsProtocol):
    """Passes on the target as it was in the request line, since uvicorn drops the host of an absolute one."""

    @override
    def on_headers_complete(self) -> None:
        """Note the target and the transport before the request begins."""
        self.scope[TARGET] = self.url  # type: ignore[literal-required] # an extension of ours
        self.scope[TRANSPORT] = self.transport  # type: ignore[literal-required] # another
        super().on_headers_complete()


def require_free(name: str, port: int, *, option: str) -> None:
    """Check that a server can listen on a port; 0 is any that is free.

    Args:
        name: What is to be served.
        port: The port on loopback.
        option: The option that sets it.

    Raises:
        PlatformError: It cannot.
    """
    if not 0 <= port < 65_536:
        raise PlatformError(name, f"{option} {port} is no port.", hint="Give a number from 0 to 65535.")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            raise PlatformError(
                name, f"port {port} is in use.", hint=f"Stop what runs there or choose another with {option}."
            ) from None


def server_of(app: App, *, port: int = 0) -> uvicorn.Server:
    """Return the server of the application, which is not started yet.

    Args:
        app: The ASGI application, which the guard protects.
        port: The port on loopback; it is not used where the server is run with a socket of its own.
    """
    return uvicorn.Server(
        uvicorn.Config(
            Guard(app, allowed_hosts=allowed_hosts()),
            host=LOOPBACK,
            port=port,
            http=WholeTarget,
            log_level="warning",
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=PATIENCE_S,
        )
    )


def served(app: App, *, port: int) -> None:
    """Serve the application until a signal stops the process.

    Args:
        app: The ASGI application, which the guard protects.
        port: The port on loopback.
    """
    with suppress(KeyboardInterrupt):
        server_of(app, port=port).run()
