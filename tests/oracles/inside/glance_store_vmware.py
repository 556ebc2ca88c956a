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
    """The store's options come from a file, as in production (one named back end)."""
    import glance_store
    from oslo_config import cfg

    path = Path("/tmp/glance-oracle.conf")
    path.write_text(
        "\n".join(
            (
                "[DEFAULT]",
                "enabled_backends = oracle:vmware",
                "[glance_store]",
                "default_backend = oracle",
                "[oracle]",
                f"vmware_server_host = {WANTED['host']}",
                f"vmware_server_username = {WANTED['username']}",
                f"vmware_server_password = {WANTED['password']}",
                f"vmware_ca_file = {WANTED['ca_file']}",
                f"vmware_datastores = {WANTED['datacenter']}:{WANTED['datastore']}:100",
                "vmware_task_poll_interval = 1",
            )
        )
    )
    conf = cfg.ConfigOpts()
    # Glance's own API registers this one.
    conf.register_opts([cfg.DictOpt("enabled_backends")])
    conf(["--config-file", str(path)], project="glance")
    glance_store.register_store_opts(conf)
    return conf


def main() -> int:
    steps = Steps()
    run = steps.run
    from glance_store import exceptions, multi_backend

    conf = configure()
    if run("start store", lambda: multi_backend.create_multi_stores(conf) or "ready") is None:
        return 1
    multi_backend.verify_store()
    source = Path(WANTED["images"]["stream"])
    content = source.read_bytes()
    image_id = str(uuid.uuid4())
    where: dict[str, Any] = {}

    def add() -> str:
        with source.open("rb") as data:
            location, size, checksum, multihash, _meta = multi_backend.add_with_multihash(
                conf, image_id, data, len(content), "oracle", "sha512"
            )
        expect(size == len(content), f"{size} bytes stored of {len(content)}")
        expect(multihash == hashlib.sha512(content).hexdigest(), "the hash differs")
        where["uri"] = location
        return str(location)

    def read() -> str:
        data, size = multi_backend.get(where["uri"], "oracle")
        got = b"".join(data)
        expect(got == content, f"{len(got)} bytes differ from what was stored")
        return f"{size} bytes"

    def add_twice() -> None:
        try:
            with source.open("rb") as data:
                multi_backend.add_with_multihash(conf, image_id, data, len(content), "oracle", "sha512")
        except exceptions.Duplicate:
            return
        raise AssertionError("a second image of the same id was accepted")

    def size() -> None:
        got = multi_backend.get_size_from_uri_and_backend(where["uri"], "oracle")
        expect(got == len(content), f"size {got}")

    def unknown_size() -> None:
        """Chunked upload: Glance often does not know the size beforehand."""
        other = str(uuid.uuid4())
        with source.open("rb") as data:
            location, got, *_rest = multi_backend.add_with_multihash(
                conf, other, data, 0, "oracle", "sha512"
            )
        expect(got == len(content), f"{got} bytes stored")
        multi_backend.delete(location, "oracle")

    def delete() -> None:
        multi_backend.delete(where["uri"], "oracle")
        try:
            multi_backend.get(where["uri"], "oracle")
        except exceptions.NotFound:
            return
        raise AssertionError("the image can still be read")

    run("add", add)
    run("read", read)
    run("size", size)
    run("add twice", add_twice)
    run("add of unknown size", unknown_size)
    run("delete", delete)
    return 1 if steps.failed else 0


if __name__ == "__main__":
    sys.exit(main())
