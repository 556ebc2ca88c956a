"""The end: the tenant deletes all, and nothing of it may be left in OpenStack or in vCenter."""

from __future__ import annotations

from collections.abc import Sequence

from viaduct.model.site import Site
from viaduct.services.verify.ports import InstanceInventory
from viaduct.services.verify.run import Run

GLANCE_DIRECTORIES = "openstack_glance*"
"""Where Glance's vSphere stores put images: the default name, with a suffix of the deployment's choice."""

NOVA_CACHE = "*_base"
"""Folders of Nova's image cache: a prefix of the deployment's choice, then its default name."""

_IMAGES = ("image", "snapshot", "upload")
GRACE = 30.0


def delete_images(run: Run, deadline: float) -> None:
    mine = [run.ids[which] for which in _IMAGES if which in run.ids]
    for image in mine:
        run.tenant.delete_image(image)
    for image in mine:
        run.gone(f"image {image}", lambda image=image: run.tenant.image(image), deadline)  # type: ignore[misc]
    clear_image_cache(run.inventory, run.site, mine)


def delete_network(run: Run, deadline: float) -> None:
    run.tenant.delete_network(run.ids["network"])
    run.gone("the network", lambda: run.tenant.network_exists(run.ids["network"]) or None, deadline)


def nothing_left(run: Run, deadline: float) -> None:
    run.agree(lambda: leftovers(run), GRACE)


def leftovers(run: Run) -> tuple[str, ...]:
    """What vCenter still has of this verification: VMs, port groups, files and folders."""
    ids = tuple(run.ids[which] for which in ("server", "volume", "copy", *_IMAGES) if which in run.ids)
    machines = [
        f"VM {vm.name}"
        for vm in run.inventory.managed_vms()
        if vm.instance_uuid in ids or any(i in vm.name for i in ids)
    ]
    present = run.inventory.port_group_vlans(run.site)
    groups = [f"port group {name}" for name in sorted(run.port_groups) if name in present]
    found = (*machines, *groups, *_files(run, ids))
    return (f"these are left: {', '.join(found)}",) if found else ()


def clear_image_cache(inventory: InstanceInventory, site: Site, images: Sequence[str]) -> None:
    """Remove images' copies from Nova's cache, where Nova keeps them for a day for the next boot."""
    for path in _cached(inventory, site, images):
        inventory.delete_directory(site, path)


def remove_folders(inventory: InstanceInventory, site: Site, projects: Sequence[str]) -> None:
    """Remove the VM folders that Nova and Cinder made for projects and leave behind empty."""
    for project in projects:
        home = f"OpenStack/Project ({project})"
        for path in (f"{home}/Volumes/Snapshots", f"{home}/Volumes", f"{home}/Instances", home):
            inventory.delete_folder(site, path)


def _cached(inventory: InstanceInventory, site: Site, images: Sequence[str]) -> list[str]:
    """Datastore paths of the images' folders in Nova's caches."""
    if not images:
        return []
    return [
        f"[{datastore}] {cache}/{image}"
        for datastore in _compute_datastores(site)
        for cache in inventory.entries(site, datastore, "", (NOVA_CACHE,))
        for image in inventory.entries(site, datastore, cache, images)
    ]


def _files(run: Run, ids: tuple[str, ...]) -> list[str]:
    patterns = tuple(f"*{i}*" for i in ids)
    if not patterns:
        return []
    found = _cached(run.inventory, run.site, ids)
    for datastore in _compute_datastores(run.site):
        found += [f"[{datastore}] {e}" for e in run.inventory.entries(run.site, datastore, "", patterns)]
    store = run.site.image_datastore
    for directory in run.inventory.entries(run.site, store, "", (GLANCE_DIRECTORIES,)):
        images = run.inventory.entries(run.site, store, directory, patterns)
        found += [f"[{store}] {directory}/{e}" for e in images]
    return found


def _compute_datastores(site: Site) -> tuple[str, ...]:
    return tuple(dict.fromkeys(d for c in site.compute for d in c.datastores))
