"""The machine's own Debian mirrors and apt settings, for use in a build of another release.

Formats: sources.list(5) (one-line and deb822), apt.conf(5).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_RELEASES = "buster|bullseye|bookworm|trixie|forky|duke|sid|unstable|testing|stable|oldstable"
_MAIN_SUITE = re.compile(rf"^({_RELEASES})(-updates)?$")
_SECURITY_SUITE = re.compile(rf"^({_RELEASES})(-security|/updates)$")
_PASSED_ON = re.compile(
    r"^Acquire::((https?|ftp|tor)(::|$)|Check-Valid-Until|Check-Date|Max-ValidTime|ForceIPv|Retries)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Source:
    """One archive as apt sees it: an address, its suites and components, and the key that must sign it."""

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    signed_by: str = ""


@dataclass(frozen=True)
class Mirrors:
    """Where packages come from: the main archive and, if the machine has one, the security archive."""

    main: str
    security: str | None


def parse_one_line(text: str) -> list[Source]:
    """Sources of a `sources.list` file; source-package lines and malformed lines are skipped."""
    sources = []
    for line in text.splitlines():
        match = re.match(r"^deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s*(.*)$", line.split("#", 1)[0].strip())
        if not match:
            continue
        options = dict(option.split("=", 1) for option in shlex.split(match[1] or "") if "=" in option)
        sources.append(Source(match[2], (match[3],), tuple(match[4].split()), options.get("signed-by", "")))
    return sources


def parse_deb822(text: str) -> list[Source]:
    """Sources of a `*.sources` file; disabled stanzas and source packages are skipped."""
    sources = []
    for stanza in re.split(r"\n\s*\n", text):
        fields = _fields(stanza)
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() == "no":
            continue
        for uri in fields.get("uris", "").split():
            suites, components = fields.get("suites", ""), fields.get("components", "")
            sources.append(
                Source(uri, tuple(suites.split()), tuple(components.split()), fields.get("signed-by", ""))
            )
    return sources


def _fields(stanza: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    name = ""
    for line in stanza.splitlines():
        if line.startswith("#"):
            continue
        if line[:1] in (" ", "\t"):
            if name:
                fields[name] += " " + line.strip()
        elif ":" in line:
            name, value = line.split(":", 1)
            name = name.strip().lower()
            fields[name] = value.strip()
    return fields


def choose_mirrors(sources: Iterable[Source]) -> Mirrors | None:
    """The Debian main and security archives among `sources`; None when there is no Debian archive.

    Third-party archives often use Debian's suite names, so that a source signed by another key than
    Debian's is no candidate, and one that says it is signed by Debian's is preferred.
    """
    main = _best(sources, _MAIN_SUITE)
    if main is None:
        return None
    return Mirrors(main, _best(sources, _SECURITY_SUITE))


def _best(sources: Iterable[Source], suite: re.Pattern[str]) -> str | None:
    ranked: list[tuple[int, str]] = []
    for source in sources:
        if "main" not in source.components or not any(suite.match(name) for name in source.suites):
            continue
        if source.signed_by and "debian-archive" not in source.signed_by:
            continue
        ranked.append((0 if source.signed_by else 1, source.uri))
    return min(ranked, key=lambda entry: entry[0])[1] if ranked else None


def resolve_mirror_list(uri: str) -> str:
    """First mirror of a `mirror+file:` list (Debian's cloud images use one); other addresses unchanged."""
    match = re.match(r"^mirror\+file:(?://)?(/.*)$", uri)
    if not match:
        return uri
    for line in Path(match[1]).read_text().splitlines():
        if address := line.split("#", 1)[0].split():
            return address[0]
    raise ValueError(f"the mirror list {match[1]} names no mirror")


def passed_on(dump: str) -> list[str]:
    """Those settings of an `apt-config dump` that say how to reach an archive (proxies, checks, retries)."""
    return [line for line in dump.splitlines() if _PASSED_ON.match(line) and not line.endswith('"";')]


def machine_sources(root: Path = Path("/etc/apt")) -> list[Source]:
    """All sources that the machine's apt uses."""
    sources: list[Source] = []
    one_line = [root / "sources.list", *sorted((root / "sources.list.d").glob("*.list"))]
    for path in one_line:
        if path.is_file():
            sources += parse_one_line(path.read_text())
    for path in sorted((root / "sources.list.d").glob("*.sources")):
        sources += parse_deb822(path.read_text())
    return sources
