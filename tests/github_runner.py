"""Which lines of a log the runner of GitHub Actions obeys, for the tests of what is written to one."""

import re
from dataclasses import dataclass

NAMES = frozenset(
    (
        "add-mask",
        "add-matcher",
        "add-path",
        "debug",
        "echo",
        "endgroup",
        "error",
        "group",
        "internal-set-repo-path",
        "notice",
        "remove-matcher",
        "save-state",
        "set-env",
        "set-output",
        "stop-commands",
        "warning",
    )
)


@dataclass(frozen=True)
class Command:
    """One command: its name, its properties, and what stands behind it."""

    name: str
    properties: dict[str, str]
    data: str


def _decoded(text: str, *codes: str) -> str:
    # the percent sign comes last, as what it stands before was encoded with it
    for code in (*codes, "%25"):
        text = text.replace(code, chr(int(code[1:], 16)))
    return text


def _properties(text: str, between: str, *codes: str) -> dict[str, str]:
    pairs = (each.split("=", 1) for each in text.split(between) if each)
    return {pair[0]: _decoded(pair[1], *codes) for pair in pairs if len(pair) == 2 and pair[1]}


def _new(line: str) -> Command | None:
    found = re.match(r"\s*::(.*?)::(.*)", line, re.DOTALL)
    if found is None:
        return None
    name, _, rest = found[1].partition(" ")
    properties = _properties(rest.strip(), ",", "%0D", "%0A", "%3A", "%2C")
    return Command(name, properties, _decoded(found[2], "%0D", "%0A"))


def _old(line: str) -> Command | None:
    found = re.search(r"##\[([^\]]*)\](.*)", line, re.DOTALL)
    if found is None:
        return None
    name, _, rest = found[1].partition(" ")
    return Command(name, _properties(rest, ";", "%0D", "%0A", "%3B", "%5D"), _decoded(found[2], "%0D", "%0A"))


def commands(log: str, *, anything: bool = False) -> list[Command]:
    """The commands of a log, in order, without those between stop-commands and its word.

    With `anything` all that has the form of a command is one, whatever its name, and also what a runner
    might take for the beginning of one.
    """
    found: list[Command] = []
    word: str | None = None
    for line in re.split(r"\r\n|\r|\n", log):
        command = next(
            (each for each in (_new(line), _old(line)) if each is not None and _is_one(each, word)), None
        )
        if anything and command is None and (_new(line) is not None or "##[" in line):
            command = Command("", {}, line)
        if command is None:
            continue
        if word is not None:
            word = None
        elif command.name == "stop-commands":
            word = command.data
        else:
            found.append(command)
    return found


def _is_one(command: Command, word: str | None) -> bool:
    return command.name in NAMES if word is None else command.name == word
