"""A plan: the steps that make what is into what shall be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """One thing to do.

    ``action`` names the handler (``clone-node``), ``target`` what it acts on (a node's name, or the
    cloud's), ``title`` is what a person reads, ``reason`` why it is needed. ``id`` is unique in a plan and equal
    in every plan that needs the same step, so that the journal can be read across runs.
    """

    action: str
    target: str
    title: str
    reason: str = ""

    @property
    def id(self) -> str:
        return f"{self.action}:{self.target}"


@dataclass(frozen=True)
class Plan:
    """Steps in order. An empty plan means that nothing is to be done."""

    cloud: str
    steps: tuple[Step, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.steps)
