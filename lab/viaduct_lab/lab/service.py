"""What can be done with a lab."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import string
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from viaduct_lab.config import VCenterConfig
from viaduct_lab.fabric import Fabric, FabricError, netns
from viaduct_lab.host import processes
from viaduct_lab.host.files import write_private
from viaduct_lab.lab import allocation, blueprint, lost, preflight, record, registry
from viaduct_lab.lab.errors import (
    AddressesTaken,
    Busy,
    Copied,
    KindChanged,
    NetworkFailed,
    NotALab,
    StateUnfit,
)
from viaduct_lab.lab.guests import Guests
from viaduct_lab.lab.record import LabPaths, LabRecord
from viaduct_lab.lab.registry import Registry
from viaduct_lab.lab.vcenter_process import ControlError, VCenterProcess, serves_tls

_NAMESPACE_PREFIX = "viaduct-"

Say = Callable[[str], None]


class Lab:
    """The lab in folder ``root``. ``say`` receives a line of progress at a time.

    Methods raise :class:`viaduct_lab.lab.errors.LabError`.
    """

    def __init__(self, root: Path, say: Say = lambda line: None) -> None:
        self._paths = LabPaths(root.absolute())
        self._say = say
        self._vcenter = VCenterProcess(self._paths)
        self._registry = Registry()

    def start(self, image: Path | None, *, guests: bool = True) -> bool:
        """Make the lab run; False when it already did and nothing had to be changed.

        ``image`` is the appliance's folder; without one, the last start's. Without ``guests``, VMs are
        simulated only and no root is needed.
        """
        self._make_root(guests)
        with self._working():
            manifest = str((image / "manifest.json").resolve()) if image is not None else None
            lab = self._known(manifest, guests)
            if lab is not None and self._runs(lab):
                return False
            _delete(self._paths.unfinished())
            if guests:
                preflight.require_machine()
            preflight.require_state(self._paths.root, guests=guests)
            if offered := lab.image if lab is not None else manifest:
                blueprint.image_id(Path(offered))
            lab = self._noted(lab, manifest, guests)
            self._secrets(lab)
            lost.remember(self._paths, lost.find(self._paths))
            self._start_fabric(lab)
            self._start_vcenter(lab)
            self._restart_guests(lab)
            return True

    def stop(self, *, keep_guests: bool = False) -> None:
        """Shut the guests down, and end vCenter and fabric; all state is kept.

        With ``keep_guests`` only the vCenter ends.
        """
        lab = self._existing()
        with self._working():
            self._say("vCenter: ends")
            self._vcenter.stop()
            if keep_guests or not lab.guests:
                return
            self._guests(lab).stop(orderly=True)
            self._say("network: removed")
            self._remove_fabric(lab)

    def reset(self) -> bool:
        """Begin again with the default inventory; VMs and datastores are deleted.

        True when it ran before, and so runs again.
        """
        lab = self._existing()
        with self._working():
            ran = self._vcenter.running
            self._vcenter.kill()
            self._guests(lab).stop(orderly=False)
            self._say("inventory: deleted")
            _delete(self._paths.inventory_files())
        if ran:
            self.start(None, guests=lab.guests)
        return ran

    def purge(self) -> None:
        """Remove the lab with all that it made. Nothing there is fine."""
        paths = self._paths
        if not paths.root.exists():
            self._registry.forget(paths.root)
            return
        if not paths.record.exists() and any(p.exists() for p in paths.everything() if p != paths.lock):
            self._say("no lab.json: removing its files only")
        with self._working():
            self._vcenter.kill()
            lab = self._own_record()
            if lab is not None and lab.guests and os.geteuid() == 0:
                self._guests(lab).stop(orderly=False)
                self._remove_fabric(lab)
            _delete((*paths.everything(), *paths.unfinished()))
        with contextlib.suppress(OSError):
            paths.root.rmdir()
        self._registry.forget(paths.root)

    def status(self) -> dict[str, Any]:
        """What there is and what runs, as data."""
        lab = record.load(self._paths)
        if lab is None:
            return {"running": False, "exists": False}
        config = self._vcenter.config()
        port = config.port if config else blueprint.PORT
        address = blueprint.served_addresses(lab)[0]
        running = self._vcenter.running
        found: dict[str, Any] = {
            "exists": True,
            "running": running and (not lab.guests or self._fabric(lab).running()),
            "id": lab.id,
            "vcenter": {
                "running": running,
                "pid": self._vcenter.pid(),
                "url": f"https://{address}" + ("" if port == blueprint.PORT else f":{port}"),
                "user": blueprint.USERNAME,
                "password": _text(self._paths.password),
                "ca_file": str(self._paths.pki.ca),
                "log": str(self._paths.log),
                "control": str(self._paths.control),
            },
            "networks": {"management": lab.management, "external": lab.external},
            "image": lab.image,
            "site": str(self._paths.site),
            "guests": Guests(lab, self._paths).states(),
        }
        with contextlib.suppress(ControlError):
            entities = self._vcenter.inventory()
            counts = Counter(str(entity["type"]) for entity in entities)
            found["inventory"] = {"counts": dict(sorted(counts.items())), "entities": entities}
        return found

    # Inside

    @contextmanager
    def _working(self) -> Iterator[None]:
        try:
            descriptor = processes.acquire(self._paths.lock)
        except processes.LockHeldError as error:
            pid = processes.holder(self._paths.lock)
            raise Busy(
                f"Another command (process {pid}) works on this lab.", "Wait for its end, then try again."
            ) from error
        processes.write_pid(descriptor, os.getpid())
        try:
            yield
        finally:
            os.close(descriptor)

    def _make_root(self, guests: bool) -> None:
        root = self._paths.root
        if guests and os.geteuid() != 0:
            preflight.require_machine()
        try:
            root.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise StateUnfit(
                f"{root} cannot be made: {error.strerror}.", "Choose another state directory."
            ) from error

    def _known(self, manifest: str | None, guests: bool) -> LabRecord | None:
        """The lab as it is to be started; None when there is none yet."""
        lab = record.load(self._paths)
        if lab is None:
            return None
        if lab.guests != guests:
            kind = "with guests" if lab.guests else "without guests"
            raise KindChanged(
                f"This lab was made {kind}.", "Remove it with 'purge' first, or use another --state."
            )
        return replace(lab, image=manifest or lab.image)

    def _noted(self, lab: LabRecord | None, manifest: str | None, guests: bool) -> LabRecord:
        """``lab``, or a new one, written down in its folder and in the machine's registry."""
        root = self._paths.root
        with self._registry.choosing():
            if lab is None:
                lab = self._chosen(manifest, guests)
            else:
                self._registry.require_own(lab, root)
            record.save(self._paths, lab)
            self._registry.note(lab, root)
        return lab

    def _chosen(self, manifest: str | None, guests: bool) -> LabRecord:
        """A new lab whose id and address ranges no other has, running or not."""
        others = self._registry.neighbours(self._paths.root)
        taken = {name.removeprefix(_NAMESPACE_PREFIX) for name in netns.names(_NAMESPACE_PREFIX)}
        lab_id = allocation.new_id(taken | {other.record.id for other in others})
        used = (*allocation.machine_routes(()), *registry.networks(others))
        management, external = allocation.networks(lab_id, used)
        self._say(f"lab {lab_id}: management {management}, external {external}")
        return LabRecord(lab_id, str(management), str(external), guests, manifest)

    def _existing(self) -> LabRecord:
        lab = record.load(self._paths)
        if lab is None:
            raise NotALab(f"There is no lab in {self._paths.root}.", "Start one first, or check --state.")
        self._registry.require_own(lab, self._paths.root)
        return lab

    def _own_record(self) -> LabRecord | None:
        """The lab's record, if what bears its name on this machine is this lab's."""
        try:
            lab = record.load(self._paths)
            if lab is not None:
                self._registry.require_own(lab, self._paths.root)
        except Copied as error:
            self._say(f"{error.sentence} Removing its files only.")
        except NotALab:
            pass
        else:
            return lab
        return None

    def _fabric(self, lab: LabRecord) -> Fabric:
        return Fabric(lab.id, self._paths.fabric)

    def _config(self, lab: LabRecord) -> VCenterConfig:
        return blueprint.vcenter_config(lab, self._paths)

    def _runs(self, lab: LabRecord) -> bool:
        config = self._config(lab)
        return (
            self._vcenter.running
            and self._vcenter.config() == config
            and record.load(self._paths) == lab
            and self._registry.holds(lab, self._paths.root)
            and self._paths.site.exists()
            and not lost.remembered(self._paths)
            and (not lab.guests or self._fabric(lab).running())
            and serves_tls(config.addresses[0], config.port, self._paths.pki.ca)
        )

    def _secrets(self, lab: LabRecord) -> None:
        if not self._paths.password.exists():
            alphabet = string.ascii_letters + string.digits
            # vSphere's own policy: upper and lower case, a digit, a special character.
            word = "".join(secrets.choice(alphabet) for _ in range(20)) + "aA1!"
            write_private(self._paths.password, f"{word}\n".encode())
        # Imported here, like others below: a start that finds all well needs none of them, and is quick.
        from viaduct_lab.lab.pki import Authority

        renewed = Authority(self._paths.pki).ensure(lab.id, blueprint.served_addresses(lab))
        if renewed and self._vcenter.running:
            self._vcenter.stop()

    def _start_fabric(self, lab: LabRecord) -> None:
        if not lab.guests:
            return
        fabric = self._fabric(lab)
        if not fabric.running() and any(lab.interfaces[i] in netns.links(None) for i in (0, 1)):
            self._remove_fabric(lab)
        others = allocation.machine_routes(lab.interfaces)
        for network in (lab.management_network, lab.external_network):
            if any(network.overlaps(route) for route in others):
                raise AddressesTaken(
                    f"The lab's range {network} is used by something else on this machine now.",
                    "Look at 'ip route'; free the range, or remove the lab with 'purge' and start a new one.",
                )
        self._say(f"network: {fabric.namespace}, this machine is {allocation.own(lab.management_network)}")
        if not fabric.running() and self._vcenter.running:
            # It listens in a namespace that is about to be replaced.
            self._vcenter.stop()
        try:
            fabric.ensure(blueprint.SWITCH, blueprint.gateway_addresses(lab), blueprint.legs(lab))
        except FabricError as error:
            raise NetworkFailed(
                f"The lab's network could not be built: {error}.",
                f"Look at the logs in {self._paths.fabric}.",
            ) from error

    def _start_vcenter(self, lab: LabRecord) -> None:
        from viaduct_lab.lab.site import site_text

        config = self._config(lab)
        if self._vcenter.running and self._vcenter.config() != config:
            self._say("vCenter: ends (its settings changed)")
            self._vcenter.stop()
        if not self._vcenter.running:
            began = time.monotonic()
            self._vcenter.start(config, self._fabric(lab).namespace if lab.guests else None)
            self._say(
                f"vCenter: https://{config.addresses[0]} answers after {time.monotonic() - began:.1f} s"
            )
        self._paths.site.write_text(site_text(lab, self._paths, config.port))

    def _restart_guests(self, lab: LabRecord) -> None:
        wanted = lost.remembered(self._paths)
        if not wanted:
            return
        from viaduct_lab.lab.restart import VCenterRefused, switch_on

        self._say(f"guests: switching on again {', '.join(wanted)}")
        config = self._config(lab)
        try:
            problems = switch_on(self._paths, config.addresses[0], config.port, wanted)
        except VCenterRefused as error:
            # Kept in mind: the next start tries again.
            self._say(f"guests: not switched on: {error}")
            return
        for vm_id, problem in problems.items():
            self._say(f"guests: {vm_id} stays off: {problem}")
        lost.forget(self._paths)

    def _guests(self, lab: LabRecord) -> Guests:
        return Guests(lab, self._paths, self._say)

    def _remove_fabric(self, lab: LabRecord) -> None:
        try:
            self._fabric(lab).remove(lab.interfaces)
        except FabricError as error:
            raise NetworkFailed(f"The lab's network could not be removed: {error}.", "Try again.") from error


def _delete(paths: tuple[Path, ...]) -> None:
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _text(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None
