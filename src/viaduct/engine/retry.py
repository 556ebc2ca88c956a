"""How often and how soon a step is tried again."""

from __future__ import annotations

from dataclasses import dataclass

from viaduct.errors import ViaductError


@dataclass(frozen=True)
class RetryPolicy:
    """``attempts`` in all; waits grow from ``first_delay`` by ``factor`` up to ``longest_delay`` seconds."""

    attempts: int = 4
    first_delay: float = 1.0
    factor: float = 3.0
    longest_delay: float = 20.0

    def delay(self, attempt: int) -> float:
        """Seconds to wait after the failed ``attempt`` (counted from 1)."""
        return min(self.first_delay * self.factor ** (attempt - 1), self.longest_delay)

    def allows(self, attempt: int, error: ViaductError) -> bool:
        """Whether to try again after ``attempt`` failed with ``error``."""
        return error.retryable and attempt < self.attempts
