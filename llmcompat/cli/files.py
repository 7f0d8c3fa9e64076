"""Reading saved runs and writing files: a file is read within bounds, and written whole or not at all."""

from __future__ import annotations

import codecs
import contextlib
import os
import secrets
import stat
from pathlib import Path

from llmcompat.cli.problems import Problem, printable
from llmcompat.model import Run

MOST_RUN_BYTES = 512 * 1024 * 1024
"""Bytes of a run file that are read at most: far above what a run may hold, far below what ends a machine."""


class FileChanged(Exception):
    """The file no longer holds what was read of it, so it was left as it is."""


def read_run(path: str | Path, option: str = "") -> Run:
    """The run that `--export` wrote to this file; `option` is put before the file's name in what is said.

    Raises Problem, one line, for a file that is missing, unreadable, too large, cut off, no run, or of
    another schema.
    """
    from llmcompat.reports.json_run import RunFileError, from_json

    name = f"{option} {printable(str(path))}".strip()
    data = read_bounded(path, MOST_RUN_BYTES, name=name)
    # Windows PowerShell writes what it redirects as UTF-16 with a mark
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        raise Problem(f"{name}: not a run: it is not UTF-8 text; give a file that --export wrote") from None
    del data
    try:
        return from_json(text, name=name)
    except RunFileError as error:
        raise Problem(printable(str(error), 1000)) from None


def read_bounded(path: str | Path, most: int, *, name: str) -> bytes:
    """The file's bytes. Raises Problem where it is missing, unreadable, or holds more than `most` bytes."""
    try:
        with Path(path).open("rb") as stream:
            data = stream.read(most + 1)
    except FileNotFoundError:
        raise Problem(f"{name}: there is no such file") from None
    except IsADirectoryError:
        raise Problem(f"{name}: this is a folder; give a file") from None
    except (OSError, ValueError) as error:
        raise Problem(f"{name}: not read: {reason(error)}") from None
    if len(data) > most:
        raise Problem(f"{name}: larger than {most // 1024**2} MB; it is not read")
    return data


def write_atomically(path: Path, text: str, *, private: bool = False, expected: bytes | None = None) -> None:
    """Write the text as UTF-8: the file is there whole, or as it was before; line ends stay as they are.

    `private` keeps it readable by its owner only, where the system knows owners; else a file that is replaced
    keeps its permissions. With `expected` it is replaced only while it still holds these bytes (none where it
    is missing), else FileChanged is raised. Raises OSError (a full or read-only disk) or ValueError (no
    folder, no regular file); `reason` puts both into words.
    """
    if not path.parent.is_dir():
        raise ValueError(f"there is no folder {path.parent}; make it first")
    if path.exists() and not path.is_file():
        # replacing a device or a pipe by a file would harm more than the report
        raise ValueError("it exists and is not a regular file")
    if path.exists() and not os.access(path, os.W_OK):
        raise ValueError("it is read-only")
    try:
        path = path.resolve()
    except RuntimeError:  # Python 3.11 and 3.12 say so of links that lead in a circle
        raise ValueError("it is a link that leads in a circle") from None
    draft = path.with_name(f".{path.name[:100]}.{secrets.token_hex(4)}.part")
    handle = os.open(
        draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600 if private else 0o666
    )
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(text.encode("utf-8"))
            stream.flush()
            os.fsync(stream.fileno())
        if not private and path.exists():
            with contextlib.suppress(OSError):  # some file systems have no permissions to set
                draft.chmod(stat.S_IMODE(path.stat().st_mode))
        if expected is not None and (path.read_bytes() if path.exists() else b"") != expected:
            raise FileChanged
        os.replace(draft, path)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise


def reason(error: OSError | ValueError) -> str:
    """Why a file was not read or written, in a few printable words."""
    return printable((error.strerror if isinstance(error, OSError) else None) or str(error))
