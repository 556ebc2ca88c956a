"""Notices when guests end or change, without starting a process for it."""

from __future__ import annotations

import contextlib
import os
import select
import threading
from collections.abc import Callable
from pathlib import Path

from viaduct_lab.guests import addresses, cgroups
from viaduct_lab.guests.directory import GuestDirectory
from viaduct_lab.guests.guestinfo import Guestinfo
from viaduct_lab.host import processes

_INTERVAL_MILLISECONDS = 500
_Fingerprint = tuple[object, ...]


class Watcher:
    """A thread that compares each guest's fingerprint with the last one.

    The end of a launcher is noticed at once (by its pidfd), the rest within half a second.
    ``ended`` is called for a guest whose launcher is gone, before the change is told; as long as it answers
    False it is called again.
    """

    def __init__(self, guests: Path, ended: Callable[[str], bool]) -> None:
        self._guests = guests
        self._ended = ended
        self._changed: Callable[[str], None] = lambda vm_id: None
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._seen: dict[str, _Fingerprint] = {}
        self._pidfds: dict[str, tuple[int, int]] = {}
        self._unsettled = False

    def start(self, changed: Callable[[str], None]) -> None:
        """Begin, calling ``changed(vm_id)`` from the watching thread. Later calls replace ``changed``."""
        self._changed = changed
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="guest-watcher", daemon=True)
            self._thread.start()

    def wake(self) -> None:
        """Look at once."""
        with contextlib.suppress(BlockingIOError, OSError):
            os.write(self._wake_write, b"x")

    def close(self) -> None:
        """Stop watching."""
        self._closing.set()
        self.wake()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(5)

    def _run(self) -> None:
        while not self._closing.is_set():
            self._sleep()
            if self._closing.is_set():
                break
            for vm_id in self._look():
                self._changed(vm_id)
        for _, pidfd in self._pidfds.values():
            os.close(pidfd)
        self._pidfds.clear()

    def _sleep(self) -> None:
        poller = select.poll()
        poller.register(self._wake_read, select.POLLIN)
        for _, pidfd in self._pidfds.values():
            poller.register(pidfd, select.POLLIN)
        # With nothing running there is nothing to see but what wakes us.
        poller.poll(_INTERVAL_MILLISECONDS if self._pidfds or self._unsettled else None)
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake_read, 4096)

    def _look(self) -> list[str]:
        changed = []
        described = [path for path in sorted(self._guests.iterdir()) if (path / "spec.json").exists()]
        for vm_id in self._seen.keys() - {path.name for path in described}:
            del self._seen[vm_id]
        self._unsettled = False
        for path in described:
            self._follow(path)
            fingerprint = self._fingerprint(GuestDirectory(path))
            if self._seen.get(path.name) != fingerprint:
                if path.name in self._seen or fingerprint != ("off",):
                    changed.append(path.name)
                self._seen[path.name] = fingerprint
        return changed

    def _fingerprint(self, directory: GuestDirectory) -> _Fingerprint:
        if not processes.is_held(directory.lock):
            self._unsettled |= not self._ended(directory.vm_id)
            return ("off",)
        guestinfo = Guestinfo(directory.shared)
        boot = directory.boot()
        if boot is None:
            return ("booting", guestinfo.changed_at())
        frozen = cgroups.is_frozen(boot.cgroups)
        return (
            "on",
            boot.number,
            boot.init,
            frozen,
            guestinfo.changed_at(),
            addresses.fingerprint(boot.init),
        )

    def _follow(self, path: Path) -> None:
        """Keep a pidfd of the guest's launcher, so that its end wakes us."""
        pid = processes.holder(path / "lock")
        known = self._pidfds.get(path.name)
        if known is not None and known[0] != pid:
            os.close(known[1])
            del self._pidfds[path.name]
        if pid is not None and path.name not in self._pidfds:
            with contextlib.suppress(ProcessLookupError, OSError):
                self._pidfds[path.name] = (pid, os.pidfd_open(pid))
