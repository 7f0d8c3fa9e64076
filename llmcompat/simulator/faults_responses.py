"""Faults of the Responses API, and of the lists of files and batches."""

from collections.abc import Callable, Iterator
from typing import Any

from llmcompat.simulator.answers import ApiError, Context, Json
from llmcompat.simulator.register import declare, harmless
from llmcompat.simulator.responses import Event

AREA = "responses"


def _is_response(context: Context, body: Any) -> bool:
    return context.endpoint == "responses" and isinstance(body, dict) and "output" in body


def _missing(name: str, endpoint: str, summary: str) -> None:
    def guard(context: Context) -> None:
        if context.endpoint == endpoint:
            raise ApiError(404, f"Invalid URL ({context.method} {context.path})")

    declare(name, AREA if endpoint == AREA else "batch", summary, operational=True).at("guard")(guard)


_missing("responses-not-offered", "responses", "there is no Responses API")
_missing("files-missing", "files", "there is no list of files")
_missing("batches-missing", "batches", "there is no list of batches")


def _everywhere(name: str, summary: str, change: Callable[[Json], None]) -> None:
    """Declare a fault that changes each response object, plain and at the end of a stream."""
    declared = declare(name, AREA, summary, operational=True)

    @declared.at("body")
    def plain(context: Context, body: Any) -> None:
        if _is_response(context, body):
            change(body)

    @declared.at("events")
    def streamed(context: Context, events: list[Event]) -> None:
        for _, data in events:
            if isinstance(data.get("response"), dict) and data["response"].get("usage"):
                change(data["response"])


def _chat_names(response: Json) -> None:
    usage = response["usage"]
    response["usage"] = {
        "prompt_tokens": usage["input_tokens"],
        "completion_tokens": usage["output_tokens"],
        "total_tokens": usage["total_tokens"],
    }


_everywhere("responses-usage-chat-names", "usage has the names of chat completions", _chat_names)


@declare("responses-status-missing", AREA, "a response has no status", operational=True).at("body")
def _no_status(context: Context, body: Any) -> None:
    if _is_response(context, body):
        body.pop("status")


@declare("responses-annotations-missing", AREA, "text parts have no annotations", operational=True).at("body")
def _no_annotations(context: Context, body: Any) -> None:
    for item in body["output"] if _is_response(context, body) else []:
        for part in item.get("content", []):
            part.pop("annotations")


def _calls(context: Context, body: Any) -> Iterator[Json]:
    for item in body["output"] if _is_response(context, body) else []:
        if item["type"] == "function_call":
            yield item


@declare("responses-call-id-missing", AREA, "function calls have no call_id", operational=True).at("body")
def _no_call_id(context: Context, body: Any) -> None:
    for item in _calls(context, body):
        item.pop("call_id")


@declare("responses-arguments-object", AREA, "arguments are an object", operational=True).at("body")
def _object_arguments(context: Context, body: Any) -> None:
    for item in _calls(context, body):
        item["arguments"] = {"city": "Paris"}


@declare("responses-format-ignored", AREA, "text.format has no effect", operational=True).at("request")
def _format_ignored(context: Context) -> None:
    if context.endpoint == "responses":
        context.body.pop("text", None)


@declare("responses-previous-ignored", AREA, "previous_response_id has no effect", operational=True).at(
    "request"
)
def _previous_ignored(context: Context) -> None:
    if context.endpoint == "responses":
        context.body.pop("previous_response_id", None)


@declare("responses-output-refused", AREA, "results of function calls are refused", operational=True).at(
    "guard"
)
def _output_refused(context: Context) -> None:
    given = context.body.get("input")
    if context.endpoint == "responses" and isinstance(given, list):
        for number, item in enumerate(given):
            if isinstance(item, dict) and item.get("type") == "function_call_output":
                raise ApiError(400, "Unsupported input item.", param=f"input[{number}].type")


@declare("responses-unknown-model-400", AREA, "an unknown model gets 400", operational=True).at("error")
def _unknown_model(context: Context, error: ApiError) -> None:
    if context.endpoint == "responses" and error.code == "model_not_found":
        error.status = 400


@declare("responses-stream-unnamed", AREA, "events of a stream have no name", operational=True).at("events")
def _unnamed(context: Context, events: list[Event]) -> list[Event]:
    return [("", data) for _, data in events]


@declare("responses-stream-no-created", AREA, "a stream lacks response.created", operational=True).at(
    "events"
)
def _no_created(context: Context, events: list[Event]) -> list[Event]:
    rest = [(name, data) for name, data in events if name != "response.created"]
    for number, (_, data) in enumerate(rest):
        data["sequence_number"] = number
    return rest


@declare("responses-stream-unnumbered", AREA, "events have no sequence_number", operational=True).at("events")
def _unnumbered(context: Context, events: list[Event]) -> None:
    for _, data in events:
        data.pop("sequence_number")


@declare("responses-stream-number-gap", AREA, "a sequence_number is left out", operational=True).at("events")
def _gap(context: Context, events: list[Event]) -> None:
    for _, data in events[3:]:
        data["sequence_number"] += 1


@declare("responses-stream-id-changes", AREA, "each event has another response id", operational=True).at(
    "events"
)
def _changing(context: Context, events: list[Event]) -> None:
    for _, data in events:
        if "response" in data:
            data["response"]["id"] += str(data["sequence_number"])


@declare("responses-stream-no-item", AREA, "items of a stream are never added", operational=True).at("events")
def _no_item(context: Context, events: list[Event]) -> list[Event]:
    rest = [(name, data) for name, data in events if name != "response.output_item.added"]
    for number, (_, data) in enumerate(rest):
        data["sequence_number"] = number
    return rest


@declare("responses-stream-text-lost", AREA, "streamed text loses a piece", operational=True).at("events")
def _text_lost(context: Context, events: list[Event]) -> None:
    for name, data in reversed(events):
        if name == "response.output_text.delta":
            data["delta"] = ""
            return


@declare(
    "responses-stream-no-completed", AREA, "a stream ends without response.completed", operational=True
).at("events")
def _no_completed(context: Context, events: list[Event]) -> list[Event]:
    return events[:-1]


@declare("responses-stream-arguments-lost", AREA, "streamed arguments lose a piece", operational=True).at(
    "events"
)
def _arguments_lost(context: Context, events: list[Event]) -> None:
    for name, data in reversed(events):
        if name == "response.function_call_arguments.delta":
            data["delta"] = ""
            return


@harmless("responses-stream-done", AREA, "a stream ends in [DONE] as that of a chat does").at("reply")
def _done(context: Context, reply: Any) -> None:
    if context.endpoint == "responses" and context.streamed and reply.status == 200:
        reply.pieces.append(b"data: [DONE]\n\n")


@harmless("responses-extra", AREA, "responses and items carry unknown fields; a reasoning item leads").at(
    "body"
)
def _extra(context: Context, body: Any) -> None:
    if _is_response(context, body):
        body["output"].insert(0, {"id": "rs_1", "type": "reasoning", "summary": []})
        body["billing"] = {"payer": "developer"}
        for item in body["output"]:
            item["vendor"] = {"route": 1}
