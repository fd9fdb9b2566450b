"""Hooks for Codex-Plus, the local proxy between a coding agent and its model provider.

A hook is a Python file in ``.codexplus/hooks/`` with a subclass of :class:`codex_plus.hooks.Hook`.
The proxy runs it in a worker process (:mod:`codex_plus.worker`); nothing needs to be installed for
that, because the ``codex-plus`` binary carries a copy of this package. Installing the package gives
editors and type checkers the same names.
"""

__version__ = "0.1.0"
