"""Streaming: answers arrive piece by piece, and the pieces are the whole answer."""

import re
from typing import Any

from llmcompat import (
    MISSING,
    Api,
    Exchanges,
    Reply,
    blocked,
    check,
    dig,
    fail,
    is_int,
    judged,
    load_json,
    note,
    probe,
    unanswered,
)

from ._control import obeys, taken
from ._finish_reasons import FINISH_REASONS
from ._streams import (
    asked,
    came_to_end,
    choices_by_index,
    chunks_of,
    complete,
    described,
    each_delta,
    each_field,
    has_error,
    is_blank,
    is_error,
    is_ping,
    pieces_of,
    readable,
    repeats,
    shortened,
    sound,
)

LAST = 40
QUESTION = f"Count from 1 to {LAST}, separated by commas."
CHARACTERS = ("🎉👩‍🚀", "日本語", "naïve café", "Ünïcödé")
UNICODE = "Repeat exactly, and nothing else: " + " ".join(CHARACTERS)

FEW_PIECES = 2
"""So many pieces of text, or fewer, are no stream of an answer of a hundred characters."""

AT_ONCE = 0.005
"""Seconds within which all of a long answer's pieces arrive only if somebody held them back."""


# --- probes


@probe(owner="stream-accepted", grounds=["hello"], quick=True)
async def stream_text(api: Api) -> Reply:
    """A streamed answer of some hundred tokens, with usage where the endpoint takes stream_options."""
    return await api.chat(QUESTION, stream=True)


@probe(owner="unstreamed-accepted", grounds=["hello"], quick=True)
async def plain_text(api: Api) -> Reply:
    """The same request without a stream."""
    return await api.chat(QUESTION)


@probe(owner="stream-unicode", grounds=["hello", "stream_text"])
async def unicode_stream(api: Api) -> Reply:
    """Characters of several bytes, streamed without stream_options."""

    def repeated(reply: Reply) -> bool:
        return all(piece in reply.text for piece in CHARACTERS)

    return await api.chat(UNICODE, stream=True, stream_options=..., until=repeated)


# --- it is a stream at all


@check(
    "stream-accepted", feature="streaming", fix="Ask without a stream, and show the answer when it is whole."
)
def stream_accepted(stream_text: Reply) -> None:
    """A streamed chat is accepted.

    Chat products show text while it is written, and agents use streams to keep long requests alive.
    """
    taken(stream_text, "stream-rejected")


@check("unstreamed-accepted", fix="Ask with stream: true, and join the pieces yourself.")
def unstreamed_accepted(plain_text: Reply) -> None:
    """The same chat is accepted without a stream.

    Background jobs and most frameworks ask without a stream by default.
    """
    taken(plain_text, "unstreamed-rejected")


@check(
    "stream-events",
    feature="streaming",
    trial="must",
    fix="Look at the content type before you read events; ask without a stream where none comes.",
)
def stream_events(exchanges: Exchanges) -> None:
    """A stream is made of server-sent events.

    Clients split the body at blank lines: where there are none, the SDKs raise or return an empty answer
    without a word.
    """
    expected = "events, each one `data: <JSON>` line and a blank line"
    for reply in asked(exchanges):
        if isinstance(reply.document, dict):
            if "choices" not in reply.document and reply.document.get("error"):
                blocked("error-status")
            fail(reply.excerpt, expected=expected, case="stream-true-ignored")
        if reply.all_chunks:
            continue
        if not reply.body.strip():
            if reply.exchange.ended == "cut":
                blocked("stream-complete")
            fail("200 and no byte", expected=expected, case="stream-empty-200-body")
        payloads = [block.data for block in reply.blocks if block.data is not None]
        if any(_runs_together(data) for data in payloads):
            fail(reply.excerpt, expected=expected, case="single-newline")
        if any(line.startswith("{") for block in reply.blocks for line in block.framing.unknown):
            fail(reply.excerpt, expected=expected, case="json-lines")
        fail(reply.excerpt, expected=expected, case="no-chunks" if payloads else "no-data-events")


def _runs_together(data: str) -> bool:
    """Whether a block's data are several payloads that lack the blank line between them."""
    lines = [line for line in data.split("\n") if line.strip()]
    return len(lines) > 1 and all(line == "[DONE]" or _json_object(line) is not None for line in lines)


def _json_object(text: str) -> dict[str, Any] | None:
    try:
        value = load_json(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


@check(
    "stream-content-type",
    feature="streaming",
    chat="should",
    agent="should",
    fix="Do not choose the parser by the content type; a browser's EventSource needs a proxy that sets it.",
)
def stream_content_type(exchanges: Exchanges) -> None:
    """A stream's content type is text/event-stream.

    The SDKs do not look at it, but EventSource refuses any other, and proxies buffer or cache what is not
    marked as a stream.
    """
    for reply in readable(exchanges):
        if reply.media_type != "text/event-stream":
            seen = reply.header("content-type") or "no content-type"
            fail(seen, expected="text/event-stream", case="stream-wrong-content-type")


@check(
    "stream-data-json",
    feature="streaming",
    trial="must",
    fix="Skip what does not parse in a wrapper around the transport; no SDK has a switch for it.",
)
def stream_data_json(exchanges: Exchanges) -> None:
    """Every data payload is a chunk as JSON, or [DONE].

    The SDKs parse every payload: one that is no JSON ends the answer with an exception, and a JSON ping fails
    where clients validate.
    """
    streams = tuple(reply for reply in asked(exchanges) if reply.all_chunks)
    for reply in judged(streams, nothing="stream-events"):
        if isinstance(reply.document, dict):
            continue
        for block in reply.blocks:
            if block.data is None or not block.finished or block.data.strip().upper() in ("", "[DONE]"):
                continue
            case = _payload_case(block.data)
            if case is not None:
                fail(shortened(block.data), expected="a JSON object with choices, or [DONE]", case=case)


def _payload_case(data: str) -> str | None:
    if data.lstrip().startswith(":"):
        return "sse-comment-rewrapped-as-data"
    if _runs_together(data):
        return "single-newline"
    try:
        value = load_json(data)
    except ValueError:
        return "not-a-number" if re.search(r"[:\[,]\s*-?(?:NaN|Infinity)\b", data) else "invalid-json"
    if not isinstance(value, dict):
        return "not-an-object"
    return "json-ping" if is_ping(value) else None


@check(
    "stream-no-empty-events",
    feature="streaming",
    fix="Filter events without data in a wrapper around the transport, or put a gateway before the endpoint.",
)
def stream_no_empty_events(exchanges: Exchanges) -> None:
    """No event comes without data.

    openai-python and all that is built on it parse the empty data of a keep-alive such as `event: ping`, and
    raise. Comments are the form of keep-alive that every client skips.
    """
    for reply in readable(exchanges):
        for block in reply.blocks:
            framing = block.framing
            if block.data == "" and block.finished:
                fail(block.framing.event or "data:", expected="comments as keep-alives", case="empty-data")
            if block.data is not None or not block.finished:
                continue
            for name, value in (("event", framing.event), ("id", framing.id), ("retry", framing.retry)):
                if value is not None:
                    seen = f"{name}: {value}, without data"
                    fail(seen, expected="comments as keep-alives", case=f"{name}-without-data")


@check(
    "stream-utf8",
    feature="streaming",
    fix="Decode with errors='replace' in a transport of your own; openai-python raises UnicodeDecodeError.",
)
def stream_utf8(exchanges: Exchanges) -> None:
    """A stream is UTF-8.

    openai-python raises UnicodeDecodeError at the first byte that is not. A character whose bytes lie in two
    reads is legal, and a parser of your own must join them.
    """
    split = False
    for reply in readable(exchanges):
        for block in reply.blocks:
            if block.framing.bad_utf8 and block.finished:
                fail(shortened(block.data or ""), expected="UTF-8", case="invalid-utf8")
        body = reply.body
        split |= any(end < len(body) and body[end] & 0xC0 == 0x80 for end, _ in reply.exchange.arrivals)
    if split:
        note("a read ended inside a character: a parser of your own must join bytes before it decodes them")


# --- framing that is legal, and that parsers written by hand stumble over


@check(
    "stream-line-ends",
    feature="streaming",
    chat="should",
    agent="should",
    fix="Split lines at CRLF, LF and CR alike, as the rules of server-sent events say.",
)
def stream_line_ends(exchanges: Exchanges) -> None:
    r"""Lines of a stream end with LF, as OpenAI's do.

    Parsers written by hand split at \n\n and never see an event where lines end with CRLF; with CR alone Go's
    clients see nothing either.
    """
    for reply in readable(exchanges):
        alone = re.search(rb"\r(?!\n)", reply.body.rstrip(b"\r\n") if b"\n" in reply.body else reply.body)
        if alone:
            fail(
                repr(reply.body[max(0, alone.start() - 40) : alone.end() + 20]), expected="LF", case="cr-only"
            )
        if b"\r\n" in reply.body:
            fail(r"lines end with \r\n", expected="LF", case="sse-crlf-delimiters")


@check(
    "stream-comments",
    feature="streaming",
    chat="should",
    agent="should",
    fix="Skip lines that begin with a colon in a parser of your own; the SDKs do.",
)
def stream_comments(exchanges: Exchanges) -> None:
    """No comment lines stand between the events.

    They are legal keep-alives and every SDK skips them; parsers written against OpenAI, which sends none,
    try to read them as JSON.
    """
    for reply in readable(exchanges):
        comments = [comment for block in reply.blocks for comment in block.framing.comments]
        if comments:
            seen = f"{len(comments)} in one stream, the first: {shortened(': ' + comments[0])}"
            fail(seen, expected="none", case="sse-comment-keepalive")


@check(
    "stream-data-space",
    feature="streaming",
    chat="should",
    agent="should",
    fix="Look for `data:` without the space in a parser of your own, and strip at most one space behind it.",
)
def stream_data_space(exchanges: Exchanges) -> None:
    """A space stands behind `data:`.

    It may be left out; parsers written by hand that look for `data: ` find no event then.
    """
    for reply in readable(exchanges):
        block = next((block for block in reply.blocks if block.framing.spaceless), None)
        if block is not None:
            fail(f"data:{shortened(block.data or '')}", expected="data: {…}", case="sse-data-without-space")


@check(
    "stream-single-data-line",
    feature="streaming",
    chat="should",
    agent="should",
    fix="Join the data lines of an event before you parse; go-openai reads each line alone and fails.",
)
def stream_single_data_line(exchanges: Exchanges) -> None:
    """Each chunk is one data line.

    JSON that runs over several data lines is legal, but clients that read line by line cannot parse it.
    """
    for reply in readable(exchanges):
        for block in reply.blocks:
            if block.framing.data_lines > 1 and _json_object(block.data or "") is not None:
                fail(shortened(block.data), expected="one line", case="multi-line-data")


@check(
    "stream-no-bom",
    feature="streaming",
    chat="should",
    agent="should",
    fix="Strip a byte order mark before you parse.",
)
def stream_no_bom(exchanges: Exchanges) -> None:
    """No byte order mark stands before the first event.

    The rules say to drop it; openai-python does not, and loses the first event without a word.
    """
    for reply in readable(exchanges):
        if reply.body.startswith(b"\xef\xbb\xbf"):
            fail("EF BB BF", expected="the first event", case="byte-order-mark")


# --- how it ends


@check(
    "stream-error-event",
    feature="streaming",
    trial="must",
    fix="Check every event for `error` before you read choices, drop the partial text, and retry.",
)
def stream_error_event(exchanges: Exchanges) -> None:
    """No stream breaks off with an error event.

    A stream that fails before its first token should be refused by status, which the SDKs retry; a flat error
    is passed over by most clients, and the answer just ends early.
    """
    for reply in asked(exchanges):
        if isinstance(reply.document, dict):
            continue
        found = next((chunk for chunk in reply.all_chunks if is_error(chunk.data)), None)
        if found is None:
            continue
        error = found.data.get("error")
        if not error:
            case = "flat-error"
        elif not isinstance(error, dict):
            case = "error-as-string"
        elif _done(reply) or not any(seconds <= found.seconds for _, seconds in pieces_of(reply)):
            case = "stream-error-as-data-event-200"
        else:
            case = "failed-midway"
        fail(shortened(found.data), expected="a whole answer, or a status of 4xx or 5xx", case=case)
    judged((reply for reply in asked(exchanges) if reply.all_chunks), nothing="stream-events")


def _done(reply: Reply) -> bool:
    return any(block.data is not None and block.data.strip() == "[DONE]" for block in reply.blocks)


@check(
    "stream-error-key",
    feature="streaming",
    fix="Drop the key in a gateway; openai-java, openai-go and the AI SDK take it for an error.",
)
def stream_error_key(exchanges: Exchanges) -> None:
    """Chunks carry no `error` key.

    Clients ask whether the key is there, and raise although its value is null.
    """
    for reply in readable(exchanges):
        for chunk in chunks_of(reply):
            if "error" in chunk.data:
                fail(shortened(chunk.data), expected="no key `error`", case="error-null")


@check(
    "stream-complete",
    feature="streaming",
    trial="must",
    fix="Treat an answer without a finish_reason as failed, and ask again: most clients return its text.",
)
def stream_complete(exchanges: Exchanges) -> None:
    """A stream comes to its end, and says so.

    A stream that closes in the middle looks like a short answer to most clients; some even report `stop`.
    """
    expected = "a finish_reason and [DONE]"
    for reply in asked(exchanges):
        if has_error(reply) or isinstance(reply.document, dict) or reply.exchange.ended == "bounded":
            continue
        if reply.exchange.ended == "cut" and not _done(reply):
            seen = f"{reply.exchange.error or 'cut'} after {reply.exchange.seconds:.1f} s, {_tail(reply)}"
            fail(seen, expected=expected, case="stream-cut")
        if chunks_of(reply) and not reply.terminated:
            seen = f"closed after {reply.exchange.seconds:.1f} s, {_tail(reply)}"
            fail(seen, expected=expected, case="stream-truncated-without-terminal")
    complete(exchanges)


def _tail(reply: Reply) -> str:
    return "at the end: " + reply.body[-200:].decode(errors="replace").strip()


@check(
    "stream-done",
    feature="streaming",
    chat="should",
    agent="should",
    fix="Take the end of the body for the end of the stream; do not wait for [DONE].",
)
def stream_done(exchanges: Exchanges) -> None:
    """A stream ends with [DONE] and a blank line.

    The SDKs do without it; loops written by hand wait for it, and report a stream without it as broken.
    """
    for reply in complete(exchanges):
        last = next(
            (block for block in reversed(reply.blocks) if block.data is not None and _like_done(block.data)),
            None,
        )
        if last is None and not reply.blocks[-1].finished:
            blocked("stream-last-event")
        if last is None:
            fail(_tail(reply), expected="data: [DONE]", case="stream-missing-done")
        if not last.finished:
            fail(_tail(reply), expected="a blank line behind [DONE]", case="done-unfinished")


def _like_done(data: str) -> bool:
    return data.strip().upper() == "[DONE]"


@check(
    "stream-done-exact",
    feature="streaming",
    fix="Compare the payload stripped and in upper case in a transport of your own.",
)
def stream_done_exact(exchanges: Exchanges) -> None:
    """The end is spelled [DONE], and no otherwise.

    Clients compare it letter by letter and parse anything else as JSON: openai-node fails on a space
    behind it, everybody on lower case.
    """
    ended = [
        reply for reply in complete(exchanges) if any(_like_done(block.data or "") for block in reply.blocks)
    ]
    for reply in judged(ended, nothing="stream-done"):
        for block in reply.blocks:
            if block.data is not None and _like_done(block.data) and block.data != "[DONE]":
                case = "done-trailing-space" if block.data.strip() == "[DONE]" else "done-lower-case"
                fail(repr(block.data), expected="[DONE]", case=case)


@check(
    "stream-nothing-after-done",
    feature="streaming",
    fix="Stop reading at [DONE]; the AI SDK reads on and shows what follows.",
)
def stream_nothing_after_done(exchanges: Exchanges) -> None:
    """Nothing follows [DONE].

    Some clients read on, and add what follows to the answer or fail on it.
    """
    ended = [
        reply for reply in complete(exchanges) if any(_like_done(block.data or "") for block in reply.blocks)
    ]
    for reply in judged(ended, nothing="stream-done"):
        payloads = [block.data for block in reply.blocks if block.data is not None]
        first = next(number for number, data in enumerate(payloads) if _like_done(data))
        if len(payloads) > first + 1:
            fail(shortened(payloads[first + 1]), expected="the end of the body", case="data-after-done")


@check(
    "stream-last-event",
    feature="streaming",
    fix="Feed your parser a blank line at the end of the body.",
)
def stream_last_event(exchanges: Exchanges) -> None:
    """The last chunk ends with a blank line.

    An event without one is dropped, as the rules say: the finish_reason or the usage is lost with it.
    """
    for reply in complete(exchanges):
        last = reply.blocks[-1]
        if not last.finished and last.data and not _like_done(last.data):
            fail(_tail(reply), expected="a blank line behind the last event", case="last-event-unfinished")


# --- when it arrives


@check(
    "stream-incremental",
    feature="streaming",
    fix="Look for a proxy on your side that buffers; ask without a stream where nothing is gained by it.",
)
def stream_incremental(stream_text: Reply) -> None:
    """Text arrives while it is written.

    A stream whose text comes in one piece at the end keeps users waiting before an empty page, and runs into
    the time limits that streams are to avoid.
    """
    sound(stream_text)
    text = stream_text.text
    pieces = pieces_of(stream_text)
    expected = "many pieces, one after the other"
    if len(pieces) <= FEW_PIECES:
        if len(text) < 60:
            unanswered(f"an answer of {len(text)} characters is too short to tell")
        fail(
            f"{len(text)} characters in {len(pieces)} piece(s)",
            expected=expected,
            case="stream-not-incremental",
        )
    first, last = pieces[0][1], pieces[-1][1]
    if first > 1 and last - first < AT_ONCE and len(pieces) >= 20:
        seen = f"{len(pieces)} pieces within {(last - first) * 1000:.1f} ms, after {first:.1f} s"
        fail(seen, expected=expected, case="held-back")
    inside = sum(
        not stream_text.body[:end].endswith((b"\n\n", b"\r\n\r\n"))
        for end, _ in stream_text.exchange.arrivals
    )
    if inside:
        note(f"{inside} of {len(stream_text.exchange.arrivals)} reads ended inside an event, which is legal")


@check(
    "stream-compressed",
    feature="streaming",
    chat="should",
    agent="should",
    fix="Send Accept-Encoding: identity with streams.",
)
def stream_compressed(stream_text: Reply) -> None:
    """A stream is not held back by compression.

    A compressor that is not flushed behind every event lets text through in bursts.
    """
    _ = stream_text.chunks
    coding = (stream_text.header("content-encoding") or "identity").strip().lower()
    if coding == "identity":
        return
    times = {seconds for _, seconds in pieces_of(stream_text)}
    if len(times) * 5 <= len(pieces_of(stream_text)):
        seen = f"{coding}: {len(pieces_of(stream_text))} pieces in {len(times)} read(s)"
        fail(seen, expected="each event when it is made", case="stream-compressed-batching")
    note(f"streams come compressed ({coding})")


# --- what a chunk says of itself


@check(
    "stream-metadata",
    feature="streaming",
    fix="Take id, model and created from the first chunk that has them.",
)
def stream_metadata(exchanges: Exchanges) -> None:
    """No chunk comes with blank metadata.

    Clients group chunks by id and skip those whose object is not that of a chunk, so that their text is lost.
    """
    for reply in readable(exchanges):
        for chunk in chunks_of(reply):
            if is_blank(chunk.data) and chunk.data.get("choices"):
                seen, expected = shortened(chunk.data), "id, object and model in every chunk"
                fail(seen, expected=expected, case="stream-blank-chunk-metadata")


@check(
    "stream-object",
    feature="streaming",
    fix="Set the field in a gateway; openai-python's stream helper needs it.",
)
def stream_object(exchanges: Exchanges) -> None:
    """The field object of a chunk is "chat.completion.chunk".

    openai-python's .stream() skips chunks with any other value, and fails with a bare AssertionError.
    """

    def case(value: Any) -> str | None:
        if value == "chat.completion.chunk":
            return None
        return "object-missing" if value in (MISSING, None, "") else "object-wrong"

    each_field(readable(exchanges), "object", case, expected='"chat.completion.chunk"')


@check("stream-id", feature="streaming", fix="Make an id of your own for each answer.")
def stream_id(exchanges: Exchanges) -> None:
    """The field id of a chunk is a string.

    Typed clients cannot read a chunk without one, and the result of openai-node's stream helper has none.
    """

    def case(value: Any) -> str | None:
        if value in (MISSING, None, ""):
            return "id-missing"
        return None if isinstance(value, str) else "id-not-string"

    each_field(readable(exchanges), "id", case, expected="a string")


@check(
    "stream-id-constant",
    feature="streaming",
    chat="should",
    agent="should",
    fix="Take the id of the first chunk for the whole answer.",
)
def stream_id_constant(exchanges: Exchanges) -> None:
    """All chunks of an answer have the same id.

    openai-go's accumulator refuses a chunk with another id; logs cannot be joined by it.
    """
    for reply in judged((each for each in readable(exchanges) if described(each)), nothing="stream-metadata"):
        ids = list(
            dict.fromkeys(
                value
                for each in described(reply)
                if isinstance(value := each.data.get("id"), str) and "\ufffd" not in value
            )
        )
        if not ids:
            blocked("stream-id")
        if len(ids) > 1:
            fail(f"{len(ids)} ids: {', '.join(ids[:3])}", expected="one id", case="stream-chunk-id-changes")


@check("stream-created", feature="streaming", fix="Take your own clock's time.")
def stream_created(exchanges: Exchanges) -> None:
    """The field created of a chunk, where it is sent, is whole seconds.

    Typed clients fail on a fraction or a string.
    """

    def case(value: Any) -> str | None:
        if value is MISSING or value is None:
            return None
        if isinstance(value, float):
            return "created-float"
        return None if is_int(value) else "created-not-integer"

    each_field(readable(exchanges), "created", case, expected="Unix time in whole seconds")


@check(
    "stream-created-present",
    feature="streaming",
    chat="should",
    agent="should",
    fix="Take your own clock's time.",
)
def stream_created_present(exchanges: Exchanges) -> None:
    """The field created is in every chunk.

    Strictly typed clients such as async-openai for Rust cannot read a chunk without it.
    """
    each_field(
        readable(exchanges),
        "created",
        lambda value: "created-missing" if value is MISSING or value is None else None,
        expected="Unix time in whole seconds",
    )


@check("stream-model", feature="streaming", fix="Take the model's name from your own request.")
def stream_model(exchanges: Exchanges) -> None:
    """The field model of a chunk, where it is sent, is a string.

    Strictly typed clients cannot read a chunk with another type.
    """

    def case(value: Any) -> str | None:
        return None if value in (MISSING, None) or isinstance(value, str) else "model-not-string"

    each_field(readable(exchanges), "model", case, expected="a string")


@check(
    "stream-model-present",
    feature="streaming",
    chat="should",
    agent="should",
    fix="Take the model's name from your own request.",
)
def stream_model_present(exchanges: Exchanges) -> None:
    """Chunks name the model.

    The strictest clients cannot read a chunk without it, and code that books costs by it has no name.
    """

    def case(value: Any) -> str | None:
        return "model-missing" if value in (MISSING, None, "") else None

    each_field(readable(exchanges), "model", case, expected="a string")


# --- choices and deltas


@check(
    "stream-choices",
    feature="streaming",
    trial="must",
    fix="Guard every access to choices; openai-python's and openai-node's stream helpers cannot be guarded.",
)
def stream_choices(exchanges: Exchanges) -> None:
    """Every chunk has a list of choices, and some chunk has a choice.

    Loops over chunk.choices raise where the list is missing or null.
    """
    for reply in readable(exchanges):
        for chunk in chunks_of(reply):
            choices = chunk.data.get("choices", MISSING)
            if isinstance(choices, list) and all(isinstance(choice, dict) for choice in choices):
                continue
            if isinstance(chunk.data.get("usage"), dict) and not isinstance(choices, list):
                continue  # the chunk of the usage has a check of its own
            case = (
                "choices-missing"
                if choices is MISSING
                else "choices-null"
                if choices is None
                else "choices-wrong"
            )
            fail(shortened(chunk.data), expected="a list", case=case)
        if came_to_end(reply) and not any(chunk.choices for chunk in chunks_of(reply)):
            chunks = chunks_of(reply)
            seen = f"{len(chunks)} chunks without a choice, the first: {shortened(chunks[0].data)}"
            fail(seen, expected="at least one choice", case="no-choices")


def _with_choices(exchanges: Exchanges) -> tuple[Reply, ...]:
    return judged(
        (reply for reply in readable(exchanges) if any(chunk.choices for chunk in chunks_of(reply))),
        nothing="stream-choices",
    )


@check(
    "stream-first-chunk-choices",
    feature="streaming",
    chat="should",
    agent="should",
    fix="Skip chunks whose choices are empty before you read choices[0].",
)
def stream_first_chunk_choices(exchanges: Exchanges) -> None:
    """The first chunk has a choice.

    A first chunk with choices: [] is legal, as Azure sends it; code that reads choices[0] of every chunk
    raises an IndexError.
    """
    for reply in _with_choices(exchanges):
        first = chunks_of(reply)[0].data
        if first.get("choices") == [] and not first.get("usage"):
            fail(shortened(first), expected="a choice", case="stream-empty-choices-first-chunk")


@check(
    "stream-index", feature="streaming", fix="Take 0 where the index is missing and one choice was asked for."
)
def stream_index(exchanges: Exchanges) -> None:
    """A choice of a chunk has its number in index.

    Pieces are joined by it: the stream helpers of openai-python and openai-node and the AI SDK fail without.
    """
    for reply in _with_choices(exchanges):
        for chunk in chunks_of(reply):
            for choice in chunk.choices:
                index = choice.get("index", MISSING)
                if not is_int(index):
                    kinds = {MISSING: "index-missing", None: "index-null"}
                    case = (
                        kinds.get(index, "index-not-integer") if not isinstance(index, (dict, list)) else None
                    )
                    fail(shortened(choice), expected="an integer", case=case or "index-not-integer")


@check(
    "stream-delta",
    feature="streaming",
    trial="must",
    fix="Guard with `if choice.delta`; frameworks that read delta.content cannot be guarded.",
)
def stream_delta(exchanges: Exchanges) -> None:
    """A choice of a chunk has a delta, {} where there is nothing to say.

    The loops of every SDK read delta.content of each chunk, also of the one with the finish_reason.
    """
    for reply in _with_choices(exchanges):
        for chunk in chunks_of(reply):
            for choice in chunk.choices:
                delta = choice.get("delta", MISSING)
                if isinstance(delta, dict):
                    continue
                case = (
                    "delta-null" if delta is None else "delta-missing" if delta is MISSING else "delta-wrong"
                )
                fail(shortened(choice), expected="an object", case=case)


def _with_deltas(exchanges: Exchanges) -> tuple[Reply, ...]:
    return judged(
        (reply for reply in _with_choices(exchanges) if any(True for _ in each_delta((reply,)))),
        nothing="stream-delta",
    )


@check(
    "stream-delta-content",
    feature="streaming",
    trial="must",
    fix="Join the text parts of the array in a wrapper, or turn the mode off that sends parts.",
)
def stream_delta_content(exchanges: Exchanges) -> None:
    """The content of a delta is text, null or absent.

    Loops add it to a string: an array of parts raises a TypeError, or is dropped without a word.
    """
    for delta in each_delta(_with_deltas(exchanges)):
        content = delta.get("content")
        if content is not None and not isinstance(content, str):
            case = "response-content-array" if isinstance(content, list) else "content-not-text"
            fail(shortened(delta), expected="a string or null", case=case)


@check(
    "stream-role",
    feature="streaming",
    fix="Set the role to assistant yourself before the message goes into the history.",
)
def stream_role(exchanges: Exchanges) -> None:
    """An answer's deltas begin with the role assistant.

    openai-node's stream helper fails without a role and on an empty one, and LangChain makes a message of an
    unknown kind. Later deltas may leave it out, repeat it or say null.
    """
    for reply in _with_deltas(exchanges):
        for choices in choices_by_index(reply).values():
            deltas = [delta for choice in choices if isinstance(delta := choice.get("delta"), dict)]
            roles = [delta["role"] for delta in deltas if delta.get("role") is not None]
            if "" in roles:
                fail('role: ""', expected='"assistant" or absent', case="stream-role-empty-string")
            wrong = next((role for role in roles if role != "assistant"), None)
            if wrong is not None:
                fail(f"role: {wrong!r}", expected='"assistant"', case="role-other")
            if deltas and not roles:
                fail(shortened(deltas[0]), expected='role: "assistant"', case="stream-role-missing")


@check(
    "stream-role-later",
    feature="streaming",
    chat="should",
    agent="should",
    fix="Ignore a role that is null, and keep the first one.",
)
def stream_role_later(exchanges: Exchanges) -> None:
    """Later deltas leave the role out instead of saying null.

    The SDKs cope with null; typed parsers written against OpenAI, which leaves the key out, have not.
    """
    for reply in _with_deltas(exchanges):
        for delta in list(each_delta((reply,)))[1:]:
            if delta.get("role", MISSING) is None:
                fail(shortened(delta), expected="no key role", case="stream-role-null-later")


@check(
    "stream-delta-only",
    feature="streaming",
    fix="Read delta and never message from a chunk.",
)
def stream_delta_only(exchanges: Exchanges) -> None:
    """A chunk does not repeat the whole message beside its delta.

    A client that reads both shows the text many times, and a long answer's stream grows with its square.
    """
    for reply in _with_deltas(exchanges):
        for chunk in chunks_of(reply):
            for choice in chunk.choices:
                if dig(choice, "message.content") not in (MISSING, None, ""):
                    fail(shortened(choice), expected="delta alone", case="stream-repeats-full-message")


@check(
    "stream-pieces-once",
    feature="streaming",
    trial="must",
    fix="Cut what you have already from the front of each piece.",
)
def stream_pieces_once(stream_text: Reply) -> None:
    """Each delta holds new text alone.

    Every client appends the deltas: text that is repeated in them is shown again and again.
    """
    _ = stream_text.text
    case = repeats(stream_text)
    if case is not None:
        pieces = [piece for piece, _ in pieces_of(stream_text)]
        fail(shortened([*pieces[1:4], pieces[-1]]), expected="new text alone", case=case)


# --- the finish_reason


@check(
    "stream-finish-reason",
    feature="streaming",
    trial="must",
    fix="Treat a stream that ends with [DONE] as finished; compare the tokens used with your limit.",
)
def stream_finish_reason(exchanges: Exchanges) -> None:
    """A stream says why it ended.

    openai-node's stream helper and the AI SDK fail without a finish_reason; others report none, so that an
    answer that the token limit cut looks whole.
    """
    for reply in complete(exchanges):
        for index, choices in choices_by_index(reply).items():
            if not any(choice.get("finish_reason") not in (None, "") for choice in choices):
                seen = f"finish_reason is null in all {len(choices)} chunks of choice {index}"
                fail(seen, expected="one finish_reason for each choice", case="stream-finish-reason-missing")


@check(
    "stream-finish-reason-value",
    feature="streaming",
    fix="Map the endpoint's words to OpenAI's in a wrapper.",
)
def stream_finish_reason_value(exchanges: Exchanges) -> None:
    """A stream says why it ended in one of OpenAI's words.

    Clients with closed lists fail on another word, others turn it into `stop` or `other`.
    """
    values = [
        choice["finish_reason"]
        for reply in readable(exchanges)
        for choices in choices_by_index(reply).values()
        for choice in choices
        if choice.get("finish_reason") not in (None, "")
    ]
    for value in values:
        if value not in FINISH_REASONS:
            case = {
                "tool_call": "finish-reason-tool-call-singular",
                "model_context_window_exceeded": "finish-reason-context-window",
            }.get(str(value), "finish-reason-outside-enum")
            fail(value, expected=", ".join(FINISH_REASONS), case=case)
    if not values:
        complete(exchanges)
        blocked("stream-finish-reason")


@check(
    "stream-finish-reason-once",
    feature="streaming",
    chat="should",
    agent="should",
    fix="Keep the first finish_reason that is not null.",
)
def stream_finish_reason_once(exchanges: Exchanges) -> None:
    """A choice's finish_reason comes once.

    Accumulators keep the last one, and loops that stop at the first never see the usage behind it.
    """
    for reply in complete(exchanges):
        for choices in choices_by_index(reply).values():
            reasons = [
                choice["finish_reason"] for choice in choices if choice.get("finish_reason") not in (None, "")
            ]
            if len(reasons) > 1:
                fail(
                    reasons,
                    expected="one",
                    case="finish-reason-repeated"
                    if len(set(map(str, reasons))) == 1
                    else "finish-reason-changes",
                )
    if not any(isinstance(reply.find_finish_reason(), str) for reply in complete(exchanges)):
        blocked("stream-finish-reason")


# --- usage


def _asked_for_usage(exchanges: Exchanges) -> tuple[Reply, ...]:
    """The complete streams whose request asked for usage."""
    return judged(
        (reply for reply in complete(exchanges) if dig(reply.sent, "stream_options.include_usage") is True),
        nothing="stream-options-accepted",
    )


def _usages(reply: Reply) -> list[dict[str, Any]]:
    return [usage for chunk in chunks_of(reply) if isinstance(usage := chunk.data.get("usage"), dict)]


def _with_usage(exchanges: Exchanges) -> tuple[Reply, ...]:
    return judged((reply for reply in _asked_for_usage(exchanges) if _usages(reply)), nothing="stream-usage")


def _counters(usage: dict[str, Any]) -> list[Any]:
    return [usage.get(name) for name in ("prompt_tokens", "completion_tokens", "total_tokens")]


@check(
    "stream-usage",
    feature="streaming",
    fix="Count tokens yourself, or read the usage where the endpoint has it.",
)
def stream_usage(exchanges: Exchanges) -> None:
    """A stream brings the usage that was asked for.

    Without it, costs and limits are booked as zero by whoever trusts stream_options.include_usage.
    """
    expected = "usage at the top level of the last chunk"
    for reply in _asked_for_usage(exchanges):
        usages = _usages(reply)
        if usages and any(value is not None for usage in usages for value in _counters(usage)):
            continue
        if usages:
            fail(shortened(usages[-1]), expected=expected, case="usage-null-valued")
        for chunk in chunks_of(reply):
            for name, value in chunk.data.items():
                if isinstance(dig(value, "usage"), dict):
                    seen = f"{name}.usage: {shortened(dig(value, 'usage'))}"
                    fail(seen, expected=expected, case="stream-usage-in-vendor-field")
        fail(f"none in {len(chunks_of(reply))} chunks", expected=expected, case="stream-usage-missing")


@check(
    "stream-usage-choices",
    feature="streaming",
    fix="Add choices: [] to that chunk in a gateway; the stream helpers fail on it.",
)
def stream_usage_choices(exchanges: Exchanges) -> None:
    """The chunk with the usage has a list of choices.

    The stream helpers of openai-python and openai-node, the AI SDK and LlamaIndex raise where it is missing
    or null.
    """
    for reply in _with_usage(exchanges):
        for chunk in chunks_of(reply):
            choices = chunk.data.get("choices", MISSING)
            if isinstance(chunk.data.get("usage"), dict) and not isinstance(choices, list):
                case = "usage-choices-missing" if choices is MISSING else "usage-choices-null"
                fail(shortened(chunk.data), expected="choices: []", case=case)


@check(
    "stream-usage-once",
    feature="streaming",
    fix="Keep the last usage of a stream and never add them up; LangChain and PydanticAI add them up.",
)
def stream_usage_once(exchanges: Exchanges) -> None:
    """A stream's usage comes once.

    Several clients add up what every chunk says, so that users are billed many times the tokens.
    """
    for reply in _with_usage(exchanges):
        usages = _usages(reply)
        if len(usages) == 1:
            continue
        early = [value for usage in usages[:-1] for value in _counters(usage)]
        if not any(early):
            case = "stream-usage-placeholder-zeros"
        else:
            case = "stream-usage-duplicated" if len(usages) == 2 else "stream-usage-on-every-chunk"
        seen = f"{len(usages)} times in {len(chunks_of(reply))} chunks, the first: {shortened(usages[0])}"
        fail(seen, expected="once, in the last chunk", case=case)


@check(
    "stream-usage-chunk",
    feature="streaming",
    chat="should",
    agent="should",
    fix="Look for usage in every chunk, also in those with choices.",
)
def stream_usage_chunk(exchanges: Exchanges) -> None:
    """The usage comes in a chunk of its own, with choices: [].

    Code that looks for usage only where choices are empty misses it; code that skips chunks with usage loses
    text.
    """
    for reply in _with_usage(exchanges):
        if len(_usages(reply)) > 1:
            blocked("stream-usage-once")
        for chunk in chunks_of(reply):
            if isinstance(chunk.data.get("usage"), dict) and chunk.choices:
                seen = shortened(chunk.data)
                fail(seen, expected="choices: []", case="stream-usage-with-content-chunk")


@check(
    "stream-usage-counted",
    feature="streaming",
    fix="Count tokens yourself for streams, or take the usage of unstreamed requests.",
)
def stream_usage_counted(exchanges: Exchanges) -> None:
    """A stream's usage counts something.

    Zeros are booked as free requests.
    """
    for reply in _with_usage(exchanges):
        usage = _usages(reply)[-1]
        prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
        if prompt == 0:
            case = "stream-usage-zero-with-tools" if reply.sent.get("tools") else "usage-zero"
            fail(shortened(usage), expected="the tokens of the prompt", case=case)
        if completion == 0 and (pieces_of(reply) or reply.find_tool_calls()):
            fail(shortened(usage), expected="the tokens of the answer", case="completion-zero")


@check(
    "stream-usage-agrees",
    feature="streaming",
    fix="Bill by the usage of unstreamed requests, or count tokens yourself.",
)
def stream_usage_agrees(stream_text: Reply, plain_text: Reply) -> None:
    """A stream counts the same prompt tokens as the same request unstreamed.

    Where they differ, one of the two bills wrong.
    """
    sound(stream_text)
    if dig(stream_text.sent, "stream_options.include_usage") is not True:
        blocked("stream-options-accepted")
    streamed, plain = stream_text.usage["prompt_tokens"], plain_text.usage["prompt_tokens"]
    if streamed == 0:
        blocked("stream-usage-counted")
    if streamed != plain:
        seen = f"{streamed} streamed, {plain} unstreamed"
        if abs(streamed - plain) > max(3, plain // 10):
            fail(seen, expected="the same", case="prompt-tokens-differ")
        note(f"prompt_tokens: {seen}")


# --- the same answer as without a stream


@check(
    "stream-agrees-finish-reason",
    feature="streaming",
    fix="Do not branch on finish_reason in streams.",
)
def stream_agrees_finish_reason(stream_text: Reply, plain_text: Reply) -> None:
    """A stream ends for the same reason as the same request unstreamed.

    Code that was tested unstreamed takes the other branch when it streams.
    """
    sound(stream_text)
    for reply in (stream_text, plain_text):
        _ = reply.text
        if reply.finish_reason not in FINISH_REASONS:
            blocked("stream-finish-reason-value" if reply.streamed else "response-finish-reason")
    if stream_text.finish_reason != plain_text.finish_reason:
        seen = f"{stream_text.finish_reason} streamed, {plain_text.finish_reason} unstreamed"
        fail(seen, expected="the same", case="finish-reason-differs")


@check(
    "stream-agrees-text",
    feature="streaming",
    fix="Ask without a stream until the provider has mended it.",
)
def stream_agrees_text(stream_text: Reply, plain_text: Reply) -> None:
    """A stream loses nothing of the answer that comes unstreamed.

    Pieces that a gateway drops, joins or repeats leave a text that looks right until somebody reads it.
    """
    sound(stream_text)
    streamed, plain = stream_text.text.strip(), plain_text.text.strip()
    counted = [str(number) for number in range(1, LAST + 1)]
    if re.findall(r"\d+", plain) == counted and (numbers := re.findall(r"\d+", streamed)) != counted:
        lost_head = bool(numbers) and numbers == counted[-len(numbers) :]
        lost_tail = bool(numbers) and numbers == counted[: len(numbers)]
        case = "missing-head" if lost_head else "missing-tail" if lost_tail else "text-differs"
        fail(shortened(streamed), expected=shortened(plain), case=case)
    if streamed != plain:
        note("the streamed and the unstreamed answer differ in wording")


@check(
    "stream-agrees-model",
    feature="streaming",
    chat="should",
    agent="should",
    fix="Pin the model or the route, where the endpoint has a parameter for it.",
)
def stream_agrees_model(stream_text: Reply, plain_text: Reply) -> None:
    """A stream names the same model as the same request unstreamed.

    A name that differs tells of two routes behind one endpoint, or of a gateway that fills in what it does
    not know.
    """
    names = [value for chunk in stream_text.chunks if (value := chunk.data.get("model"))]
    plain = plain_text.at("model")
    if not names:
        blocked("stream-model-present")
    if not isinstance(plain, str):
        blocked("response-model")
    if names[-1] != plain:
        fail(f"{names[-1]} streamed, {plain} unstreamed", expected="the same", case="model-echo-differs")


@check(
    "stream-unicode",
    feature="streaming",
    kind="behaviour",
    fix="Ask without a stream where text is not plain ASCII; lost characters cannot be brought back.",
)
def stream_unicode(unicode_stream: Reply, hello: Reply) -> None:
    """Characters of several bytes arrive whole.

    A server that decodes the model's tokens one by one replaces emoji and Chinese characters by U+FFFD.
    """
    taken(unicode_stream, "unicode-stream-rejected")
    obeys(hello)
    sound(unicode_stream)
    text = unicode_stream.text
    if "\ufffd" in text:
        fail(text, expected=" ".join(CHARACTERS), case="stream-utf8-replacement-from-server")
    if re.search("[\ud800-\udfff]", "".join(piece for piece, _ in pieces_of(unicode_stream))):
        fail(ascii(text), expected=" ".join(CHARACTERS), case="stream-lone-surrogate")
    if any(piece in text for piece in CHARACTERS):
        return
    mangled = any(piece.encode().decode("cp1252", errors="ignore")[:3] in text for piece in CHARACTERS)
    if not mangled and text.isascii() and "?" not in text:
        unanswered("the model did not repeat the text that it was given")
    fail(text, expected=" ".join(CHARACTERS), case="mojibake" if mangled else "characters-lost")
