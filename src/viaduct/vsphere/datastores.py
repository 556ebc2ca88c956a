"""Files on datastores over plain HTTPS (``/folder``), with the session's cookie."""

from __future__ import annotations

import re
from http.client import HTTPSConnection
from urllib.parse import quote, urlencode

from pyVmomi import vim

from viaduct.model.observed import NodeVm
from viaduct.model.site import Site
from viaduct.vsphere import places
from viaduct.vsphere.collect import one
from viaduct.vsphere.session import Session
from viaduct.vsphere.trust import CONNECT_TIMEOUT

TAIL = 8192
"""Bytes of a console log that are shown."""

_LARGEST = 64 << 20

_PATH = re.compile(r"^\[(?P<datastore>[^\]]+)\] (?P<path>.+)$")


def console_log(session: Session, site: Site, vm: NodeVm) -> str:
    """The end of the log that the VM's serial port writes, or a sentence why there is none."""
    machine = session.object(vim.VirtualMachine, vm.reference)
    row = one(session, machine, ("config.hardware.device",))
    if row is None:
        return f"(VM {vm.name} does not exist any more)"
    files = [
        d.backing.fileName
        for d in row.get("config.hardware.device", ())
        if isinstance(d, vim.vm.device.VirtualSerialPort)
        and isinstance(d.backing, vim.vm.device.VirtualSerialPort.FileBackingInfo)
    ]
    if not files:
        return f"(VM {vm.name} has no serial port that writes to a file)"
    matched = _PATH.match(files[0])
    if matched is None:
        return f"(the console log's path {files[0]!r} is not a datastore path)"
    home = places.datacenter(session, site)
    where = {"dcPath": places.inventory_path(session, home), "dsName": matched["datastore"]}
    query = urlencode(where, quote_via=quote)
    status, content = _get(session, f"/folder/{quote(matched['path'])}?{query}")
    if status == 404:
        return f"(the console of VM {vm.name} has written nothing yet)"
    if status not in (200, 206):
        return f"(vCenter does not hand out {files[0]}: HTTP status {status})"
    return content[-TAIL:].decode(errors="replace").replace("\x00", "")


def _get(session: Session, url: str) -> tuple[int, bytes]:
    """Status and content; a dropped session is renewed once."""
    status, content = _get_once(session, url)
    if status == 401:
        session.renew()
        status, content = _get_once(session, url)
    return status, content


def _get_once(session: Session, url: str) -> tuple[int, bytes]:
    connection = HTTPSConnection(
        session.vcenter.host,
        session.vcenter.port,
        timeout=CONNECT_TIMEOUT,
        context=session.trusted.context,
    )
    try:
        # Servers that ignore the range send all of it; then the end is cut off here.
        connection.request("GET", url, headers={"Cookie": session.cookie, "Range": f"bytes=-{TAIL}"})
        response = connection.getresponse()
        content, read = b"", 0
        while read < _LARGEST and (chunk := response.read(65536)):
            read += len(chunk)
            content = (content + chunk)[-TAIL:]
        return response.status, content
    finally:
        connection.close()
