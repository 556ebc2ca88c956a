#!/usr/bin/env python3
"""Wait until queues have a consumer: ``queues.py CONFIG-FILE QUEUE...``.

Run by OpenStack's Python, which has amqp.

A daemon that is connected to the broker does not serve yet; one that consumes its queue does. The broker's
URL is read from ``transport_url`` in the configuration file, so that no password is in an argument. Exit
status 0 when all have one (who waits bounds the time), 1 when the process that systemd names in MAINPID has
ended.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

PAUSE = 0.2


def transport(config: str) -> dict[str, Any]:
    """Arguments for amqp's Connection from the text of a configuration file."""
    found = re.search(r"^transport_url\s*=\s*(\S+)", config, re.MULTILINE)
    if found is None:
        raise SystemExit("there is no transport_url in the configuration file")
    url = urlsplit(found.group(1).replace(r"\$", "$"))
    return {
        "host": f"{url.hostname}:{url.port}",
        "userid": unquote(url.username or ""),
        "password": unquote(url.password or ""),
        "virtual_host": unquote(url.path[1:]) or "/",
        "connect_timeout": 5,
    }


def consumed(amqp: Any, connection: Any, queue: str) -> bool:
    """Whether ``queue`` exists and somebody consumes it.

    A missing queue closes the channel, hence one for each question.
    """
    channel = connection.channel()
    try:
        return bool(channel.queue_declare(queue, passive=True).consumer_count)
    except amqp.exceptions.NotFound:
        return False
    finally:
        if channel.is_open:
            channel.close()


def ended() -> bool:
    """Whether the service that we wait for is no more: systemd leaves that to whoever waits."""
    pid = os.environ.get("MAINPID")
    return pid is not None and not os.path.exists(f"/proc/{pid}")


def main(arguments: list[str]) -> int:
    """Polls until every queue has a consumer; connects anew when the broker goes away."""
    amqp = importlib.import_module("amqp")
    parameters = transport(Path(arguments[0]).read_text())
    waiting = set(arguments[1:])
    while waiting and not ended():
        try:
            with amqp.Connection(**parameters) as connection:
                while (waiting := {q for q in waiting if not consumed(amqp, connection, q)}) and not ended():
                    time.sleep(PAUSE)
        except (OSError, amqp.exceptions.AMQPError):
            time.sleep(PAUSE)
    return 1 if waiting else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
