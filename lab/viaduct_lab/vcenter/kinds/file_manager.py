"""Files and folders on datastores, as SOAP calls."""

from __future__ import annotations

from typing import Any

from viaduct_lab.storage.paths import DatastorePath
from viaduct_lab.vcenter.core.kinds import kind
from viaduct_lab.vcenter.core.managed_object import ManagedObject, soap_method, task_method
from viaduct_lab.vcenter.core.types import vim
from viaduct_lab.vcenter.kinds import datastore as datastores
from viaduct_lab.vcenter.vm.storage_service import blocking, files_of, parse_path


@kind
class FileManager(ManagedObject):
    """``fileManager``: folders, moving, copying, deleting. Datacenters are not told apart:
    the names of datastores are unique in the lab."""

    vim_type = vim.FileManager

    @soap_method("MakeDirectory")
    async def make_directory(self, call: Any, args: Any) -> None:
        """Make a folder."""
        path = self._path(args.name, "name")
        files = files_of(self.center)
        await blocking(files.make_folder, path, parents=bool(args.createParentDirectories))

    @task_method("DeleteDatastoreFile_Task")
    async def delete(self, call: Any, args: Any, task: Any) -> None:
        """Delete a file, a virtual disk with its content, or a folder with all in it."""
        path = self._path(args.name, "name")
        await blocking(files_of(self.center).delete, path)
        datastores.touched(self.center, path)

    @task_method("MoveDatastoreFile_Task")
    async def move(self, call: Any, args: Any, task: Any) -> None:
        """Move or rename."""
        source, target = self._pair(args)
        await blocking(files_of(self.center).move, source, target, force=bool(args.force))
        datastores.touched(self.center, source, target)

    @task_method("CopyDatastoreFile_Task")
    async def copy(self, call: Any, args: Any, task: Any) -> None:
        """Copy."""
        source, target = self._pair(args)
        await blocking(files_of(self.center).copy, source, target, force=bool(args.force))
        datastores.touched(self.center, target)

    def _pair(self, args: Any) -> tuple[DatastorePath, DatastorePath]:
        return (
            self._path(args.sourceName, "sourceName"),
            self._path(args.destinationName, "destinationName"),
        )

    def _path(self, text: str, name: str) -> DatastorePath:
        path = parse_path(text, name)
        datastores.datastore_named(self.center, path.datastore)
        if not path.path:
            raise vim.fault.InvalidDatastorePath(
                datastorePath=text, msg="The root of a datastore cannot be named here."
            )
        return path
