"""Options of the section [viaduct_vsphere] in nova.conf. Needs oslo.config only."""

from __future__ import annotations

from typing import Any, Final

from oslo_config import cfg

GROUP: Final = "viaduct_vsphere"

OPTIONS: Final = [
    cfg.StrOpt("cloud",
               help="Name of this cloud, written into each virtual machine that Nova makes. Those with "
                    "another name, or with none, are not listed as this cloud's. Unset: upstream's "
                    "behaviour, those that any Nova made are listed."),
    cfg.BoolOpt("refuse_unknown_instances", default=False,
                help="Refuse to start a compute service that is new in the database while virtual machines "
                     "of this cloud exist. False: warn, name them and start."),
]  # fmt: skip


def list_opts() -> list[tuple[str, list[Any]]]:
    """Entry point `oslo.config.opts`."""
    return [(GROUP, list(OPTIONS))]


def register(conf: cfg.ConfigOpts) -> None:
    """Make the section known."""
    conf.register_opts(OPTIONS, group=GROUP)
