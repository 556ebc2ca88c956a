"""On which host of a cluster a virtual machine runs: a pure choice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Candidate:
    """A host that might run it. ``load``: memory of its powered-on machines, in MB."""

    host: str
    usable: bool
    datastores: frozenset[str]
    load: int
    vms: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Rules:
    """DRS rules as they bear on one machine.

    ``together``/``apart``: machines to share a host with, or not to. ``only``: hosts that a
    mandatory rule allows (None: all); ``never``: hosts that one forbids; ``preferred``/``avoided``: the
    same by rules that are not mandatory.
    """

    together: frozenset[str] = frozenset()
    apart: frozenset[str] = frozenset()
    only: frozenset[str] | None = None
    never: frozenset[str] = frozenset()
    preferred: frozenset[str] = field(default_factory=frozenset)
    avoided: frozenset[str] = field(default_factory=frozenset)


class NoHost(Exception):
    """No host can run the machine; the text says why."""


def choose(
    candidates: Sequence[Candidate],
    datastores: frozenset[str],
    rules: Rules,
    present: str | None = None,
) -> str:
    """The host to use: allowed by all rules if one is, the least loaded of those, staying if equal.

    Raises :class:`NoHost`.
    """
    usable = [c for c in candidates if c.usable]
    if not usable:
        raise NoHost("No host of the cluster is connected and out of maintenance mode.")
    mounting = [c for c in usable if datastores <= c.datastores]
    if not mounting:
        raise NoHost("No usable host mounts all datastores that the virtual machine uses.")
    allowed = [c for c in mounting if _allowed(c, rules)]
    if not allowed:
        raise NoHost("The DRS rules of the cluster leave no host for the virtual machine.")

    def rank(candidate: Candidate) -> tuple[int, bool, int, str]:
        return (_wishes(candidate, rules), candidate.host != present, candidate.load, candidate.host)

    best = min(_wishes(c, rules) for c in allowed)
    stay = [c for c in allowed if c.host == present and _wishes(c, rules) == best]
    return (stay[0] if stay else min(allowed, key=rank)).host


def _allowed(candidate: Candidate, rules: Rules) -> bool:
    if rules.only is not None and candidate.host not in rules.only:
        return False
    return candidate.host not in rules.never and not candidate.vms & rules.apart


def _wishes(candidate: Candidate, rules: Rules) -> int:
    """How many wishes the host leaves open."""
    missing = bool(rules.together) and not candidate.vms & rules.together
    unloved = bool(rules.preferred) and candidate.host not in rules.preferred
    return missing * 4 + unloved + (candidate.host in rules.avoided)
