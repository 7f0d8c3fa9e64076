"""`llmcompat capture` and `llmcompat proxy`: record what an application asks and is answered."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from llmcompat.cli import options
from llmcompat.cli.options import BOUNDS, OUTPUT, REQUESTS, TARGET, option

if TYPE_CHECKING:
    import re
    import socket
    from contextlib import AbstractContextManager

    from llmcompat.capture.command import Ended
    from llmcompat.capture.recorder import Recorder, Summary
    from llmcompat.simulator.server import Running

EPILOG = """
**Examples**

`llmcompat capture -- python app.py` — passes everything on to OpenAI, and writes workload.jsonl

`llmcompat capture --upstream deepseek --env LLM_URL -- npm test` — LLM_URL holds the address as well

`llmcompat capture --sample 10% --max-requests 500 --deadline 3600 -- ./server` — an hour of it

`llmcompat capture --upstream demo -- python app.py` — against the built-in endpoint, without a key

**What is written**: requests as OpenAI's Batch input, answers beside them (workload.answers.jsonl) as Batch
output. No key, and no personal data that can be told as such; read both before you share them.

**Exit status**: that of the command, 128 and the signal's number where a signal ended it. 2 where it could
not start, 3 where it did well and no request was seen, 4 where it did well and not all could be written.
"""

PROXY_EPILOG = """
**Examples**

`llmcompat proxy --upstream openai` — then start the application with the address that it shows

`llmcompat proxy --host 0.0.0.0 --port 8765` — for an application in a container

**Exit status**: 0 where requests were seen, 3 where none was, 2 where it could not start, 4 where not all
could be written.
"""

_NONE_SEEN = 3
_NOT_WRITTEN = 4

Upstream = Annotated[
    str,
    option(
        "--upstream",
        panel=TARGET,
        metavar="TARGET",
        complete=options.complete_target,
        help="Where requests go on to: a profile, a target of the project file, or a base URL.",
    ),
]
Out = Annotated[
    str, option("--out", panel=OUTPUT, metavar="PATH", help="The file of requests; answers go beside it.")
]
Overwrite = Annotated[
    bool, option("--overwrite", panel=OUTPUT, help="Replace the files where they are there already.")
]
NoRedact = Annotated[
    bool,
    option(
        "--no-redact",
        panel=OUTPUT,
        help="Leave mail addresses, telephone and card numbers and IBANs as they are. Keys never stay.",
    ),
]
Redact = Annotated[
    list[str] | None,
    option("--redact", panel=OUTPUT, metavar="REGEX", help="Replace what matches this too. Repeatable."),
]
Sample = Annotated[
    str,
    option(
        "--sample", panel=BOUNDS, metavar="PERCENT", help="Record this part of the requests, spread evenly."
    ),
]
MaxRequests = Annotated[
    int | None,
    option("--max-requests", panel=BOUNDS, metavar="N", help="Record so many; all are passed on."),
]
KeepDuplicates = Annotated[
    bool, option("--keep-duplicates", panel=BOUNDS, help="Record a request again that was asked before.")
]


def capture(
    command: Annotated[
        list[str], typer.Argument(metavar="-- COMMAND", help="The application, with its arguments.")
    ],
    upstream: Upstream = "openai",
    out: Out = "workload.jsonl",
    overwrite: Overwrite = False,
    env: Annotated[
        list[str] | None,
        option(
            "--env",
            panel=REQUESTS,
            metavar="NAME",
            help="A variable that holds the base URL for the command, beside OPENAI_BASE_URL. Repeatable.",
        ),
    ] = None,
    port: Annotated[
        int,
        typer.Option(rich_help_panel=REQUESTS, metavar="PORT", min=0, max=65535, help="0 takes a free one."),
    ] = 0,
    insecure_http: options.InsecureHttp = None,
    sample: Sample = "100%",
    max_requests: MaxRequests = None,
    keep_duplicates: KeepDuplicates = False,
    deadline: Annotated[
        float | None,
        option(
            "--deadline",
            panel=BOUNDS,
            metavar="SECONDS",
            help="End a command that does not end by itself; that is no failure.",
        ),
    ] = None,
    no_redact: NoRedact = False,
    redact: Redact = None,
    project: options.ProjectFile = None,
    no_project: options.NoProject = False,
) -> int:
    """Run your application before a recording proxy: its requests and answers become a workload file.

    Everything is passed on byte for byte. The application must take its base URL from OPENAI_BASE_URL, or
    from a variable named with --env.
    """
    import os
    import re
    from math import isfinite

    from llmcompat.capture.command import environment, run
    from llmcompat.cli import streams
    from llmcompat.cli.problems import Problem, printable

    if deadline is not None and not (isfinite(deadline) and deadline > 0):
        raise Problem("--deadline: must be a number of seconds above 0")
    variables = ["OPENAI_BASE_URL", *(env or ())]
    for name in variables:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise Problem(f"--env {printable(name, 40)}: must be the name of an environment variable")
    kept = _Kept(out, overwrite, sample, max_requests, keep_duplicates, no_redact, redact or [])
    with _target(upstream, insecure_http, project, no_project) as base_url:
        listener = _listen("127.0.0.1", port)
        with _recording(kept, listener, base_url) as (recorder, own_url):
            given = environment(os.environ, own_url, variables, root="127.0.0.1")
            try:
                ended = run(command, given, deadline)
            except (OSError, ValueError) as error:
                words = printable(getattr(error, "strerror", None) or str(error))
                raise Problem(f"{printable(command[0])}: cannot be started: {words}") from None
    if ended.signal is not None and not ended.deadline:
        streams.say(f"the command was ended by {ended.signal}")
    elif ended.code and not ended.deadline:
        streams.say(f"the command ended with status {ended.code}")
    _tell(recorder)
    if not recorder.summary.seen:
        streams.say(
            "no request seen, so nothing was recorded: does the application take its base URL from "
            f"{' or '.join(variables)}? Name the one that it reads with --env, or let its client read one"
        )
    return _status(ended, recorder.summary)


def proxy(
    upstream: Upstream = "openai",
    out: Out = "workload.jsonl",
    overwrite: Overwrite = False,
    host: Annotated[
        str,
        option("--host", panel=REQUESTS, metavar="ADDRESS", help="The address to listen on."),
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(rich_help_panel=REQUESTS, metavar="PORT", min=0, max=65535, help="0 takes a free one."),
    ] = 8765,
    insecure_http: options.InsecureHttp = None,
    sample: Sample = "100%",
    max_requests: MaxRequests = None,
    keep_duplicates: KeepDuplicates = False,
    no_redact: NoRedact = False,
    redact: Redact = None,
    project: options.ProjectFile = None,
    no_project: options.NoProject = False,
) -> int:
    """Record as `capture` does, for an application that is started elsewhere, until Ctrl-C."""
    from llmcompat.cli import streams
    from llmcompat.wire.client import is_loopback

    if not is_loopback(f"http://[{host}]" if ":" in host else f"http://{host}"):
        streams.say(
            f"warning: {host} can be reached from other machines, and keys and prompts go there unencrypted"
        )
    kept = _Kept(out, overwrite, sample, max_requests, keep_duplicates, no_redact, redact or [])
    with _target(upstream, insecure_http, project, no_project) as base_url:
        listener = _listen(host, port)
        with _recording(kept, listener, base_url) as (recorder, own_url):
            streams.out(
                f"{own_url}\n  start the application with OPENAI_BASE_URL={own_url}\n  end with Ctrl-C"
            )
            _until_ended()
    _tell(recorder)
    if not recorder.summary.seen:
        streams.say("no request seen, so nothing was recorded: the application must use the address above")
    return _status(None, recorder.summary)


class _Kept:
    """What is recorded and where, as it was typed. Raises Problem."""

    def __init__(
        self,
        out: str,
        overwrite: bool,
        sample: str,
        most: int | None,
        keep_duplicates: bool,
        no_redact: bool,
        redact: list[str],
    ) -> None:
        from pathlib import Path

        from llmcompat.cli.problems import Problem, printable
        from llmcompat.workload.format import answers_path

        self.path = Path(out)
        self.overwrite = overwrite
        self.sample = _share(sample)
        if most is not None and most < 1:
            raise Problem("--max-requests: must be 1 or more")
        self.most = most
        self.keep_duplicates = keep_duplicates
        self.personal = not no_redact
        self.patterns = tuple(map(_pattern, redact))
        if not self.path.name or self.path.is_dir():
            raise Problem(f"--out {printable(out)}: names no file")
        if not self.path.parent.is_dir():
            raise Problem(f"--out {printable(out)}: there is no folder {printable(str(self.path.parent))}")
        for path in (self.path, answers_path(self.path)):
            if path.exists() and not overwrite:
                raise Problem(f"{printable(str(path))}: is there already; name another --out, or --overwrite")
            if path.exists() and not path.is_file():
                raise Problem(f"{printable(str(path))}: is no regular file; name another --out")

    def recorder(self) -> Recorder:
        """The files, opened. Raises Problem."""
        import os

        from llmcompat.capture.recorder import Recorder
        from llmcompat.cli.files import reason
        from llmcompat.cli.problems import Problem, printable
        from llmcompat.cli.target import known_secrets
        from llmcompat.project import is_credential

        secrets = {value for name, value in os.environ.items() if is_credential(name)}
        try:
            return Recorder(
                self.path,
                secrets={*known_secrets(os.environ), *secrets},
                personal=self.personal,
                patterns=self.patterns,
                sample=self.sample,
                most=self.most,
                keep_duplicates=self.keep_duplicates,
                replace=self.overwrite,
            )
        except OSError as error:
            raise Problem(f"--out {printable(str(self.path))}: not written: {reason(error)}") from None


def _share(text: str) -> float:
    from llmcompat.cli.problems import Problem, printable

    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise Problem(f"--sample {printable(text, 40)}: must be a part such as 10% or 0.1, up to 100%")
    return share


def _pattern(text: str) -> re.Pattern[str]:
    import re

    from llmcompat.cli.problems import Problem, printable

    try:
        pattern = re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise Problem(f"--redact {printable(text, 80)}: is no regular expression: {error}") from None
    if pattern.fullmatch(""):
        raise Problem(f"--redact {printable(text, 80)}: matches the empty text; write what must be there")
    return pattern


def _target(
    upstream: str, insecure_http: bool | None, project: str | None, no_project: bool
) -> AbstractContextManager[str]:
    """The base URL that requests go on to; for the built-in endpoint, while it runs. Raises Problem."""
    from contextlib import nullcontext

    from llmcompat.cli.layers import Layers, open_project
    from llmcompat.cli.problems import Problem, printable
    from llmcompat.cli.target import checked_base_url, split_target
    from llmcompat.profiles import load_profile
    from llmcompat.simulator.server import running

    if upstream.lower().startswith(("http://", "https://")):
        return nullcontext(_checked(upstream, bool(insecure_http)))
    layers = Layers(open_project(project, without=no_project), upstream)
    insecure = bool(layers.pick("insecure_http", insecure_http))
    if layers.entry is not None and layers.entry.base_url:
        return nullcontext(checked_base_url(layers.entry.base_url, insecure_http=insecure))
    provider = layers.provider(upstream)
    assert provider is not None
    profile = load_profile(split_target(provider)[0])
    if profile.kind == "demo" and profile.base_url is None:
        return _demo(running())
    if profile.base_url is None:
        raise Problem(
            f"--upstream {printable(upstream)}: the profile has no base_url; give the base URL itself"
        )
    return nullcontext(_checked(profile.base_url, insecure))


def _checked(base_url: str, insecure_http: bool) -> str:
    from llmcompat.cli.problems import Problem
    from llmcompat.cli.target import checked_base_url

    try:
        return checked_base_url(base_url, insecure_http=insecure_http)
    except Problem as problem:
        raise Problem(str(problem).replace("--base-url", "--upstream")) from None


def _listen(host: str, port: int) -> socket.socket:
    from llmcompat.capture.server import listen
    from llmcompat.cli.problems import Problem, printable

    try:
        return listen(host, port)
    except OSError as error:
        why = printable(error.strerror or str(error))
        raise Problem(
            f"cannot listen on {printable(host)} port {port}: {why}; choose another --port"
        ) from None


@contextmanager
def _recording(kept: _Kept, listener: socket.socket, base_url: str) -> Iterator[tuple[Recorder, str]]:
    """The recorder and the proxy's base URL, while it runs."""
    from llmcompat.capture.server import recording

    try:
        recorder = kept.recorder()
    except BaseException:
        listener.close()
        raise
    with recording(listener, base_url, recorder) as own_url:
        yield recorder, own_url


@contextmanager
def _demo(simulator: AbstractContextManager[Running]) -> Iterator[str]:
    with simulator as started:
        yield started.base_url


def _until_ended() -> None:
    """Wait for Ctrl-C or SIGTERM."""
    import signal
    import threading

    over = threading.Event()
    before = {}
    try:
        for each in (signal.SIGINT, signal.SIGTERM):
            before[each] = signal.signal(each, lambda *_: over.set())
        while not over.wait(0.5):
            pass
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _tell(recorder: Recorder) -> None:
    """What was recorded, in one line on standard error, and what to do next in another."""
    from llmcompat.cli import streams
    from llmcompat.cli.problems import printable
    from llmcompat.workload.format import answers_path

    summary, path = recorder.summary, recorder.path
    name = printable(str(path))
    if summary.seen:
        left_out = [
            f"{count} {words}"
            for count, words in (
                (summary.duplicates, "asked before"),
                (summary.sampled_out, "not in the sample"),
                (summary.over_maximum, "above --max-requests"),
                (summary.other, "not to be asked again (no JSON request, or another path)"),
                (summary.too_large, "too large"),
                (summary.dropped, "came faster than they could be written"),
            )
            if count
        ]
        trouble = [
            f"{count} {words}"
            for count, words in (
                (summary.refused, "answered with an error"),
                (summary.unanswered, "without an answer"),
            )
            if count
        ]
        line = f"{summary.seen} requests seen, {summary.recorded} recorded in {name}"
        line += f", answers in {printable(str(answers_path(path)))}"
        if left_out:
            line += f"; not recorded: {', '.join(left_out)}"
        if trouble:
            line += f"; {', '.join(trouble)}"
        streams.say(line)
        if summary.replaced:
            streams.say(
                f"personal data replaced {summary.replaced} times; read the files before you share them"
            )
    if summary.problem is not None:
        streams.say(f"{name}: not all was written: {printable(summary.problem)}")
    elif summary.recorded:
        streams.say(f"next: llmcompat uses {name}, llmcompat check --workload {name}")


def _status(ended: Ended | None, summary: Summary) -> int:
    if ended is not None and ended.code and not ended.deadline:
        return ended.code
    if not summary.seen:
        return _NONE_SEEN
    return _NOT_WRITTEN if summary.problem is not None else 0
