"""Workers: what polls a backend, decides and acts."""

from .options import WorkerOptions
from .run import run_worker
from .worker import Worker

__all__ = ["Worker", "WorkerOptions", "run_worker"]
