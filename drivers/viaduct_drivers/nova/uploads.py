"""Uploads of files to a datastore that fail when they fail, and that know bytes from text.

Upstream: nova/virt/vmwareapi/images.py.
`upload_iso_to_datastore` opens the config drive's ISO as text, so every boot with a config drive ends in a
UnicodeDecodeError. It sends it, with the session's cookie, to a vCenter whose certificate it does not verify.
`fetch_image`, like it, closes its connection without looking at the answer (oslo.vmware,
FileWriteHandle.close), so an image that the server refused is put into the cache and booted from.
"""

from __future__ import annotations

import os
from typing import Any, Final

import nova.conf
from nova.virt.vmwareapi import images
from oslo_log import log as logging
from oslo_vmware import exceptions as vmware_exceptions
from oslo_vmware import rw_handles

LOG = logging.getLogger(__name__)
CONF = nova.conf.CONF

_CHUNK: Final = 1 << 20


class CheckedFileWriteHandle(rw_handles.FileWriteHandle):
    """An upload whose `close` raises ImageTransferException unless the server has taken every byte."""

    def __init__(self, *args: Any, file_size: int, **kwargs: Any) -> None:
        self._expected = file_size
        self._sent = 0
        super().__init__(*args, file_size=file_size, **kwargs)

    def write(self, data: bytes) -> None:
        """Send some bytes."""
        super().write(data)
        self._sent += len(data)

    def close(self) -> None:
        """Read the server's answer and close the connection."""
        status = None
        try:
            # The server waits for missing bytes: asking it for an answer would wait for ever.
            if self._sent == self._expected:
                status = self._conn.getresponse().status
        except Exception as error:
            raise self._failure(f"no answer: {error}") from error
        finally:
            rw_handles.FileHandle.close(self)
        if status is None:
            raise self._failure(f"{self._sent} of {self._expected} bytes sent")
        if not 200 <= status < 300:
            raise self._failure(f"the server answers with status {status}")

    def _failure(self, reason: str) -> vmware_exceptions.ImageTransferException:
        return vmware_exceptions.ImageTransferException(f"upload to {self._url} failed: {reason}")


def verification(host: str) -> str | bool:
    """How to verify the certificate of an upload's server.

    vCenter's as Nova's session does it. That of an ESXi host not at all, as upstream: vCenter's CA need not
    have signed it, and what is sent there is a one-time ticket, not the session.
    """
    if host != CONF.vmware.host_ip:
        return False
    return CONF.vmware.ca_file or not CONF.vmware.insecure


def upload_iso_to_datastore(iso_path: str, instance: Any, **where: Any) -> None:
    """Upload a file; takes what upstream's function takes."""
    with open(iso_path, "rb") as source:
        target = CheckedFileWriteHandle(
            where["host"],
            where["port"],
            where["data_center_name"],
            where["datastore_name"],
            where["cookies"],
            where["file_path"],
            file_size=os.fstat(source.fileno()).st_size,
            cacerts=verification(where["host"]),
        )
        try:
            while data := source.read(_CHUNK):
                target.write(data)
        finally:
            target.close()
    LOG.debug(
        "uploaded %s to [%s] %s", iso_path, where["datastore_name"], where["file_path"], instance=instance
    )


def fetch_image(
    context: Any,
    instance: Any,
    host: str,
    port: int,
    dc_name: str,
    ds_name: str,
    file_path: str,
    cookies: Any = None,
) -> None:
    """Copy an image from Glance to a datastore, as a file; takes what upstream's function takes."""
    size = int(images.IMAGE_API.get(context, instance.image_ref)["size"])
    source = rw_handles.ImageReadHandle(images.IMAGE_API.download(context, instance.image_ref))
    target = CheckedFileWriteHandle(
        host, port, dc_name, ds_name, cookies, file_path, file_size=size, cacerts=verification(host)
    )
    images.image_transfer(source, target)
    LOG.debug("image %s is at [%s] %s", instance.image_ref, ds_name, file_path, instance=instance)
