"""The checklist of a command: a user's own checks and probes stay in a process of their own until its end."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmcompat.engine.loader import Checklist

_ending: ContextVar[ExitStack] = ContextVar("ending")


@contextmanager
def command() -> Iterator[None]:
    """End, when what is done within is over, the processes that `load` started."""
    with ExitStack() as stack:
        token = _ending.set(stack)
        try:
            yield
        finally:
            _ending.reset(token)


def load(folders: Iterable[Path], *, secrets: Iterable[str] = ()) -> Checklist:
    """Our checks, and those in the user's folders. To be called within `command`.

    Variables that hold a known key, or one of `secrets`, are kept from the user's code. Raises LoadError.
    """
    from llmcompat.engine.loader import load_checklist

    given = list(folders)
    if not given:
        return load_checklist()
    from llmcompat.cli.target import known_secrets
    from llmcompat.engine.isolated.bench import isolated_checklist

    hide = {*known_secrets(os.environ), *secrets}
    return _ending.get().enter_context(isolated_checklist(given, hide=hide))
