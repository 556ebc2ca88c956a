"""Role ``loadbalancer``: HAProxy ends TLS for every API."""

from __future__ import annotations

from viaduct.model.cloud import Cloud, Node
from viaduct.model.node_state import Check, File, Unit, Wave
from viaduct.roles import onnode
from viaduct.roles.locations import ENDPOINTS, IMAGE, LOOPBACK, Endpoint
from viaduct.roles.service_config import CLOUD_CA
from viaduct.roles.state import FINAL, INFRASTRUCTURE, RoleState, header

UNIT = "haproxy.service"
CERTIFICATE = "/etc/viaduct/endpoint.pem"

_GENERAL = """\
global
    log /dev/log local0
    user haproxy
    group haproxy
    chroot /var/lib/haproxy
    maxconn 4000
    ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets
    ssl-default-bind-ciphersuites TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256
    ssl-default-bind-ciphers ECDHE+AESGCM:ECDHE+CHACHA20

defaults
    mode http
    log global
    option httplog
    option dontlognull
    option redispatch
    retries 3
    timeout connect 5s
    timeout http-request 30s
    timeout http-keep-alive 30s
    timeout queue 60s
    timeout client 120s
    timeout server 120s
"""

# Images take minutes to come and go.
_TIMEOUTS = {IMAGE: "15m"}


def render(cloud: Cloud, node: Node) -> RoleState:
    """TLS on the public and the internal address, plain HTTP to the services on loopback."""
    addresses = dict.fromkeys((str(cloud.spec.public_address), str(cloud.spec.internal_address)))
    text = "\n".join((header() + _GENERAL, *(_service(endpoint, tuple(addresses)) for endpoint in ENDPOINTS)))
    endpoint = cloud.trust.endpoint
    pem = endpoint.chain_pem.rstrip("\n") + "\n" + endpoint.key_pem.reveal()
    checks = tuple(
        Check(
            name=f"{e.description} answers at {address}:{e.port}",
            command=f"{onnode.SYSTEM_PYTHON} {onnode.READY} https {address} {e.port} / {CLOUD_CA}",
            timeout=60,
        )
        for e in ENDPOINTS
        for address in addresses
    )
    return RoleState(
        files=(
            File("/etc/haproxy/haproxy.cfg", text.encode(), restarts=(UNIT,)),
            File(CERTIFICATE, pem.encode(), mode=0o600, restarts=(UNIT,)),
        ),
        waves=(Wave(INFRASTRUCTURE, units=(Unit(UNIT),)), Wave(FINAL, checks=checks)),
    )


def _service(endpoint: Endpoint, addresses: tuple[str, ...]) -> str:
    binds = [f"    bind {a}:{endpoint.port} ssl crt {CERTIFICATE} alpn http/1.1" for a in addresses]
    timeout = _TIMEOUTS.get(endpoint)
    return "\n".join(
        (
            f"frontend {endpoint.service}",
            *binds,
            *((f"    timeout client {timeout}",) if timeout else ()),
            "    http-request del-header Forwarded",
            "    http-request set-header X-Forwarded-Proto https",
            "    http-request set-header X-Forwarded-For %[src]",
            "    http-response set-header Strict-Transport-Security max-age=31536000",
            f"    default_backend {endpoint.service}",
            "",
            f"backend {endpoint.service}",
            *((f"    timeout server {timeout}",) if timeout else ()),
            f"    server local {LOOPBACK}:{endpoint.local_port} maxconn 64",
            "",
        )
    )
