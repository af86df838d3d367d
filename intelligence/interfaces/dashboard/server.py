"""The server of the dashboard: python -m intelligence.interfaces.dashboard.server PORT.

Streamlit runs as an application behind the guard of all servers, on loopback. Its settings, and the policy that browsers are given,
see to it that a page loads nothing from elsewhere and sends nothing there.
"""

import logging
import sys
import threading
from pathlib import Path
from typing import Any, Final

from resources.config.settings import allowed_hosts, proxy_settings
from resources.processes.front.guard import App, Receive, Scope, Send
from resources.processes.front.people import Proxy, with_people
from resources.processes.front.serving import LOOPBACK, served

# A lake that does not answer keeps nobody from the page that says so.
LONGEST_WARMING_S: Final = 5.0
SCRIPT: Final = Path(__file__).with_name("app.py")
SETTINGS: Final[dict[str, Any]] = {
    "browser.gatherUsageStats": False,
    "client.showErrorDetails": "none",
    "client.showErrorLinks": False,
    "client.toolbarMode": "minimal",
    "logger.level": "warning",
    "server.address": LOOPBACK,
    "server.enableAgentApi": False,
    "server.enableStaticServing": False,
    "server.fileWatcherType": "none",
    "server.headless": True,
    "server.maxUploadSize": 1,
    "theme.light.primaryColor": "#1f6fb2",
    "theme.light.backgroundColor": "#ffffff",
    "theme.light.secondaryBackgroundColor": "#f4f6f8",
    "theme.light.textColor": "#1b2733",
    "theme.dark.primaryColor": "#5aa6e0",
    "theme.dark.backgroundColor": "#12171d",
    "theme.dark.secondaryBackgroundColor": "#1b222a",
    "theme.dark.textColor": "#e3e8ee",
}
# Streamlit's pages and charts build styles and functions as they run; whatever they do, it stays with this server.
POLICY: Final = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; form-action 'self';"
    " base-uri 'self'; object-src 'none'"
)


def application(port: int) -> App:
    """Return the dashboard as an ASGI application.

    Args:
        port: The port on which it is served.
    """
    from streamlit.starlette import App as Streamlit
    from streamlit.web import bootstrap

    bootstrap.load_config_options({**SETTINGS, "server.port": port})
    return with_policy(with_people(Streamlit(SCRIPT), proxy()))


def proxy() -> Proxy:
    """Return the reverse proxy in front, as the settings describe it."""
    found = proxy_settings()
    return Proxy(found.user_header, allowed_hosts(), found.may_decide)


def with_policy(app: App) -> App:
    """Return the application with the policy added to its answers.

    Args:
        app: The application.
    """

    async def answered(scope: Scope, receive: Receive, send: Send) -> None:
        async def sent(message: Scope) -> None:
            if message["type"] == "http.response.start":
                message = {
                    **message,
                    "headers": [*message.get("headers", []), (b"content-security-policy", POLICY.encode())],
                }
            await send(message)

        await app(scope, receive, sent)

    return answered


def warm() -> None:
    """Read the first page, so that the first person who opens it does not wait for it."""
    from intelligence.core.errors import PlatformError
    from intelligence.interfaces.dashboard import reader

    # Streamlit would say that no page asked for it, which is meant.
    logging.getLogger("streamlit.runtime.scriptrunner_utils.script_run_context").setLevel(logging.ERROR)
    try:
        reader.page_of("today")
        reader.choices()
    except PlatformError as error:
        # The page says it too, to whoever opens it.
        print(f"The first page cannot be shown: {error}", file=sys.stderr)


if __name__ == "__main__":
    number = int(sys.argv[1])
    dashboard = application(number)
    warming = threading.Thread(target=warm, daemon=True)
    warming.start()
    warming.join(LONGEST_WARMING_S)
    served(dashboard, port=number)
