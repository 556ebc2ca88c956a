"""The machine's pip settings, translated to uv's environment variables for use inside a build tree.

Formats: pip's configuration files and PIP_* variables; uv's UV_* variables.
"""

from __future__ import annotations

import configparser
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

CA_INSIDE = "/run/build/ca.pem"
NETRC_INSIDE = "/root/.netrc"
_OPTIONS = (
    "index-url",
    "extra-index-url",
    "find-links",
    "no-index",
    "cert",
    "trusted-host",
    "proxy",
    "timeout",
)
_PASSED_ON = (
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "UV_DEFAULT_INDEX",
    "UV_INDEX",
    "UV_INDEX_URL",
    "UV_EXTRA_INDEX_URL",
    "UV_INSECURE_HOST",
    "UV_HTTP_TIMEOUT",
)


@dataclass(frozen=True)
class UvSettings:
    """Variables for uv, and files or folders of the machine that it must see (outside path, inside path)."""

    env: dict[str, str]
    binds: list[tuple[str, str]] = field(default_factory=list)


def read_pip_options(files: Sequence[Path], environ: Mapping[str, str]) -> dict[str, str]:
    """pip's effective options: later files win over earlier ones, PIP_* variables over all."""
    options: dict[str, str] = {}
    for path in files:
        if not path.is_file():
            continue
        parser = configparser.RawConfigParser(strict=False)
        parser.read_string(path.read_text())
        for section in ("global", "install"):
            if parser.has_section(section):
                options.update({key.replace("_", "-"): value for key, value in parser.items(section)})
    for option in _OPTIONS:
        if value := environ.get("PIP_" + option.upper().replace("-", "_")):
            options[option] = value
    return {key: value for key, value in options.items() if key in _OPTIONS}


def pip_config_files(environ: Mapping[str, str]) -> list[Path]:
    """pip's configuration files on this machine, in the order in which pip reads them."""
    home = Path(environ.get("HOME", "/root"))
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    files = [
        Path("/etc/xdg/pip/pip.conf"),
        Path("/etc/pip.conf"),
        home / ".pip/pip.conf",
        config / "pip/pip.conf",
    ]
    return [*files, Path(environ["PIP_CONFIG_FILE"])] if environ.get("PIP_CONFIG_FILE") else files


def to_uv(options: Mapping[str, str], environ: Mapping[str, str], system_ca: str) -> UvSettings:
    """Translate pip's `options` for a uv that runs inside a build tree.

    Local folders (file:// indexes, find-links) are invisible in there, and the lock comes from a full
    index; so they are made visible only when the machine has no other source. Every download is
    checked against the lock's hashes, so that searching all indexes is safe.
    """
    env = {"UV_INDEX_STRATEGY": "unsafe-best-match"}
    for name in _PASSED_ON:
        for variant in (name, name.lower()):
            if variant in environ:
                env[variant] = environ[variant]
    binds: list[tuple[str, str]] = []
    no_index = options.get("no-index", "").lower() in ("1", "true", "yes", "on")
    index = options.get("index-url", "")
    only_local = no_index or _is_local(index)
    _indexes(options, env, binds, only_local)
    if no_index:
        env["UV_NO_INDEX"] = "1"
    certificate = options.get("cert") or environ.get("SSL_CERT_FILE") or system_ca
    if certificate and Path(certificate).is_file():
        env["SSL_CERT_FILE"] = CA_INSIDE
        binds.append((certificate, CA_INSIDE))
    if proxy := options.get("proxy"):
        env.setdefault("HTTPS_PROXY", proxy)
        env.setdefault("HTTP_PROXY", proxy)
    if hosts := options.get("trusted-host"):
        env.setdefault("UV_INSECURE_HOST", " ".join(hosts.split()))
    if timeout := options.get("timeout"):
        env.setdefault("UV_HTTP_TIMEOUT", timeout)
    netrc = Path(environ.get("NETRC") or Path(environ.get("HOME", "/root")) / ".netrc")
    if netrc.is_file():
        binds.append((str(netrc), NETRC_INSIDE))
    return UvSettings(env, binds)


def _is_local(location: str) -> bool:
    return bool(location) and (location.startswith(("file:", "/", "~", ".")) or "://" not in location)


def _indexes(
    options: Mapping[str, str], env: dict[str, str], binds: list[tuple[str, str]], only_local: bool
) -> None:
    """Fill in the index variables, unless the machine already sets uv's own."""
    if any(name in env for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL")):
        return

    def visible(location: str) -> str | None:
        if not _is_local(location):
            return location
        folder = Path(location.removeprefix("file://")).expanduser()
        if not only_local or not folder.is_dir():
            return None
        inside = f"/run/build/index-{len(binds)}"
        binds.append((str(folder), inside))
        return f"file://{inside}"

    if (index := options.get("index-url")) and (seen := visible(index)):
        env["UV_DEFAULT_INDEX"] = seen
    extra = [seen for word in options.get("extra-index-url", "").split() if (seen := visible(word))]
    if extra:
        env["UV_INDEX"] = " ".join(extra)
    links = [seen for word in options.get("find-links", "").split() if (seen := visible(word))]
    if links:
        env["UV_FIND_LINKS"] = ",".join(links)
