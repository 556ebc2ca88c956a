"""Looking for files on datastores."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from viaduct_lab.storage.files import Entry, Files
from viaduct_lab.storage.paths import DatastorePath
from viaduct_lab.vcenter.core.kinds import extend_property, kind
from viaduct_lab.vcenter.core.managed_object import ManagedObject, task_method
from viaduct_lab.vcenter.core.types import Ref, vim
from viaduct_lab.vcenter.vm.storage_service import blocking, files_of, parse_path

if TYPE_CHECKING:
    from viaduct_lab.vcenter.core.center import VCenter
    from viaduct_lab.vcenter.kinds.host_system import HostSystem

_B = vim.host.DatastoreBrowser
_QUERIES: tuple[tuple[Any, Any, str], ...] = (
    (_B.VmDiskQuery, _B.VmDiskInfo, ".vmdk"),
    (_B.VmConfigQuery, _B.VmConfigInfo, ".vmx"),
    (_B.TemplateVmConfigQuery, _B.TemplateVmConfigInfo, ".vmtx"),
    (_B.IsoImageQuery, _B.IsoImageInfo, ".iso"),
    (_B.FloppyImageQuery, _B.FloppyImageInfo, ".flp"),
    (_B.VmLogQuery, _B.VmLogInfo, ".log"),
    (_B.VmNvramQuery, _B.VmNvramInfo, ".nvram"),
    (_B.VmSnapshotQuery, _B.VmSnapshotInfo, ".vmsn"),
)


@kind
class DatastoreBrowser(ManagedObject):
    """The browser of one datastore, or of all those that a host mounts."""

    vim_type = vim.host.DatastoreBrowser

    def __init__(self, center: VCenter, moid: str) -> None:
        super().__init__(center, moid)
        self.datastore_moids: tuple[str, ...] = ()
        self.host_moid: str | None = None

    def datastores(self) -> list[Any]:
        """The datastores that it sees."""
        registry = self.center.registry
        if self.host_moid is not None:
            host = registry.get(self.host_moid)
            return host.sources("datastore.host") if host is not None else []
        return [obj for moid in self.datastore_moids if (obj := registry.get(moid)) is not None]

    def prop_datastore(self) -> list[Ref]:
        return [datastore.ref for datastore in self.datastores()]

    def prop_supportedType(self) -> list[Any]:
        return [query() for query, _, _ in _QUERIES] + [_B.FolderQuery()]

    @task_method("SearchDatastore_Task", cancelable=True)
    async def search(self, call: Any, args: Any, task: Any) -> Any:
        """Files of one folder."""
        path = self._path(args.datastorePath)
        return await blocking(self._search, path, args.searchSpec)

    @task_method("SearchDatastoreSubFolders_Task", cancelable=True)
    async def search_below(self, call: Any, args: Any, task: Any) -> Any:
        """Files of a folder and all folders below it."""
        path = self._path(args.datastorePath)
        folders = await blocking(files_of(self.center).folders_below, path)
        found = [await blocking(self._search, folder, args.searchSpec) for folder in folders]
        return _B.SearchResults.Array(found)

    def _path(self, text: str) -> DatastorePath:
        path = parse_path(text, "datastorePath")
        if path.datastore not in {datastore.name for datastore in self.datastores()}:
            raise vim.fault.InvalidDatastore(
                name=path.datastore, msg=f"No datastore named '{path.datastore}' can be seen here."
            )
        return path

    def _search(self, folder: DatastorePath, spec: Any) -> Any:
        files = files_of(self.center)
        patterns = tuple(spec.matchPattern) if spec is not None else ()
        ignore_case = spec is None or spec.searchCaseInsensitive is not False
        found = files.search(folder, patterns, ignore_case=ignore_case)
        infos = [_info(files, entry, spec) for entry in found if _wanted(entry, spec)]
        if spec is not None and spec.sortFoldersFirst:
            infos.sort(key=lambda info: not isinstance(info, _B.FolderInfo))
        store = next(d for d in self.datastores() if d.name == folder.datastore)
        text = f"{folder}/" if folder.path else f"{folder} "
        return _B.SearchResults(datastore=store.ref, folderPath=text, file=infos)


def _suffix_kind(entry: Entry) -> tuple[Any, Any]:
    if entry.folder:
        return _B.FolderQuery, _B.FolderInfo
    for query, info, suffix in _QUERIES:
        if entry.path.name.lower().endswith(suffix) and (suffix != ".vmdk" or entry.disk):
            return query, info
    return _B.Query, _B.FileInfo


def _wanted(entry: Entry, spec: Any) -> bool:
    if spec is None or not spec.query:
        return True
    query, _ = _suffix_kind(entry)
    return any(type(wanted) in (query, _B.Query) for wanted in spec.query)


def _info(files: Files, entry: Entry, spec: Any) -> Any:
    details = spec.details if spec is not None else None
    typed = (details is not None and details.fileType) or (spec is not None and bool(spec.query))
    query, cls = _suffix_kind(entry)
    info = (cls if typed else _B.FileInfo)(path=entry.path.name)
    # Without details vCenter leaves the size out; Nova's driver asks for it and reads it.
    if details is None or details.fileSize or typed:
        info.fileSize = entry.size
    if details is not None and details.modification:
        info.modification = datetime.fromtimestamp(entry.modified, UTC)
    if details is not None and details.fileOwner:
        info.owner = entry.owner
    queries = spec.query if spec is not None else ()
    wanted: Any = next((q for q in queries if type(q) is query), None)
    if isinstance(info, _B.VmDiskInfo) and getattr(wanted, "details", None) is not None:
        _disk_details(files, entry, info, wanted.details)
    return info


def _disk_details(files: Files, entry: Entry, info: Any, wanted: Any) -> None:
    disk = files.disks.info(entry.path)
    if wanted.diskType:
        info.diskType = vim.vm.device.VirtualDisk.FlatVer2BackingInfo
    if wanted.capacityKb:
        info.capacityKb = disk.capacity // 1024
    if wanted.hardwareVersion:
        info.hardwareVersion = 19
    if wanted.thin:
        info.thin = disk.thin
    if wanted.controllerType and disk.adapter == "ide":
        info.controllerType = vim.vm.device.VirtualIDEController
    elif wanted.controllerType:
        info.controllerType = vim.vm.device.VirtualLsiLogicController
    if wanted.diskExtents:
        info.diskExtents = [part.name for part in files.disks.files(entry.path)[1:]]


@extend_property("HostSystem", "datastoreBrowser")
def host_browser(host: HostSystem) -> Ref:
    """The browser of all datastores that a host mounts."""
    moid = f"datastoreBrowser-{host.moid}"
    found = host.center.registry.get(moid)
    if found is None:
        found = DatastoreBrowser(host.center, moid)
        found.host_moid = host.moid
        host.center.registry.add(found)
    return found.ref
