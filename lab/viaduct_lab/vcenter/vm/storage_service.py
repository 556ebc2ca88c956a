"""The bridge from managed objects to datastore files: threads and faults."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from viaduct_lab.storage import errors
from viaduct_lab.storage.files import Files
from viaduct_lab.storage.paths import DatastorePath, Datastores
from viaduct_lab.vcenter.core import faults
from viaduct_lab.vcenter.core.types import vim

if TYPE_CHECKING:
    from viaduct_lab.vcenter.core.center import VCenter

P = ParamSpec("P")
R = TypeVar("R")


def files_of(center: VCenter) -> Files:
    """The files of this vCenter's datastores."""
    found = center.services.get("files")
    if not isinstance(found, Files):
        found = center.services["files"] = Files(Datastores(center.config.datastores_dir))
    return found


def fault_of(error: Exception) -> Exception:
    """The API's fault for an error of the storage package or the operating system."""
    fault: Exception
    match error:
        case errors.InvalidPath():
            fault = vim.fault.InvalidDatastorePath(datastorePath="", msg=str(error))
        case errors.UnknownDatastore():
            fault = vim.fault.InvalidDatastore(name=error.name, msg=str(error))
        case errors.NotFound():
            fault = vim.fault.FileNotFound(file=error.path, msg=str(error))
        case errors.Exists():
            fault = vim.fault.FileAlreadyExists(file=error.path, msg=str(error))
        case errors.NoSpace():
            fault = vim.fault.NoDiskSpace(file="", datastore=error.datastore, msg=str(error))
        case errors.InvalidDisk():
            fault = vim.fault.FileFault(file=error.path, msg=str(error))
        case errors.StorageError():
            fault = vim.fault.FileFault(file="", msg=str(error))
        case OSError() if error.errno in (errno.ENOSPC, errno.EDQUOT):
            text = "The disk of the machine that the lab runs on is full."
            fault = vim.fault.NoDiskSpace(file=str(error.filename or ""), datastore="", msg=text)
        case _:
            fault = vim.fault.FileFault(file="", msg=f"{type(error).__name__}: {error}")
    return fault


@contextmanager
def storage_faults() -> Iterator[None]:
    """Turn errors of storage code into faults."""
    try:
        yield
    except (errors.StorageError, OSError) as error:
        raise fault_of(error) from error


async def blocking(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run storage code in a thread; its errors become faults."""
    with storage_faults():
        return await asyncio.to_thread(function, *args, **kwargs)


def parse_path(text: str | None, name: str = "name") -> DatastorePath:
    """A datastore path that a client sent; ``name`` is the parameter. Raises a fault."""
    if not text:
        raise faults.invalid_argument(name)
    try:
        return DatastorePath.parse(text)
    except errors.InvalidPath as error:
        raise vim.fault.InvalidDatastorePath(datastorePath=text, msg=str(error)) from error
