"""The vCenter process: starting, asking, ending it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import ssl
import sys
import time
from pathlib import Path
from typing import Any

import viaduct_lab
from viaduct_lab.config import VCenterConfig
from viaduct_lab.fabric import netns
from viaduct_lab.guests.console import tail
from viaduct_lab.host import processes
from viaduct_lab.lab.errors import VCenterFailed
from viaduct_lab.lab.record import LabPaths

_READY_SECONDS = 60.0
_STOP_SECONDS = 15.0
_ANSWER_SECONDS = 10.0
_LOG_LIMIT = 20 << 20


class ControlError(Exception):
    """The vCenter's control socket does not answer."""


class VCenterProcess:
    """The vCenter of the lab at ``paths``."""

    def __init__(self, paths: LabPaths) -> None:
        self._paths = paths

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return processes.is_held(self._paths.vcenter_lock)

    def start(self, config: VCenterConfig, namespace: str | None) -> None:
        """Start it in network ``namespace`` (None: the machine's own) and wait until it answers.

        Raises :class:`VCenterFailed` with the end of its log.
        """
        paths = self._paths
        for folder in (paths.vcenter, paths.datastores, paths.log.parent):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _rotate(paths.log)
        paths.control.unlink(missing_ok=True)
        paths.vcenter_config.touch(mode=0o600)
        config.save(paths.vcenter_config)
        inside = netns.enter(namespace) if namespace else ()
        command = (
            *inside,
            sys.executable,
            "-m",
            "viaduct_lab.vcenter",
            "--config",
            str(paths.vcenter_config),
        )
        process = processes.spawn(paths.vcenter_lock, command, paths.log, env=_environment())
        deadline = time.monotonic() + _READY_SECONDS
        while not self._answers(config):
            if process.poll() is not None:
                raise self._failed(f"ended at once (status {process.returncode})")
            if time.monotonic() >= deadline:
                self.stop()
                raise self._failed(f"did not answer within {_READY_SECONDS:.0f} s")
            time.sleep(0.05)

    def stop(self) -> None:
        """End it. Its guests go on running."""
        if not processes.end(self._paths.vcenter_lock, grace=_STOP_SECONDS):
            raise VCenterFailed("The vCenter process does not end.", f"Look at {self._paths.log}.")

    def kill(self) -> None:
        """End it at once."""
        processes.send(self._paths.vcenter_lock, signal.SIGKILL)
        processes.wait_released(self._paths.vcenter_lock, 5)

    def pid(self) -> int | None:
        """Its process id."""
        return processes.holder(self._paths.vcenter_lock)

    def config(self) -> VCenterConfig | None:
        """The settings that it was started with last."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            return VCenterConfig.load(self._paths.vcenter_config)
        return None

    def inventory(self) -> Any:
        """What its control socket says of the inventory. Raises :class:`ControlError`."""
        return self.ask("GET", "/inventory")

    def ask(self, method: str, path: str) -> Any:
        """Send a request to the control socket; the JSON of the answer. Raises :class:`ControlError`."""
        connection = _UnixConnection(self._paths.control)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            body = response.read()
            if response.status != 200:
                raise ControlError(f"{method} {path}: status {response.status}")
            return json.loads(body)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ControlError(f"{method} {path}: {error}") from error
        finally:
            connection.close()

    def _answers(self, config: VCenterConfig) -> bool:
        try:
            self.inventory()
        except ControlError:
            return False
        return serves_tls(config.addresses[0], config.port, self._paths.pki.ca)

    def _failed(self, how: str) -> VCenterFailed:
        end = "\n".join(f"    {line}" for line in tail(self._paths.log, 1500).splitlines()[-12:])
        return VCenterFailed(
            f"The vCenter process {how}. Its log ends:\n{end}", f"Read {self._paths.log}; then start again."
        )


def serves_tls(address: str, port: int, ca_file: Path) -> bool:
    """Whether a server with a certificate of ``ca_file``'s authority for ``address`` answers there."""
    context = ssl.create_default_context(cafile=str(ca_file))
    try:
        with (
            socket.create_connection((address, port), timeout=3) as plain,
            context.wrap_socket(plain, server_hostname=address),
        ):
            return True
    except OSError:
        return False


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_ANSWER_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _environment() -> dict[str, str]:
    """The environment of the vCenter process: the lab's package must be found, whatever the caller set."""
    package = str(Path(viaduct_lab.__file__).parent.parent)
    path = os.pathsep.join(p for p in (package, os.environ.get("PYTHONPATH", "")) if p)
    return {**os.environ, "PYTHONPATH": path}


def _rotate(log: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > _LOG_LIMIT:
            log.replace(log.with_suffix(".log.1"))
