"""Loaded by Python at start when this folder is on PYTHONPATH: writes down every address beyond this machine.

NETWORK_GUARD_LOG names the file; child processes inherit it.
"""

import ipaddress
import os
import sys

LOG = os.environ["NETWORK_GUARD_LOG"]


def is_local(host: str) -> bool:
    if host in ("", "localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def watch(event: str, arguments: tuple) -> None:
    if event == "socket.connect":
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else ""
    elif event == "socket.getaddrinfo":
        host = arguments[0] or ""
    else:
        return
    host = host.decode() if isinstance(host, bytes) else str(host)
    if not is_local(host) and host != os.uname().nodename:
        with open(LOG, "a") as log:
            log.write(f"{event} {host} {' '.join(sys.argv)}\n")


sys.addaudithook(watch)
