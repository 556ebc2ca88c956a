"""The ML2 mechanism driver `viaduct_dvs`. Imports Neutron."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from neutron_lib import constants
from neutron_lib import exceptions as neutron_exceptions
from neutron_lib.api.definitions import portbindings
from neutron_lib.callbacks import events, registry, resources
from neutron_lib.plugins.ml2 import api
from oslo_config import cfg
from oslo_log import log as logging

from viaduct_drivers.neutron import config
from viaduct_drivers.neutron.background import BackgroundRepair
from viaduct_drivers.neutron.database import NetworkDatabase
from viaduct_drivers.neutron.errors import DvsError, PortGroupInUse
from viaduct_drivers.neutron.portgroup import WantedPortGroup, wanted_port_group
from viaduct_drivers.neutron.reconcile import Outcome, repair
from viaduct_drivers.neutron.segments import UnsupportedSegment, our_segment
from viaduct_drivers.neutron.switch import DistributedSwitch

LOG = logging.getLogger(__name__)

VIF_TYPE_DVS: Final = "dvs"
"""Nova's name for a port on a distributed switch; neutron-lib has no constant for it."""


class PortGroupFailed(neutron_exceptions.ServiceUnavailable):
    """A network's port group could not be made or changed; the API answers 503 with this text."""

    message = "The port group of network %(network)s could not be %(what)s: %(reason)s"


class SegmentRefused(neutron_exceptions.InvalidInput):
    """The network asks for what a distributed switch cannot carry; the API answers 400."""

    message = "%(error_message)s"


class ViaductDvsMechanismDriver(api.MechanismDriver):
    """Networks become port groups; ports bind to them at once, for there is no agent that could report.

    Filtering is not possible on a plain distributed switch: security groups exist in the API only, and
    each binding says so (`port_filter` false).
    """

    def initialize(self) -> None:
        """Read the configuration. vCenter is not asked: the API server must start while it is down."""
        self._options = config.read(cfg.CONF)
        self._switch = DistributedSwitch(self._options)
        self._networks = NetworkDatabase(self._options)
        self._background = BackgroundRepair(
            self.repair, interval=self._options.repair_interval, lock_file=_lock_file()
        )
        if self._options.repair_on_start:
            registry.subscribe(self._started, resources.PROCESS, events.AFTER_INIT)
        LOG.info(
            "networks of physical network %s become port groups of switch %s in %s",
            self._options.physical_network, self._options.switch, self._options.host_ip,
        )  # fmt: skip

    @property
    def connectivity(self) -> str:
        """Ports of this driver are connected at layer 2."""
        return str(portbindings.CONNECTIVITY_L2)

    def check_vlan_transparency(self, context: Any) -> bool:
        """A port group has one VLAN and passes no tags."""
        return False

    def check_vlan_qinq(self, context: Any) -> bool:
        """A port group passes no stacked tags."""
        return False

    def create_network_precommit(self, context: Any) -> None:
        """Refuse what the switch cannot carry, before anything is stored."""
        self._wanted(context)

    def create_network_postcommit(self, context: Any) -> None:
        """Make the port group; on failure Neutron removes the network again."""
        wanted = self._wanted(context)
        if wanted is None:
            return
        try:
            self._switch.create(wanted)
        except DvsError as error:
            raise PortGroupFailed(network=wanted.network_id, what="made", reason=str(error)) from error

    def update_network_postcommit(self, context: Any) -> None:
        """Follow the network's name, port security and state. Its VLAN cannot change.

        The network is changed in Neutron already, so a failure is left to the repair.
        """
        wanted = self._wanted(context)
        if wanted is None or wanted == self._wanted(context, context.original):
            return
        try:
            self._switch.ensure(wanted)
        except DvsError as error:
            LOG.error("port group of network %s is not up to date: %s", wanted.network_id, error)
            self._background.request(delay=15)

    def delete_network_postcommit(self, context: Any) -> None:
        """Remove the port group. What cannot be removed now, the repair removes later."""
        network_id = context.current["id"]
        if our_segment(context.network_segments, self._options.physical_network) is None:
            return
        try:
            found = self._switch.find(network_id)
            if found is not None:
                self._switch.delete(found)
        except PortGroupInUse as error:
            LOG.warning("%s; the repair will remove it when it is free", error)
            self._background.request(delay=15)
        except DvsError as error:
            LOG.error("port group of deleted network %s was not removed: %s", network_id, error)
            self._background.request(delay=60)

    def bind_port(self, context: Any) -> None:
        """Bind a normal port to the network's port group, making that if it is missing."""
        if context.current[portbindings.VNIC_TYPE] != portbindings.VNIC_NORMAL:
            return
        segment = our_segment(context.segments_to_bind, self._options.physical_network)
        if segment is None:
            return
        try:
            found = self._switch.ensure(self._from_network(context.network.current, segment))
            details = {
                portbindings.CAP_PORT_FILTER: False,
                portbindings.VIF_DETAILS_CONNECTIVITY: self.connectivity,
                # Nova takes these two as they are; without them it would search the whole cluster.
                "dvs_id": self._switch.uuid(),
                "pg_id": found.key,
                "dvs_port_group_name": found.name,
                portbindings.VIF_DETAILS_VLAN: found.vlan,
            }
        except DvsError as error:
            LOG.error("port %s cannot be bound: %s", context.current["id"], error)
            return
        context.set_binding(segment[api.ID], VIF_TYPE_DVS, details, status=constants.PORT_STATUS_ACTIVE)

    def repair(self) -> list[Outcome]:
        """Compare the switch with Neutron and repair."""
        return repair(self._options.cloud, self._switch, self._networks)

    def _started(self, resource: Any, event: Any, trigger: Any, payload: Any = None) -> None:
        self._background.request()

    def _wanted(self, context: Any, network: Mapping[str, Any] | None = None) -> WantedPortGroup | None:
        try:
            segment = our_segment(context.network_segments, self._options.physical_network)
        except UnsupportedSegment as error:
            raise SegmentRefused(error_message=str(error)) from error
        return None if segment is None else self._from_network(network or context.current, segment)

    def _from_network(self, network: Mapping[str, Any], segment: Mapping[str, Any]) -> WantedPortGroup:
        return wanted_port_group(
            cloud=self._options.cloud,
            prefix=self._options.name_prefix,
            network_id=network["id"],
            network_name=network["name"] or "",
            vlan=segment[api.SEGMENTATION_ID],
            port_security=network.get("port_security_enabled", True),
            admin_state_up=network["admin_state_up"],
        )


def _lock_file() -> Path | None:
    """Where processes of this host agree on who repairs; None if no lock directory is configured."""
    cfg.CONF.import_opt("lock_path", "oslo_concurrency.lockutils", group="oslo_concurrency")
    folder = cfg.CONF.oslo_concurrency.lock_path
    return Path(folder) / "viaduct-dvs-repair" if folder else None
