"""Amazon SWF as a backend, over aiobotocore."""

from __future__ import annotations

from .backend import SWFBackend
from .options import SWFOptions
from .throttle import Quota

__all__ = ["Quota", "SWFBackend", "SWFOptions"]
