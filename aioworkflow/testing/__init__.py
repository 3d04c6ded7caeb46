"""For tests of workflows, and of backends and stores: a manual clock and the conformance suites."""

from .clock import ManualClock, idle_time_passes

__all__ = ["ManualClock", "idle_time_passes"]
