"""Drives upstream glance_store's unmodified vSphere store against the lab's vCenter, step by step."""

from __future__ import annotations

import hashlib
import sys
import uuid
import warnings
from pathlib import Path
from typing import Any

warnings.filterwarnings("ignore")

from steps import Steps, expect, settings  # noqa: E402

WANTED = settings()


def configure() -> Any:
    """The store's options come from a file, as in production.

    One store by the older ``stores`` option: named back ends cannot use upstream's vSphere store, whose scheme
    (``vsphere``) and entry point (``vmware``) differ; ``drivers/pyproject.toml`` names it a second time.
    """
    import glance_store
    from oslo_config import cfg

    path = Path("/tmp/glance-oracle.conf")
    path.write_text(
        "\n".join(
            (
                "[glance_store]",
                "stores = vmware",
                "default_store = vsphere",
                f"vmware_server_host = {WANTED['host']}",
                f"vmware_server_username = {WANTED['username']}",
                f"vmware_server_password = {WANTED['password']}",
                f"vmware_ca_file = {WANTED['ca_file']}",
                f"vmware_datastores = {WANTED['datacenter']}:{WANTED['datastore']}:100",
                "vmware_task_poll_interval = 1",
            )
        )
    )
    conf = cfg.CONF
    glance_store.register_opts(conf)
    conf(["--config-file", str(path)], project="glance")
    return conf


def main() -> int:
    steps = Steps()
    run = steps.run
    from glance_store import backend, exceptions

    conf = configure()
    if run("start store", lambda: backend.create_stores(conf) or "ready") is None:
        return 1
    backend.verify_default_store()
    source = Path(WANTED["images"]["stream"])
    content = source.read_bytes()
    image_id = str(uuid.uuid4())
    where: dict[str, Any] = {}

    def add() -> str:
        with source.open("rb") as data:
            location, size, _checksum, multihash, _meta = backend.add_to_backend_with_multihash(
                conf, image_id, data, len(content), "sha512", "vsphere"
            )
        expect(size == len(content), f"{size} bytes stored of {len(content)}")
        expect(multihash == hashlib.sha512(content).hexdigest(), "the hash differs")
        where["uri"] = location
        return str(location)

    def read() -> str:
        data, size = backend.get_from_backend(where["uri"])
        got = b"".join(data)
        expect(got == content, f"{len(got)} bytes differ from what was stored")
        return f"{size} bytes"

    def size() -> None:
        got = backend.get_size_from_backend(where["uri"])
        expect(got == len(content), f"size {got}")

    def unknown_size() -> None:
        """Chunked upload: Glance often does not know the size beforehand."""
        other = str(uuid.uuid4())
        with source.open("rb") as data:
            location, got, *_rest = backend.add_to_backend_with_multihash(
                conf, other, data, 0, "sha512", "vsphere"
            )
        expect(got == len(content), f"{got} bytes stored")
        backend.delete_from_backend(location)

    def delete() -> None:
        backend.delete_from_backend(where["uri"])
        try:
            backend.get_from_backend(where["uri"])
        except exceptions.NotFound:
            return
        raise AssertionError("the image can still be read")

    run("add", add)
    run("read", read)
    run("size", size)
    run("add of unknown size", unknown_size)
    run("delete", delete)
    return 1 if steps.failed else 0


if __name__ == "__main__":
    sys.exit(main())
