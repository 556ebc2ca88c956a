"""Names and expressions by which the drivers find their way in a vCenter."""

from __future__ import annotations

import hashlib
import re
import uuid

from viaduct.model.cloud import Cloud
from viaduct.model.site import ComputeCluster, Site

# The namespace of identifiers that are derived from names: made once, for ever.
_NAMESPACE = uuid.UUID("6a1c1f0c-8d9b-4d0a-9a53-5f1f0f4d2c11")


def compute_host(cluster: ComputeCluster) -> str:
    """Nova's host name of a cluster's compute service: the cluster's name, as far as a host name may hold it.

    It does not depend on the node, so that the service keeps its identity when it moves.
    """
    slug = re.sub(r"[^A-Za-z0-9.-]+", "-", cluster.cluster).strip("-.")
    if slug == cluster.cluster:
        return slug
    suffix = hashlib.sha256(cluster.cluster.encode()).hexdigest()[:6]
    return f"{slug}-{suffix}" if slug else f"cluster-{suffix}"


def compute_id(cloud: Cloud, cluster: ComputeCluster) -> str:
    """Nova's identifier of the compute node that stands for a cluster.

    The same whenever and wherever it is rendered.
    """
    site = cloud.site
    name = "/".join((site.vcenter.host, site.datacenter, cluster.cluster, cloud.spec.name))
    return str(uuid.uuid5(_NAMESPACE, name))


def datastore_regex(datastores: tuple[str, ...]) -> str:
    """An expression that matches just these names.

    A dollar in a name becomes a class of one character: oslo.config reads a backslash before a dollar as its
    own.
    """
    names = (re.escape(name).replace(r"\$", "[$]") for name in datastores)
    return f"^({'|'.join(names)})$"


def compute_datastores(site: Site) -> tuple[str, ...]:
    """All compute clusters' datastores, each once, in the site's order."""
    return tuple(dict.fromkeys(name for cluster in site.compute for name in cluster.datastores))
