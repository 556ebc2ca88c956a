"""Role ``base``: what every node has."""

from __future__ import annotations

import json
import re

from viaduct.model.cloud import Cloud, Node
from viaduct.model.node_state import File, OneShot, Unit, Wave
from viaduct.roles import onnode
from viaduct.roles.service_config import CLOUD_CA, VCENTER_CA
from viaduct.roles.state import BASE, INFRASTRUCTURE, RoleState, header

TRUST_DIRECTORY = "/usr/local/share/ca-certificates"
# The mark holds the digest of what the trust store was last built from.
_TRUST_MARK = "/var/lib/viaduct/trust-store.sha256"
_TRUST_DIGEST = f"cat {TRUST_DIRECTORY}/viaduct-*.crt | sha256sum"

TRUST = OneShot(
    name="update the trust store",
    command=f"update-ca-certificates && mkdir -p /var/lib/viaduct && {_TRUST_DIGEST} > {_TRUST_MARK}",
    probe=f"{_TRUST_DIGEST} | cmp -s - {_TRUST_MARK}",
    timeout=120,
)


def render(cloud: Cloud, node: Node) -> RoleState:
    """Names, trust, time, logs."""
    clock = (Unit("chrony.service"),) if cloud.site.management_network.ntp else ()
    units = (Unit("rsyslog.service"), Unit("logrotate.timer"), *clock)
    return RoleState(
        files=(
            _hosts(cloud, node),
            _about(cloud, node),
            *_trust(cloud),
            *_time(cloud),
            *_logs(),
            onnode.program(onnode.READY),
        ),
        # The trust store is nothing that the infrastructure needs: it is updated while that starts.
        waves=(Wave(BASE, units=units), Wave(INFRASTRUCTURE, one_shots=(TRUST,))),
    )


def _hosts(cloud: Cloud, node: Node) -> File:
    lines = [
        header(),
        "127.0.0.1 localhost\n",
        "::1 localhost ip6-localhost ip6-loopback\n",
        "ff02::1 ip6-allnodes\nff02::2 ip6-allrouters\n\n",
    ]
    lines.extend(f"{n.management_address} {cloud.spec.name}-{n.name} {n.name}\n" for n in cloud.spec.nodes)
    return File("/etc/hosts", "".join(lines).encode())


def _about(cloud: Cloud, node: Node) -> File:
    about = {"cloud": cloud.spec.name, "node": node.name, "mode": cloud.spec.mode, "roles": node.roles}
    return File("/etc/viaduct/node.json", (json.dumps(about, indent=2) + "\n").encode())


def _trust(cloud: Cloud) -> tuple[File, ...]:
    sources = {"cloud": cloud.trust.cloud_ca_pem, "vcenter": cloud.trust.vcenter_ca_pem}
    store = [
        File(f"{TRUST_DIRECTORY}/viaduct-{name}-{index}.crt", certificate.encode())
        for name, text in sources.items()
        for index, certificate in enumerate(certificates(text))
    ]
    return (
        File(CLOUD_CA, cloud.trust.cloud_ca_pem.encode()),
        File(VCENTER_CA, cloud.trust.vcenter_ca_pem.encode()),
        *store,
    )


def certificates(pem: str) -> tuple[str, ...]:
    """The certificates of a PEM text, one by one: the trust store wants a file for each."""
    found = re.findall(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", pem, re.DOTALL)
    return tuple(f"{certificate}\n" for certificate in found)


def _time(cloud: Cloud) -> tuple[File, ...]:
    servers = cloud.site.management_network.ntp
    if not servers:
        return ()
    lines = "".join(f"server {server} iburst\n" for server in servers)
    path = "/etc/chrony/sources.d/viaduct.sources"
    return (File(path, (header() + lines).encode(), restarts=("chrony.service",)),)


def _logs() -> tuple[File, ...]:
    """The journal has everything; a file a service under /var/log/viaduct for tools that read files."""
    rules = f"""\
{header()}template(name="viaduct-file" type="string" string="/var/log/viaduct/%programname%.log")
if re_match($programname, '^(keystone|placement|glance|nova|neutron|cinder)(-[A-Za-z0-9.-]+)?$') then {{
  action(type="omfile" dynaFile="viaduct-file" dirCreateMode="0750" fileCreateMode="0640")
  stop
}}
"""
    rotation = f"""\
{header()}/var/log/viaduct/*.log {{
    daily
    maxsize 100M
    rotate 14
    missingok
    notifempty
    compress
    delaycompress
    sharedscripts
    postrotate
        /usr/lib/rsyslog/rsyslog-rotate
    endscript
}}
"""
    return (
        File("/etc/rsyslog.d/20-viaduct.conf", rules.encode(), restarts=("rsyslog.service",)),
        File("/etc/logrotate.d/viaduct", rotation.encode()),
    )
