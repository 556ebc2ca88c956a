"""A tenant: what any user of the cloud can do through its APIs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from viaduct.model.tenancy import Image, Port, Server, Volume
from viaduct.openstack.connection import not_found, told_as

_MESSAGES_VERSION = "3.5"


class CloudTenant:
    """Implements :class:`viaduct.services.verify.ports.Tenant` over one connection.

    Requests return when the API has accepted them; reading what does not exist gives None. All raise
    CloudError.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    # Images

    def upload_image(self, name: str, path: Path, properties: Mapping[str, str]) -> str:
        described = {"name": name, "disk_format": "vmdk", "container_format": "bare", **properties}
        with told_as(f"store image {name}"):
            image = _checked(self._connection.image.post("/images", json=described)).json()
            with path.open("rb") as content:
                kind = {"Content-Type": "application/octet-stream"}
                url = f"/images/{image['id']}/file"
                _checked(self._connection.image.put(url, data=content, headers=kind))
        return str(image["id"])

    def image(self, image: str) -> Image | None:
        with told_as(f"read image {image}"):
            found = _or_none(self._connection.image.get_image, image)
        if found is None:
            return None
        reason = (found.properties or {}).get("os_glance_failed_import", "")
        return Image(found.id, str(found.status), int(found.size or 0), str(reason or ""))

    def download_image(self, image: str, path: Path) -> None:
        with told_as(f"hand out image {image}"), path.open("wb") as target:
            self._connection.image.download_image(image, output=target)

    def delete_image(self, image: str) -> None:
        with told_as(f"delete image {image}"):
            self._connection.image.delete_image(image)

    # Networks

    def create_network(self, name: str) -> str:
        with told_as(f"make network {name}"):
            return str(self._connection.network.create_network(name=name).id)

    def create_subnet(self, network: str, name: str, cidr: str) -> str:
        with told_as(f"make subnet {name}"):
            subnet = self._connection.network.create_subnet(
                network_id=network, name=name, ip_version=4, cidr=cidr, is_dhcp_enabled=False
            )
        return str(subnet.id)

    def network_exists(self, network: str) -> bool:
        with told_as(f"read network {network}"):
            return _or_none(self._connection.network.get_network, network) is not None

    def delete_network(self, network: str) -> None:
        with told_as(f"delete network {network}"):
            self._connection.network.delete_network(network)

    def ports(self, server: str) -> tuple[Port, ...]:
        with told_as(f"list the ports of server {server}"):
            found = list(self._connection.network.ports(device_id=server))
        return tuple(
            Port(p.id, p.mac_address.lower(), tuple(f["ip_address"] for f in p.fixed_ips or ()))
            for p in found
        )

    # Servers

    def boot(self, name: str, image: str, flavor: str, network: str) -> str:
        with told_as(f"boot server {name}"):
            server = self._connection.compute.create_server(
                name=name, image_id=image, flavor_id=flavor, networks=[{"uuid": network}]
            )
        return str(server.id)

    def server(self, server: str) -> Server | None:
        with told_as(f"read server {server}"):
            found = _or_none(self._connection.compute.get_server, server)
        if found is None:
            return None
        fault = (getattr(found, "fault", None) or {}).get("message", "")
        return Server(found.id, found.name, str(found.status), found.task_state or "", str(fault or ""))

    def explain_server(self, server: str) -> str:
        """What went wrong with it last, in Nova's words; empty when Nova knows of nothing."""
        found = self.server(server)
        if found is not None and found.fault:
            return found.fault
        with told_as(f"read the actions of server {server}"):
            actions = list(self._connection.compute.server_actions(server))
        failed = [a for a in actions if a.message]
        return f"{failed[0].action}: {failed[0].message}" if failed else ""

    def stop(self, server: str) -> None:
        with told_as(f"stop server {server}"):
            self._connection.compute.stop_server(server)

    def start(self, server: str) -> None:
        with told_as(f"start server {server}"):
            self._connection.compute.start_server(server)

    def reboot(self, server: str, *, hard: bool) -> None:
        with told_as(f"reboot server {server}"):
            self._connection.compute.reboot_server(server, "HARD" if hard else "SOFT")

    def resize(self, server: str, flavor: str) -> None:
        with told_as(f"resize server {server}"):
            self._connection.compute.resize_server(server, flavor)

    def confirm_resize(self, server: str) -> None:
        with told_as(f"confirm the resize of server {server}"):
            self._connection.compute.confirm_server_resize(server)

    def snapshot(self, server: str, name: str) -> str:
        """Start making an image of the server; its id."""
        with told_as(f"make a snapshot of server {server}"):
            return str(self._connection.compute.create_server_image(server, name).id)

    def delete_server(self, server: str) -> None:
        with told_as(f"delete server {server}"):
            self._connection.compute.delete_server(server)

    # Volumes

    def create_volume(self, name: str, size_gb: int, image: str | None = None) -> str:
        with told_as(f"make volume {name}"):
            source = {"image_id": image} if image is not None else {}
            return str(self._connection.block_storage.create_volume(name=name, size=size_gb, **source).id)

    def volume(self, volume: str) -> Volume | None:
        with told_as(f"read volume {volume}"):
            found = _or_none(self._connection.block_storage.get_volume, volume)
        if found is None:
            return None
        return Volume(found.id, str(found.status), int(found.size))

    def explain_volume(self, volume: str) -> str:
        """What Cinder's user messages tell of the volume; empty when there are none."""
        with told_as(f"read the messages of volume {volume}"):
            answer = _checked(
                self._connection.block_storage.get(
                    "/messages", params={"resource_uuid": volume}, microversion=_MESSAGES_VERSION
                )
            )
        return "; ".join(m["user_message"] for m in answer.json().get("messages", ()))

    def attach(self, server: str, volume: str) -> None:
        with told_as(f"attach volume {volume}"):
            self._connection.compute.create_volume_attachment(server, volume_id=volume)

    def detach(self, server: str, volume: str) -> None:
        with told_as(f"detach volume {volume}"):
            self._connection.compute.delete_volume_attachment(server, volume)

    def extend(self, volume: str, size_gb: int) -> None:
        with told_as(f"extend volume {volume}"):
            self._connection.block_storage.extend_volume(volume, size_gb)

    def volume_to_image(self, volume: str, name: str) -> str:
        """Start storing the volume as a VMDK image; the image's id."""
        with told_as(f"store volume {volume} as an image"):
            answer = self._connection.block_storage.upload_volume_to_image(
                volume, name, disk_format="vmdk", container_format="bare"
            )
        return str(answer["image_id"])

    def delete_volume(self, volume: str) -> None:
        with told_as(f"delete volume {volume}"):
            self._connection.block_storage.delete_volume(volume)

    def close(self) -> None:
        self._connection.close()


def _checked(response: Any) -> Any:
    """The response, or the SDK's exception for its HTTP status."""
    from openstack.exceptions import raise_from_response

    raise_from_response(response)
    return response


def _or_none(read: Any, identifier: str) -> Any:
    try:
        return read(identifier)
    except Exception as problem:
        if not_found(problem):
            return None
        raise
