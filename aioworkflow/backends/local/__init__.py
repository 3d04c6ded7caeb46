"""The local backend: the service machine on a store (DESIGN 6)."""

from .backend import LocalBackend
from .clock import Alarm, Clock, SystemClock
from .options import LocalOptions

__all__ = ["Alarm", "Clock", "LocalBackend", "LocalOptions", "SystemClock"]
