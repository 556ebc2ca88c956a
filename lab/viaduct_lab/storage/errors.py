"""What may go wrong with files and virtual disks on a datastore."""

from __future__ import annotations


class StorageError(Exception):
    """Base of this package's errors; the text is a sentence for the person who asked."""


class InvalidPath(StorageError):
    """The text is not a datastore path, or points outside its datastore."""


class UnknownDatastore(StorageError):
    """No datastore has that name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"No datastore is named {name!r}.")
        self.name = name


class NotFound(StorageError):
    """The file, folder or disk does not exist."""

    def __init__(self, path: object) -> None:
        super().__init__(f"File {path} was not found.")
        self.path = str(path)


class Exists(StorageError):
    """Something of that name is already there."""

    def __init__(self, path: object) -> None:
        super().__init__(f"Cannot complete the operation because the file {path} already exists.")
        self.path = str(path)


class InvalidDisk(StorageError):
    """The file is not a virtual disk that can be used so."""

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"{path} is not a usable virtual disk: {reason}.")
        self.path = str(path)


class NoSpace(StorageError):
    """The file system under the datastore is full, or the datastore's capacity is used up."""

    def __init__(self, datastore: str) -> None:
        super().__init__(f"There is not enough space on datastore {datastore!r}.")
        self.datastore = datastore
