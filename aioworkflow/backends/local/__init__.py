"""The local backend: the service machine on a store (DESIGN 6)."""

from ...machine.limits import SWF_LIMITS, Limits
from .backend import LocalBackend
from .clock import Alarm, Clock, SystemClock
from .options import LocalOptions

__all__ = ["SWF_LIMITS", "Alarm", "Clock", "Limits", "LocalBackend", "LocalOptions", "SystemClock"]
