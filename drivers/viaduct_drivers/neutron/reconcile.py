"""Carry a repair out: read the switch, read Neutron, decide, act, and tell what was done."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from viaduct_drivers.neutron.errors import DvsError
from viaduct_drivers.neutron.portgroup import FoundPortGroup, WantedPortGroup
from viaduct_drivers.neutron.repair import ORPHAN, Action, Create, Delete, Report, Update, plan


class Switch(Protocol):
    """What a repair needs of a switch; `switch.DistributedSwitch` is one."""

    def port_groups(self) -> list[FoundPortGroup]: ...
    def ensure(self, wanted: WantedPortGroup) -> FoundPortGroup: ...
    def update(self, found: FoundPortGroup, wanted: WantedPortGroup) -> None: ...
    def delete(self, found: FoundPortGroup) -> None: ...


class Networks(Protocol):
    """What a repair needs of Neutron; `database.NetworkDatabase` is one."""

    def all(self) -> Iterable[WantedPortGroup]:
        """What every network of the physical network wants."""

    def get(self, network_id: str) -> WantedPortGroup | None:
        """What one network wants now, None if it does not exist (any more)."""


@dataclass(frozen=True)
class Outcome:
    """One line of a repair's report.

    `action` is create, update, delete or report; `result` is done, planned (dry run), skipped (Neutron
    changed meanwhile), failed, or attention (a person has to look).
    """

    action: str
    port_group: str
    network_id: str
    result: str
    detail: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def line(self) -> str:
        """For people."""
        detail = f" ({self.detail})" if self.detail else ""
        return f"{self.result:9} {self.action:6} {self.port_group}{detail}"


def repair(cloud: str, switch: Switch, networks: Networks, *, dry_run: bool = False) -> list[Outcome]:
    """Bring the switch to what Neutron wants.

    The switch is read before Neutron: a network is in the database before its port group is made, so no
    port group of a network made meanwhile looks like an orphan. Each action asks Neutron once more just
    before it acts. One failed action does not stop the others.
    Raises DvsError if the switch cannot be read.
    """
    found = switch.port_groups()
    actions = plan(cloud, networks.all(), found)
    return [_planned(action) if dry_run else _carry_out(action, switch, networks) for action in actions]


def clean(outcomes: Iterable[Outcome]) -> bool:
    """Tell whether nothing failed and nothing needs a person."""
    return all(outcome.result in ("done", "skipped", "planned") for outcome in outcomes)


def _planned(action: Action) -> Outcome:
    result = "attention" if isinstance(action, Report) else "planned"
    return _outcome(action, result, _detail(action))


def _carry_out(action: Action, switch: Switch, networks: Networks) -> Outcome:
    if isinstance(action, Report):
        return _outcome(action, "attention", f"{_detail(action)}, and virtual machines use it")
    try:
        acted = _act(action, switch, networks)
    except DvsError as error:
        return _outcome(action, "failed", str(error))
    return _outcome(action, "done" if acted else "skipped", _detail(action))


def _act(action: Create | Update | Delete, switch: Switch, networks: Networks) -> bool:
    match action:
        case Create(wanted):
            now = networks.get(wanted.network_id)
            if now is None:
                return False
            switch.ensure(now)
        case Update(found, wanted, _):
            now = networks.get(wanted.network_id)
            if now is None:
                return False
            switch.update(found, now)
        case Delete(found, _):
            if _wanted_again(action, networks):
                return False
            switch.delete(found)
    return True


def _wanted_again(action: Delete, networks: Networks) -> bool:
    mark = action.found.mark
    return action.reason == ORPHAN and mark is not None and networks.get(mark.network_id) is not None


def _detail(action: Action) -> str:
    match action:
        case Create(wanted):
            return f"VLAN {wanted.vlan}"
        case Update(found, wanted, changes):
            pairs = ((name, getattr(found, name), getattr(wanted, name)) for name in changes)
            return ", ".join(f"{name}: {was!r} -> {shall!r}" for name, was, shall in pairs)
        case Delete(_, reason) | Report(_, reason):
            return reason


def _outcome(action: Action, result: str, detail: str) -> Outcome:
    kind = type(action).__name__.lower()
    if isinstance(action, Create):
        return Outcome(kind, action.wanted.name, action.wanted.network_id, result, detail)
    mark = action.found.mark
    return Outcome(kind, action.found.name, mark.network_id if mark else "", result, detail)
