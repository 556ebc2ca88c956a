"""Problems found in a document: collected, then told all at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from viaduct.errors import InputError


@dataclass(frozen=True)
class Problem:
    """``field`` is a path such as ``networks.management.ranges[0]``; ``remedy`` what to write."""

    field: str
    sentence: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.field}: {self.sentence}. {self.remedy}"


def refuse(kind: type[InputError], file: Path, problems: Sequence[Problem]) -> InputError:
    """One error of ``kind`` that names the file and every problem."""
    if len(problems) == 1:
        only = problems[0]
        return kind(f"{file}: {only.field}: {only.sentence}.", only.remedy)
    return kind(
        f"{file} has {len(problems)} problems.",
        "Correct the fields listed above, then run the same command again.",
        detail="\n".join(str(problem) for problem in problems),
    )


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``Did you mean …?`` for the nearest of ``known``, else the list of all that are known."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if near:
        return f"Did you mean '{near[0]}'?"
    return f"Known: {', '.join(names)}." if names else "There is none."
