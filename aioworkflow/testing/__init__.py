"""For tests of workflows, and of backends and stores: a manual clock, histories in files, conformance suites."""

from .clock import ManualClock, idle_time_passes
from .histories import read_history, write_history
from .replay import replay

__all__ = ["ManualClock", "idle_time_passes", "read_history", "replay", "write_history"]
