"""Options of the section [viaduct_dvs]. Needs oslo.config only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from oslo_config import cfg

from viaduct_drivers.neutron.errors import ConfigurationError
from viaduct_drivers.neutron.portgroup import valid_cloud

GROUP: Final = "viaduct_dvs"

OPTIONS: Final = [
    cfg.HostAddressOpt("host_ip", help="Name or address of vCenter, as its certificate has it."),
    cfg.PortOpt("host_port", default=443, help="Port of vCenter."),
    cfg.StrOpt("host_username", help="User for vCenter."),
    cfg.StrOpt("host_password", secret=True, help="Password for vCenter."),
    cfg.StrOpt("ca_file", help="File with the CA certificates that vCenter's certificate is verified with. "
                               "Unset: the system's trust store."),
    cfg.BoolOpt("insecure", default=False, help="Do not verify vCenter's certificate. Ignored with ca_file."),
    cfg.StrOpt("datacenter", help="Datacenter that holds the switch: its name or its inventory path."),
    cfg.StrOpt("switch", help="Name of the distributed switch."),
    cfg.StrOpt("physical_network", help="Physical network of ML2 that the switch is."),
    cfg.StrOpt("cloud", help="Name of this cloud. It marks port groups as ours: two clouds on one switch "
                             "must have different names."),
    cfg.StrOpt("name_prefix", help="Start of the names of port groups. Default: the value of cloud."),
    cfg.IntOpt("num_ports", default=8, min=0, help="Ports of a new port group; it grows by itself."),
    cfg.FloatOpt("connection_timeout", default=30, min=1, help="Seconds to wait for an answer of vCenter."),
    cfg.FloatOpt("task_timeout", default=120, min=1, help="Seconds to wait for the end of a task."),
    cfg.FloatOpt("task_poll_interval", default=0.2, min=0.01, help="Seconds between two looks at a task."),
    cfg.BoolOpt("repair_on_start", default=True, help="Compare the switch with Neutron after the API server "
                                                      "has started, in the background, and repair."),
    cfg.IntOpt("repair_interval", default=0, min=0, help="Seconds between repairs; 0: on start, on command "
                                                         "and after a failed removal only."),
]  # fmt: skip

_REQUIRED: Final = (
    "host_ip", "host_username", "host_password", "datacenter", "switch", "physical_network", "cloud",
)  # fmt: skip


@dataclass(frozen=True)
class DvsOptions:
    """The section as read. Times are seconds."""

    host_ip: str
    host_port: int
    host_username: str
    host_password: str = field(repr=False)
    ca_file: str | None
    insecure: bool
    datacenter: str
    switch: str
    physical_network: str
    cloud: str
    name_prefix: str
    num_ports: int
    connection_timeout: float
    task_timeout: float
    task_poll_interval: float
    repair_on_start: bool
    repair_interval: int


def list_opts() -> list[tuple[str, list[Any]]]:
    """Entry point `oslo.config.opts`."""
    return [(GROUP, list(OPTIONS))]


def read(conf: cfg.ConfigOpts) -> DvsOptions:
    """Register and read the section.

    Raises ConfigurationError naming every option that is missing or wrong.
    """
    conf.register_opts(OPTIONS, group=GROUP)
    section = conf[GROUP]
    missing = [name for name in _REQUIRED if not section[name]]
    if missing:
        raise ConfigurationError(f"[{GROUP}] lacks {', '.join(missing)}: set it in ml2_conf.ini")
    if not valid_cloud(section.cloud):
        raise ConfigurationError(
            f"[{GROUP}] cloud = {section.cloud!r}: use 1 to 63 letters, digits, '_', '.', '-'"
        )
    values = {option.name: section[option.name] for option in OPTIONS}
    values["name_prefix"] = values["name_prefix"] or section.cloud
    return DvsOptions(**values)
