"""HostSystem: an ESXi host."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

from viaduct_lab.vcenter.core import faults
from viaduct_lab.vcenter.core.context import Call
from viaduct_lab.vcenter.core.host_manager import create_host_managers
from viaduct_lab.vcenter.core.kinds import kind
from viaduct_lab.vcenter.core.managed_entity import ManagedEntity
from viaduct_lab.vcenter.core.managed_object import ManagedObject, refs, soap_method, task_method
from viaduct_lab.vcenter.core.types import Ref, vim, vmodl
from viaduct_lab.vcenter.hosts import description as describe

if TYPE_CHECKING:
    from viaduct_lab.vcenter.core.center import VCenter
    from viaduct_lab.vcenter.core.tasks import TaskRun

_EVACUATION_LOOK_SECONDS = 1.0


@dataclass
class HostState:
    """What is kept of a host."""

    uuid: str
    hardware: describe.HostHardware
    in_maintenance: bool = False
    connection: str = "connected"
    send_targets: tuple[str, ...] = ()


@kind
class HostSystem(ManagedEntity):
    """A host; its name is the address at which it answers."""

    vim_type = vim.HostSystem
    moid_prefix = "host"

    def __init__(self, center: VCenter, moid: str, name: str, parent: str | None, state: HostState) -> None:
        super().__init__(center, moid, name, parent)
        self.state = state
        self._boot_time = center.now()
        self._managers: dict[str, Ref] = {}

    @classmethod
    def create(cls, center: VCenter, parent: ManagedEntity, name: str) -> Self:
        """A new connected host under a compute resource, in the registry."""
        hardware = describe.HostHardware(**center.config.extra.get("host", {}))
        moid = center.registry.new_moid(cls.moid_prefix)
        host = cls(center, moid, name, parent.moid, HostState(str(uuid.uuid4()), hardware))
        center.registry.add(host)
        host.restored()
        return host

    def restored(self) -> None:
        self._managers = create_host_managers(self.center, self)

    @property
    def usable(self) -> bool:
        """Whether VMs can be placed and run here."""
        return self.state.connection == "connected" and not self.state.in_maintenance

    def vms(self) -> list[ManagedObject]:
        """The VMs registered on the host."""
        return self.sources("vm.host")

    def running_vms(self) -> list[ManagedObject]:
        """The VMs that are powered on."""
        return [vm for vm in self.vms() if getattr(vm, "power_state", "") == "poweredOn"]

    def load_changed(self) -> None:
        """Tell that the VMs' load on the host is another (VMs call this at power changes)."""
        self.notify("summary")
        if self.parent is not None:
            self.parent.notify("summary")

    def related(self, relation: str) -> None:
        if relation == "vm.host":
            self.notify("vm", "summary")
        elif relation == "datastore.host":
            self.notify("datastore", "config")
            self._tell_parent("datastore")
        elif relation == "network.host":
            self.notify("network")
            self._tell_parent("network")

    def _tell_parent(self, *names: str) -> None:
        if self.parent is not None:
            self.parent.notify(*names)

    # properties -----------------------------------------------------------------------------

    def prop_vm(self) -> list[Ref]:
        return refs(self.vms())

    def prop_datastore(self) -> list[Ref]:
        return refs(self.sources("datastore.host"))

    def prop_network(self) -> list[Ref]:
        return refs(self.sources("network.host"))

    def prop_runtime(self) -> Any:
        return vim.host.RuntimeInfo(
            connectionState=self.state.connection,
            powerState="poweredOn" if self.state.connection == "connected" else "unknown",
            standbyMode="none",
            inMaintenanceMode=self.state.in_maintenance,
            inQuarantineMode=False,
            bootTime=self._boot_time,
        )

    def prop_hardware(self) -> Any:
        return describe.hardware_info(self.state.hardware, self.state.uuid, self.name)

    def prop_summary(self) -> Any:
        running = self.running_vms()
        memory = sum(int(getattr(vm, "memory_mb", 0)) for vm in running)
        cpus = sum(int(getattr(vm, "cpus", 0)) for vm in running)
        hardware = self.state.hardware
        return vim.host.Summary(
            host=self.ref,
            hardware=describe.hardware_summary(hardware, self.state.uuid),
            runtime=self.prop_runtime(),
            config=vim.host.Summary.ConfigSummary(
                name=self.prop_name(),
                port=self.center.config.port,
                sslThumbprint=self.center.thumbprint or None,
                product=describe.product(self.state.uuid),
                vmotionEnabled=True,
                faultToleranceEnabled=False,
            ),
            quickStats=vim.host.Summary.QuickStats(
                overallCpuUsage=min(cpus * hardware.cpu_mhz // 10, hardware.total_mhz),
                overallMemoryUsage=min(memory, hardware.memory_bytes >> 20),
                uptime=int((self.center.now() - self._boot_time).total_seconds()),
            ),
            overallStatus="green",
            rebootRequired=False,
            managementServerIp=self.center.config.addresses[0],
            currentEVCModeKey="intel-cascadelake",
        )

    def prop_config(self) -> Any:
        return describe.config_info(
            self.ref,
            self.name,
            self.state.uuid,
            self.state.hardware,
            self.storage_device(),
        )

    def storage_device(self) -> Any:
        """``HostStorageDeviceInfo``: adapters, LUNs of the mounted datastores and their paths."""
        names = [ds.name for ds in self.sources("datastore.host") if isinstance(ds, ManagedEntity)]
        return describe.storage_device(self.state.uuid, names, self.state.send_targets)

    def prop_capability(self) -> Any:
        return describe.capability()

    def prop_configManager(self) -> Any:
        return vim.host.ConfigManager(**self._managers)

    def prop_licensableResource(self) -> Any:
        packages = self.state.hardware.packages
        return vim.LicenseManager.LicensableResourceInfo(
            resource=[vmodl.KeyAnyValue(key="numCpuPackages", value=packages)]
        )

    # methods --------------------------------------------------------------------------------

    @task_method("EnterMaintenanceMode_Task", cancelable=True, exclusive=True)
    async def enter_maintenance(self, call: Call, args: Any, task: TaskRun) -> None:
        """Waits until no VM runs here. A service ``evacuate_host`` (async, host) may move them away."""
        if self.state.in_maintenance:
            raise vim.fault.InvalidState(msg="The host is in maintenance mode already.")
        self.center.events.post(
            vim.event.EnteringMaintenanceModeEvent, self, f"Host {self.name} enters maintenance"
        )
        evacuate = self.center.services.get("evacuate_host")
        if evacuate is not None:
            await evacuate(self)
        await self._wait_until_idle(args.timeout, task)
        self.state.in_maintenance = True
        self._state_changed()
        self.center.events.post(
            vim.event.EnteredMaintenanceModeEvent, self, f"Host {self.name} is in maintenance mode"
        )

    async def _wait_until_idle(self, timeout: int, task: TaskRun) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout if timeout > 0 else None
        while self.running_vms():
            task.check_cancelled()
            if deadline is not None and loop.time() >= deadline:
                raise vim.fault.Timedout(
                    msg="Virtual machines still run on the host: " + self._running_names()
                )
            await asyncio.sleep(_EVACUATION_LOOK_SECONDS)

    def _running_names(self) -> str:
        return ", ".join(vm.name for vm in self.running_vms() if isinstance(vm, ManagedEntity))

    @task_method("ExitMaintenanceMode_Task", exclusive=True)
    async def exit_maintenance(self, call: Call, args: Any, task: TaskRun) -> None:
        if not self.state.in_maintenance:
            raise vim.fault.InvalidState(msg="The host is not in maintenance mode.")
        self.state.in_maintenance = False
        self._state_changed()
        self.center.events.post(
            vim.event.ExitMaintenanceModeEvent, self, f"Host {self.name} left maintenance mode"
        )

    @task_method("DisconnectHost_Task", exclusive=True)
    async def disconnect(self, call: Call, args: Any, task: TaskRun) -> None:
        if self.state.connection != "connected":
            raise vim.fault.InvalidState(msg="The host is not connected.")
        self.state.connection = "disconnected"
        self._state_changed()
        self.center.events.post(
            vim.event.HostDisconnectedEvent,
            self,
            f"Disconnected from {self.name}",
            reason="user",
        )

    @task_method("ReconnectHost_Task", exclusive=True)
    async def reconnect(self, call: Call, args: Any, task: TaskRun) -> None:
        if self.state.connection == "connected":
            raise vim.fault.InvalidState(msg="The host is connected already.")
        self.state.connection = "connected"
        self._state_changed()
        self.center.events.post(vim.event.HostConnectedEvent, self, f"Connected to {self.name}")

    def _state_changed(self) -> None:
        self.changed("runtime", "summary")
        self._tell_parent("summary")

    @task_method("Destroy_Task", exclusive=True)
    async def destroy(self, call: Call, args: Any, task: TaskRun) -> None:
        if not self.state.in_maintenance and self.state.connection == "connected":
            raise vim.fault.InvalidState(
                msg="The host must be in maintenance mode or disconnected to be removed."
            )
        if self.vms():
            raise vim.fault.ResourceInUse(
                type=vim.HostSystem, name=self.name, msg="Virtual machines are registered on the host."
            )
        self.center.registry.remove(self)

    def removed(self) -> None:
        for ref in self._managers.values():
            manager = self.center.registry.get(ref._moId)
            if manager is not None:
                self.center.registry.remove(manager)

    @soap_method("QueryHostConnectionInfo")
    def query_connection(self, call: Call, args: Any) -> Any:
        return vim.host.ConnectInfo(
            serverIp=self.center.config.addresses[0],
            inDasCluster=False,
            host=self.prop_summary(),
            vm=[vm.read("summary") for vm in self.vms()],
            vimAccountNameRequired=False,
        )

    @soap_method("RetrieveHardwareUptime")
    def uptime(self, call: Call, args: Any) -> int:
        return int((self.center.now() - self._boot_time).total_seconds())

    @soap_method("AcquireCimServicesTicket")
    def cim_ticket(self, call: Call, args: Any) -> None:
        raise faults.not_supported("The lab's hosts have no CIM services.")

    # persistence ----------------------------------------------------------------------------

    def save(self) -> dict[str, Any]:
        return {**self.entity_state(), "state": asdict(self.state)}

    @classmethod
    def load(cls, center: VCenter, moid: str, state: dict[str, Any]) -> Self:
        raw = state["state"]
        kept = HostState(
            uuid=raw["uuid"],
            hardware=describe.HostHardware(**raw["hardware"]),
            in_maintenance=raw["in_maintenance"],
            connection=raw["connection"],
            send_targets=tuple(raw["send_targets"]),
        )
        host = cls(center, moid, state["name"], state["parent"], kept)
        host.restore_entity(state)
        return host


def not_connected(host: HostSystem) -> Exception:
    """``HostNotConnected``: VMs on this host cannot be changed now."""
    fault: Exception = vim.fault.HostNotConnected(
        msg=f"Unable to communicate with the remote host {host.name}, since it is disconnected."
    )
    return fault
