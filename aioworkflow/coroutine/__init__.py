"""The machinery of coroutine workflows; what workflows use of it is in :mod:`aioworkflow.flow`.

- ``run`` holds the code of one process and drives it, turn by turn; ``decider`` makes the ``decide`` of a worker of it.
- ``loop``, ``tasks``, ``nesting``: an event loop without I/O and clock, and how it is entered.
- ``commands``, ``matching``, ``tracing``: what the code orders, compared with history.
- ``activities``, ``processes``, ``signals``, ``verbs``, ``calls``: what the code is given to use.
- ``definition``, ``closing``, ``outcomes``, ``disposal``: how it begins and ends.
"""
