"""Process: to come."""


class Process:
    """To come."""
