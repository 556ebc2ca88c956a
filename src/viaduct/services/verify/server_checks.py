"""Checks of images, networks and servers. They raise CheckFailed and CloudError; deadlines are monotonic."""

from __future__ import annotations

from viaduct.services.verify import disk_image
from viaduct.services.verify.run import LARGE, SMALL, CheckFailed, Run

CIDR = "192.168.77.0/24"


def upload_image(run: Run, deadline: float) -> None:
    raw, vmdk = run.scratch / "disk.raw", run.scratch / "disk.vmdk"
    disk_image.make_raw(raw)
    disk_image.make_vmdk(raw, vmdk)
    run.ids["image"] = run.tenant.upload_image(run.name("image"), vmdk, disk_image.PROPERTIES)
    run.image("image", deadline)
    image = run.tenant.image(run.ids["image"])
    if image is None or image.size != vmdk.stat().st_size:
        raise CheckFailed(
            f"Glance reports {image.size if image else 0} bytes instead of {vmdk.stat().st_size}"
        )


def create_network(run: Run, deadline: float) -> None:
    run.ids["network"] = run.tenant.create_network(run.name("network"))
    run.ids["subnet"] = run.tenant.create_subnet(run.ids["network"], run.name("subnet"), CIDR)
    segment = run.tenancy.network_segment(run.ids["network"])
    allowed = run.site.tenant_networks.vlans
    if segment is None or not any(first <= segment <= last for first, last in allowed):
        ranges = ", ".join(f"{first}-{last}" for first, last in allowed)
        raise CheckFailed(f"the tenant's network got VLAN {segment}, which is not in the site's {ranges}")
    run.vlan = segment


def create_flavors(run: Run, deadline: float) -> None:
    for name, size in (("small", SMALL), ("large", LARGE)):
        run.ids[name] = run.tenancy.create_flavor(run.name(name), size, run.project)


def boot(run: Run, deadline: float) -> None:
    run.ids["server"] = run.tenant.boot(
        run.name("server"), run.ids["image"], run.ids["small"], run.ids["network"]
    )
    run.server("ACTIVE", deadline)
    ports = run.tenant.ports(run.ids["server"])
    if len(ports) != 1 or not ports[0].addresses:
        raise CheckFailed(f"the server has {len(ports)} ports instead of one with an address")
    run.mac = ports[0].mac
    run.vcenter()
    vm = run.inventory.instance(run.ids["server"])
    run.port_groups |= {nic.port_group for nic in vm.nics} if vm is not None else set()


def stop(run: Run, deadline: float) -> None:
    run.tenant.stop(run.ids["server"])
    run.server("SHUTOFF", deadline)
    run.vcenter(on=False)


def start(run: Run, deadline: float) -> None:
    run.tenant.start(run.ids["server"])
    run.server("ACTIVE", deadline)
    run.vcenter()


def soft_reboot(run: Run, deadline: float) -> None:
    run.tenant.reboot(run.ids["server"], hard=False)
    run.server("ACTIVE", deadline)
    run.vcenter()


def hard_reboot(run: Run, deadline: float) -> None:
    run.tenant.reboot(run.ids["server"], hard=True)
    run.server("ACTIVE", deadline)
    run.vcenter()


def resize(run: Run, deadline: float) -> None:
    run.tenant.resize(run.ids["server"], run.ids["large"])
    run.server("VERIFY_RESIZE", deadline)
    run.size = LARGE
    run.tenant.confirm_resize(run.ids["server"])
    run.server("ACTIVE", deadline)
    run.vcenter()


def snapshot(run: Run, deadline: float) -> None:
    run.ids["snapshot"] = run.tenant.snapshot(run.ids["server"], run.name("snapshot"))
    run.image("snapshot", deadline)
    run.server("ACTIVE", deadline)
    run.vcenter()


def delete_server(run: Run, deadline: float) -> None:
    run.tenant.delete_server(run.ids["server"])
    run.gone("the server", lambda: run.tenant.server(run.ids["server"]), deadline)
    run.agree(lambda: ("the server's VM still exists",) if run.inventory.instance(run.ids["server"]) else ())
