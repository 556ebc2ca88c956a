"""The server as a whole: load or build the inventory, serve, end."""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import inspect
import logging
import pkgutil
import signal
import ssl
from pathlib import Path

from aiohttp import web

from viaduct_lab.config import VCenterConfig
from viaduct_lab.vcenter.core.center import ROOT_FOLDER, VCenter
from viaduct_lab.vcenter.core.content import create_singletons
from viaduct_lab.vcenter.core.kinds import discover, hooks, kind_named
from viaduct_lab.vcenter.core.store import Store
from viaduct_lab.vcenter.http.control import control_application
from viaduct_lab.vcenter.kinds.folder import Folder

log = logging.getLogger(__name__)

CONTROL_SOCKET = "control.sock"
DATABASE = "vcenter.db"
_EXPIRE_SECONDS = 30.0
_SHUTDOWN_SECONDS = 0.3
_KEEPALIVE_SECONDS = 3600.0  # pyVmomi keeps idle connections for 900 s and does not expect us to close them
_MAX_REQUEST_BYTES = 64 << 20


def thumbprint_of(certificate: Path) -> str:
    """The SHA-1 thumbprint of the first certificate in a PEM file, as ``AA:BB:...``."""
    text = certificate.read_text()
    end = "-----END CERTIFICATE-----"
    first = text[text.index("-----BEGIN CERTIFICATE-----") : text.index(end) + len(end)]
    digest = hashlib.sha1(ssl.PEM_cert_to_DER_cert(first), usedforsecurity=False).hexdigest()
    return ":".join(digest[i : i + 2] for i in range(0, len(digest), 2)).upper()


async def open_center(config: VCenterConfig) -> VCenter:
    """The vCenter with its inventory: loaded from the database, or built anew."""
    config.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    discover()
    store = Store(config.state_dir / DATABASE)
    center = VCenter(config, store, thumbprint_of(config.certificate))
    create_singletons(center, ROOT_FOLDER)
    if store.meta("built") == "yes":
        load_inventory(center)
    else:
        center.registry.add(Folder(center, ROOT_FOLDER, "Datacenters", None, "datacenter"))
        await run_hooks(center, "build")
        store.set_meta("built", "yes")
    await run_hooks(center, "start")
    center.commit()
    return center


def load_inventory(center: VCenter) -> None:
    """Bring back all saved objects."""
    loaded = []
    for moid, name, state in center.store.objects():
        cls = kind_named(name)
        if cls is None:
            log.warning("no kind implements %s; %s is left out", name, moid)
            continue
        obj = cls.load(center, moid, state)
        center.registry.restore(obj)
        loaded.append(obj)
    center.events.restore()
    for obj in loaded:
        obj.restored()


async def run_hooks(center: VCenter, moment: str) -> None:
    """Run the hooks of ``build``, ``start`` or ``stop``."""
    for hook in hooks(moment):
        result = hook(center)
        if inspect.isawaitable(result):
            await result


def application(center: VCenter) -> web.Application:
    """The HTTP application: what each module of ``vcenter.http`` mounts."""
    app = web.Application(client_max_size=_MAX_REQUEST_BYTES)
    package = importlib.import_module("viaduct_lab.vcenter.http")
    for name in sorted(info.name for info in pkgutil.iter_modules(package.__path__)):
        module = importlib.import_module(f"{package.__name__}.{name}")
        add_routes = getattr(module, "add_routes", None)
        if add_routes is not None:
            add_routes(app, center)
    return app


class Server:
    """Serves one vCenter until :meth:`close`."""

    def __init__(self, center: VCenter) -> None:
        self.center = center
        self._runners: list[web.AppRunner] = []

    async def open(self) -> None:
        """Listen on all addresses and on the control socket. Raises ``OSError``."""
        config = self.center.config
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(config.certificate, config.private_key)
        runner = await self._runner(application(self.center))
        for address in dict.fromkeys(config.addresses):
            await web.TCPSite(runner, address, config.port, ssl_context=context).start()
        control = await self._runner(control_application(self.center))
        socket = config.state_dir / CONTROL_SOCKET
        socket.unlink(missing_ok=True)
        await web.UnixSite(control, socket).start()
        self.center.spawn(self._expire_sessions())

    async def close(self) -> None:
        """End: no more requests, running tasks stop, the state is written."""
        self.center.sessions.drop_all()
        for runner in self._runners:
            await runner.cleanup()
        await self.center.stop_background()
        await run_hooks(self.center, "stop")
        self.center.store.close()
        (self.center.config.state_dir / CONTROL_SOCKET).unlink(missing_ok=True)

    async def _runner(self, app: web.Application) -> web.AppRunner:
        runner = web.AppRunner(
            app,
            access_log=None,
            handle_signals=False,
            handler_cancellation=True,
            shutdown_timeout=_SHUTDOWN_SECONDS,
            keepalive_timeout=_KEEPALIVE_SECONDS,
        )
        await runner.setup()
        self._runners.append(runner)
        return runner

    async def _expire_sessions(self) -> None:
        while True:
            await asyncio.sleep(_EXPIRE_SECONDS)
            self.center.sessions.expire()


async def serve(config: VCenterConfig) -> None:
    """Serve until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = Server(await open_center(config))
    await server.open()
    objects = len(server.center.registry)
    print(f"vCenter ready at {server.center.base_url()}/sdk ({objects} objects)", flush=True)
    await stop.wait()
    await server.close()
