#!/usr/bin/env python3
"""Wait until an HTTP or HTTPS server answers: ``ready.py http|https ADDRESS PORT PATH [CA-FILE]``.

Runs on the node with nothing but the standard library. Exit status 0 as soon as there is an answer below 500
(who waits bounds the time), and 1 when the process that systemd names in MAINPID has ended. HTTP over a bare
socket, because importing http.client costs more than the request.
"""

from __future__ import annotations

import os
import socket
import sys
import time

PAUSE = 0.1
ANSWER_TIMEOUT = 120.0


def status(scheme: str, address: str, port: int, path: str, ca_file: str | None) -> int:
    """The status of the answer to a GET. Raises OSError when there is none."""
    connection = socket.create_connection((address, port), timeout=ANSWER_TIMEOUT)
    with connection:
        if scheme == "https":
            import ssl

            context = ssl.create_default_context(cafile=ca_file)
            connection = context.wrap_socket(connection, server_hostname=address)
        request = f"GET {path} HTTP/1.0\r\nHost: {address}:{port}\r\nUser-Agent: viaduct-ready\r\n\r\n"
        connection.sendall(request.encode())
        line = connection.makefile("rb").readline(1024).split()
    if len(line) < 2 or not line[1].isdigit():
        raise OSError("no HTTP answer")
    return int(line[1])


def ended() -> bool:
    """Whether the service that we wait for is no more: systemd leaves that to whoever waits."""
    pid = os.environ.get("MAINPID")
    return pid is not None and not os.path.exists(f"/proc/{pid}")


def main(arguments: list[str]) -> int:
    """Polls until there is a good answer."""
    scheme, address, port, path, *rest = arguments
    said = ""
    while not ended():
        try:
            answer = status(scheme, address, int(port), path, rest[0] if rest else None)
            if answer < 500:
                return 0
            problem = f"status {answer}"
        except OSError as error:
            problem = str(error)
        if problem != said:
            print(f"{scheme}://{address}:{port}{path}: {problem}", file=sys.stderr, flush=True)
            said = problem
        time.sleep(PAUSE)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
