"""SearchIndex."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from viaduct_lab.vcenter.core.context import Call
from viaduct_lab.vcenter.core.kinds import kind
from viaduct_lab.vcenter.core.managed_entity import ManagedEntity
from viaduct_lab.vcenter.core.managed_object import ManagedObject, refs, soap_method
from viaduct_lab.vcenter.core.naming import plain_name
from viaduct_lab.vcenter.core.types import Ref, vim
from viaduct_lab.vcenter.kinds.datacenter import Datacenter
from viaduct_lab.vcenter.kinds.host_system import HostSystem


@kind
class SearchIndex(ManagedObject):
    """Finds entities. VMs are found by the attributes ``uuid`` (BIOS) and ``instance_uuid`` of their kind,
    and by what their guests report (property ``guest``).
    """

    vim_type = vim.SearchIndex

    @soap_method("FindByInventoryPath")
    def find_by_inventory_path(self, call: Call, args: Any) -> Ref | None:
        """``Datacenter/vm/Folder/name``; an empty path or ``/`` is the root folder."""
        entity: ManagedEntity = self.center.root_folder
        for part in args.inventoryPath.split("/"):
            if not part:
                continue
            child = _child(entity, part)
            if child is None:
                return None
            entity = child
        return entity.ref

    @soap_method("FindChild")
    def find_child(self, call: Call, args: Any) -> Ref | None:
        entity = self.center.registry.find(args.entity, ManagedEntity)
        child = _child(entity, args.name)
        return child.ref if child is not None else None

    @soap_method("FindByUuid")
    def find_by_uuid(self, call: Call, args: Any) -> Ref | None:
        return _first(self._by_uuid(args))

    @soap_method("FindAllByUuid")
    def find_all_by_uuid(self, call: Call, args: Any) -> list[Ref]:
        return refs(self._by_uuid(args))

    @soap_method("FindByIp")
    def find_by_ip(self, call: Call, args: Any) -> Ref | None:
        return _first(self._by_ip(args))

    @soap_method("FindAllByIp")
    def find_all_by_ip(self, call: Call, args: Any) -> list[Ref]:
        return refs(self._by_ip(args))

    @soap_method("FindByDnsName")
    def find_by_dns_name(self, call: Call, args: Any) -> Ref | None:
        return _first(self._by_dns_name(args))

    @soap_method("FindAllByDnsName")
    def find_all_by_dns_name(self, call: Call, args: Any) -> list[Ref]:
        return refs(self._by_dns_name(args))

    @soap_method("FindByDatastorePath")
    def find_by_datastore_path(self, call: Call, args: Any) -> Ref | None:
        def matches(vm: ManagedEntity) -> bool:
            config = vm.read("config")
            return config is not None and config.files.vmPathName == args.path

        return _first(self._entities(args.datacenter, True, matches))

    def _by_uuid(self, args: Any) -> Iterator[ManagedEntity]:
        wanted = args.uuid.lower()
        name = "instance_uuid" if args.vmSearch and args.instanceUuid else "uuid"

        def matches(entity: ManagedEntity) -> bool:
            if isinstance(entity, HostSystem):
                return entity.state.uuid == wanted
            return str(getattr(entity, name, "")).lower() == wanted

        return self._entities(args.datacenter, args.vmSearch, matches)

    def _by_ip(self, args: Any) -> Iterator[ManagedEntity]:
        def matches(entity: ManagedEntity) -> bool:
            if isinstance(entity, HostSystem):
                return entity.name == args.ip
            return args.ip in _guest_addresses(entity)

        return self._entities(args.datacenter, args.vmSearch, matches)

    def _by_dns_name(self, args: Any) -> Iterator[ManagedEntity]:
        wanted = args.dnsName.lower()

        def matches(entity: ManagedEntity) -> bool:
            if isinstance(entity, HostSystem):
                return entity.name.lower() == wanted
            guest = entity.read("guest")
            return guest is not None and (guest.hostName or "").lower() == wanted

        return self._entities(args.datacenter, args.vmSearch, matches)

    def _entities(
        self, datacenter: Ref | None, vms: bool, matches: Callable[[ManagedEntity], bool]
    ) -> Iterator[ManagedEntity]:
        inside = self.center.registry.find(datacenter, Datacenter) if datacenter is not None else None
        wanted = vim.VirtualMachine if vms else vim.HostSystem
        for entity in self.center.registry.of_kind(ManagedEntity):
            if not issubclass(entity.vim_type, wanted) or not matches(entity):
                continue
            if inside is None or inside in entity.ancestors():
                yield entity


def _child(entity: ManagedEntity, name: str) -> ManagedEntity | None:
    plain = plain_name(name)
    return next((child for child in entity.children() if child.name == plain), None)


def _guest_addresses(vm: ManagedEntity) -> set[str]:
    guest = vm.read("guest")
    if guest is None:
        return set()
    return {guest.ipAddress, *(address for nic in guest.net for address in nic.ipAddress)}


def _first(entities: Iterator[ManagedEntity]) -> Ref | None:
    entity = next(entities, None)
    return entity.ref if entity is not None else None
