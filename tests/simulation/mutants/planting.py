"""How a bug is planted: something of the code is replaced for a while.

Patching is allowed here and nowhere else: a mutant *is* altered code.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from execution.executor import Executor

COMMANDS = Executor.__dict__["_do"]
Change = tuple[Any, Any, Any]  # of what, which name or type, by what


@dataclass(frozen=True, slots=True)
class Mutant:
    """One planted bug: what is put in whose place."""

    name: str
    modes: str  # the failure modes it lets through
    changes: tuple[Change, ...]

    @contextmanager
    def planted(self) -> Iterator[None]:
        """The bug is there inside this block."""
        undo = [_put(*change) for change in self.changes]
        try:
            yield
        finally:
            for act in reversed(undo):
                act()


def _put(owner: Any, name: Any, value: Any) -> Callable[[], None]:
    """Replace an attribute, a row of a table, or what the executor does about a command."""
    if isinstance(owner, dict):
        old = owner[name]
        owner[name] = value
        return partial(owner.__setitem__, name, old)
    if owner is COMMANDS:
        old = COMMANDS.dispatcher.dispatch(name)
        COMMANDS.register(name, value)
        return partial(COMMANDS.register, name, old)
    old = owner.__dict__[name]
    setattr(owner, name, value)
    return partial(setattr, owner, name, old)


def nothing(*_: Any, **__: Any) -> None:
    """In place of a rule that raises or acts."""
    return
