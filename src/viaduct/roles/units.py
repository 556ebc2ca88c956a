"""systemd units of OpenStack's APIs and daemons."""

from __future__ import annotations

from dataclasses import dataclass

from viaduct.model.node_state import File
from viaduct.roles import ini, onnode
from viaduct.roles.locations import LOOPBACK

VENV = "/opt/openstack"
PASTE = f"{VENV}/etc"
KEYSTONE = "keystone"
# Seconds until a unit that failed is started again. A driver whose login fails ends at once: slowly enough not to
# lock the account in vCenter.
PAUSE = 2
VCENTER_PAUSE = 10
_INFRASTRUCTURE = (
    "network-online.target",
    "mariadb.service",
    "rabbitmq-server.service",
    "memcached.service",
    "haproxy.service",
)
TRUST_STORE = "/etc/ssl/certs/ca-certificates.crt"

# Only what works inside a container too: the lab's nodes are systemd-nspawn guests.
HARDENING: ini.Section = {
    "NoNewPrivileges": "yes",
    "CapabilityBoundingSet": "",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "ProtectControlGroups": "yes",
    "RestrictSUIDSGID": "yes",
    "LockPersonality": "yes",
    "UMask": "0027",
}


@dataclass(frozen=True)
class Api:
    """An API that uWSGI serves on loopback. ``module`` holds the WSGI callable ``application``.

    ``timeout``: seconds that a client may take between two pieces of a request's body.
    """

    name: str
    user: str
    module: str
    port: int
    environment: tuple[tuple[str, str], ...] = ()
    arguments: str = ""
    state_directories: tuple[str, ...] = ()
    timeout: int = 60
    after: tuple[str, ...] = ()
    vcenter: bool = False


@dataclass(frozen=True)
class Daemon:
    """A daemon of OpenStack.

    ``queues``: its unit counts as started when these queues have a consumer. ``vcenter``: it logs in there.
    """

    name: str
    user: str
    command: str
    config_files: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()
    state_directories: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    stop_timeout: int = 60
    vcenter: bool = False


def unit_name(name: str) -> str:
    """The unit of the service ``name``."""
    return f"viaduct-{name}.service"


def api_files(api: Api) -> tuple[File, ...]:
    """uWSGI's configuration and the unit."""
    uwsgi_path = f"/etc/{api.user}/uwsgi-{api.name}.ini"
    unit = _unit(
        name=api.name,
        user=api.user,
        description=f"OpenStack {api.name} (uWSGI on port {api.port})",
        environment=api.environment,
        state_directories=api.state_directories,
        after=api.after,
        restart_after=VCENTER_PAUSE if api.vcenter else PAUSE,
        service={
            "ExecStart": f"{VENV}/bin/uwsgi --ini {uwsgi_path}",
            # Started means answering: what is ordered after this unit, and who restarts it, may rely on it.
            "ExecStartPost": f"{onnode.SYSTEM_PYTHON} {onnode.READY} http {LOOPBACK} {api.port} /",
            "KillSignal": "SIGTERM",
            "KillMode": "mixed",
            "TimeoutStartSec": 180,
            "TimeoutStopSec": 30,
        },
    )
    return (
        File(
            path=uwsgi_path,
            content=_uwsgi(api).encode(),
            group=api.user,
            mode=0o640,
            restarts=(unit_name(api.name),),
        ),
        unit,
    )


def daemon_file(daemon: Daemon) -> File:
    """The unit of a daemon."""
    configs = " ".join(f"--config-file {path}" for path in daemon.config_files)
    service: dict[str, ini.Value] = {"ExecStart": f"{VENV}/bin/{daemon.command} {configs}"}
    if daemon.queues:
        queues = " ".join(daemon.queues)
        service["ExecStartPost"] = f"{VENV}/bin/python {onnode.QUEUES} {daemon.config_files[0]} {queues}"
        service["TimeoutStartSec"] = 180
    service["KillMode"] = "mixed"
    service["TimeoutStopSec"] = daemon.stop_timeout
    return _unit(
        name=daemon.name,
        user=daemon.user,
        description=f"OpenStack {daemon.name}",
        environment=daemon.environment,
        state_directories=daemon.state_directories,
        after=daemon.after,
        restart_after=VCENTER_PAUSE if daemon.vcenter else PAUSE,
        service=service,
    )


def _unit(
    *,
    name: str,
    user: str,
    description: str,
    environment: tuple[tuple[str, str], ...],
    state_directories: tuple[str, ...],
    after: tuple[str, ...],
    restart_after: int,
    service: ini.Section,
) -> File:
    variables = (
        ("PATH", f"{VENV}/bin:/usr/bin:/bin"),
        ("REQUESTS_CA_BUNDLE", TRUST_STORE),
        *environment,
    )
    # After a reboot too, keystone comes first: nova's daemons ask it as they start.
    keystone = () if name == KEYSTONE else (unit_name(KEYSTONE),)
    sections: ini.Sections = {
        "Unit": {
            "Description": description,
            "Documentation": "https://docs.openstack.org/",
            "Wants": "network-online.target",
            "After": " ".join((*_INFRASTRUCTURE, *keystone, *after)),
            # A service whose database or vCenter is away shall come back with it, however long that takes.
            "StartLimitIntervalSec": 0,
        },
        "Service": {
            "Type": "exec",
            "User": user,
            "Group": user,
            "Environment": tuple(f'"{key}={value}"' for key, value in variables),
            "WorkingDirectory": f"/var/lib/{user}",
            "StateDirectory": " ".join((user, *state_directories)),
            "StateDirectoryMode": "0750",
            **service,
            "Restart": "on-failure",
            "RestartSec": restart_after,
            "SyslogIdentifier": name,
            "LimitNOFILE": 16384,
            **HARDENING,
        },
        "Install": {"WantedBy": "multi-user.target"},
    }
    path = f"/etc/systemd/system/{unit_name(name)}"
    return File(path=path, content=ini.render(sections, separator="=").encode())


def _uwsgi(api: Api) -> str:
    options: dict[str, ini.Value] = {
        "http-socket": f"{LOOPBACK}:{api.port}",
        "virtualenv": VENV,
        "module": f"{api.module}:application",
        "master": True,
        "processes": 1,
        "threads": 4,
        "enable-threads": True,
        # Each worker loads the application itself: threads started by an import do not survive a fork.
        "lazy-apps": True,
        "need-app": True,
        "die-on-term": True,
        "exit-on-reload": True,
        "hook-master-start": "unix_signal:15 gracefully_kill_them_all",
        "worker-reload-mercy": 20,
        "buffer-size": 65535,
        "post-buffering": 0,
        # Without it clients that keep connections open see them break: http-socket closes after each answer.
        "add-header": "Connection: close",
        "socket-timeout": api.timeout,
        "chunked-input-timeout": api.timeout,
        # Nova and Cinder send an image in chunks of 1 MiB and more; uWSGI refuses these by default.
        "chunked-input-limit": 64 << 20,
        # The load balancer logs requests.
        "disable-logging": True,
        "procname-prefix-spaced": api.name,
        # Services read when this process started (neutron's hash ring).
        "start-time": "%t",
    }
    if api.arguments:
        options["pyargv"] = api.arguments
    return ini.render({"uwsgi": options})
