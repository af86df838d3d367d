"""How an application is served: on loopback, behind the guard, by uvicorn."""

from contextlib import suppress

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from resources.config.settings import allowed_hosts
from resources.processes.front.guard import TARGET, App, Guard

LOOPBACK = "127.0.0.1"
# How long a connection that stays open may hold up the end of a server.
PATIENCE_S = 2
# The extension of a scope under which the application finds the transport of its connection, to break it off.
TRANSPORT = "intelligence.transport"


class WholeTarget(HttpToolsProtocol):
    """Hands over the target as it stood in the request line; uvicorn itself forgets the host of an absolute one."""

    def on_headers_complete(self) -> None:
        """Note the target and the transport before the request begins."""
        self.scope[TARGET] = self.url  # type: ignore[literal-required] # an extension of ours
        self.scope[TRANSPORT] = self.transport  # type: ignore[literal-required] # another
        super().on_headers_complete()


def server_of(app: App, *, port: int = 0) -> uvicorn.Server:
    """Return the server of the application, which is yet to be run; a socket that it is handed there has its own port."""
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
    """Serve the application until the process is told to stop."""
    with suppress(KeyboardInterrupt):
        server_of(app, port=port).run()
