"""Ratios that a busy machine does not spoil: of the processor's time, in pairs, their median."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True, kw_only=False)
class Row:
    """A line of the table: what was measured, and what it should be."""

    name: str
    value: float
    at_most: float | None = None
    at_least: float | None = None
    unit: str = "x"

    def __str__(self) -> str:
        goal = ""
        if self.at_most is not None:
            goal = f"<= {self.at_most:g}"
        elif self.at_least is not None:
            goal = f">= {self.at_least:g}"
        missed = "" if self.is_met else "  missed"
        return f"{self.name:52}{self.value:9.2f} {self.unit:4}{goal:>8}{missed}"

    @property
    def is_met(self) -> bool:
        return (self.at_most is None or self.value <= self.at_most) and (
            self.at_least is None or self.value >= self.at_least
        )


def seconds_per_call(function: Callable[[], object], calls: int) -> float:
    """Return what a call takes of this process's processor time."""
    started = time.process_time()
    for _ in range(calls):
        function()
    return (time.process_time() - started) / calls


def ratio(pairs: Iterable[tuple[float, float]]) -> float:
    """Return the median of the ratios of measurements that were taken side by side."""
    return median(one / other for one, other in pairs)
