"""Writing of answers: the chat completion object, its chunks, embeddings and usage."""

import base64
import copy
import hashlib
import json
import math
import re
import struct
from typing import Any

from llmcompat.simulator import brain, tokens
from llmcompat.simulator.answers import Answer, ApiError, Call, Choice, Context, Json
from llmcompat.simulator.conversation import images_of, text_of

EMBEDDING_SIZE = 256
CREATED = 1767225600
"""Creation time stated for the models: the first of January 2026, UTC."""


def prompt_tokens(body: Json) -> int:
    """Tokens of a chat request: its texts, tools and formats, and a few for each message."""
    total = 3
    for message in body.get("messages") or []:
        total += (
            4
            + tokens.count(text_of(message.get("content")))
            + tokens.IMAGE_TOKENS * len(images_of(message.get("content")))
        )
        if message.get("tool_calls"):
            total += tokens.count(json.dumps(message["tool_calls"], ensure_ascii=False))
    for name in ("tools", "functions", "response_format"):
        if body.get(name):
            total += tokens.count(json.dumps(body[name], ensure_ascii=False))
    return total


def answer(context: Context, created: int, window: int) -> Answer:
    """Think, then cut as the request asks: stop sequences first, token limits after.

    Raises ApiError with code context_length_exceeded where the prompt does not fit in the window.
    """
    body = context.body
    used = prompt_tokens(body)
    if used > window:
        text = (
            f"This model's maximum context length is {window} tokens. However, your messages resulted in "
            f"{used} tokens. Please reduce the length of the messages."
        )
        raise ApiError(400, text, param="messages", code="context_length_exceeded")
    limits = [body[name] for name in ("max_tokens", "max_completion_tokens") if body.get(name) is not None]
    choices = brain.think(body)
    for choice in choices:
        _stop(choice, body.get("stop"))
        _limit(choice, min(limits) if limits else window)
    completion = sum(choice_tokens(choice) for choice in choices)
    identifier = "chatcmpl-" + hashlib.sha256(context.raw + str(context.serial).encode()).hexdigest()[:29]
    return Answer(identifier, created, str(body["model"]), choices, used, completion)


def choice_tokens(choice: Choice) -> int:
    """Completion tokens of one alternative."""
    called = sum(tokens.count(call.name) + tokens.count(call.arguments) for call in choice.calls)
    return called + tokens.count(choice.text or "") + tokens.count(choice.reasoning or "")


def _stop(choice: Choice, stop: Any) -> None:
    found = [
        choice.text.find(word)
        for word in ([stop] if isinstance(stop, str) else stop or [])
        if word and choice.text
    ]
    cuts = [place for place in found if place >= 0]
    if choice.text is not None and cuts:
        choice.text = choice.text[: min(cuts)]


def _limit(choice: Choice, most: int) -> None:
    if choice_tokens(choice) <= most:
        return
    choice.finish_reason = "length"
    if choice.text is not None:
        choice.text = "".join(tokens.split(choice.text)[:most])
    kept: list[Call] = []
    for call in choice.calls:
        most -= tokens.count(call.name)
        if most < 0 and kept:
            break
        pieces = tokens.split(call.arguments)[: max(most, 0)]
        most -= len(pieces)
        kept.append(Call(call.id, call.name, "".join(pieces)))
    choice.calls = kept


def usage(answer: Answer) -> Json:
    """The usage object of a chat completion."""
    return {
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": answer.completion_tokens,
        "total_tokens": answer.prompt_tokens + answer.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": sum(tokens.count(choice.reasoning or "") for choice in answer.choices),
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _logprobs(body: Json, pieces: list[str]) -> Json | None:
    if not body.get("logprobs"):
        return None
    return {"content": [_logprob(piece, body.get("top_logprobs") or 0) for piece in pieces], "refusal": None}


def _logprob(piece: str, alternatives: int) -> Json:
    entry = {"token": piece, "logprob": -0.0625, "bytes": list(piece.encode())}
    others = [
        {"token": word, "logprob": -4.5 - number, "bytes": list(word.encode())}
        for number, word in enumerate(_alternatives(piece, alternatives))
    ]
    return {**entry, "top_logprobs": [copy.deepcopy(entry), *others] if alternatives else []}


def _alternatives(piece: str, count: int) -> list[str]:
    return [f"{piece}{letter}" for letter in "abcdefghijklmnopqrst"][: max(count - 1, 0)]


def _base(answer: Answer, kind: str) -> Json:
    return {"id": answer.id, "object": kind, "created": answer.created, "model": answer.model}


def completion(context: Context, answer: Answer) -> Json:
    """The body of a plain chat completion."""
    choices = []
    for choice in answer.choices:
        message: Json = {"role": "assistant", "content": choice.text, "refusal": None, "annotations": []}
        if choice.reasoning is not None:
            message["reasoning_content"] = choice.reasoning
        if choice.calls:
            message["tool_calls"] = [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": call.arguments},
                }
                for call in choice.calls
            ]
        logprobs = _logprobs(context.body, tokens.split(choice.text)) if choice.text is not None else None
        choices.append(
            {
                "index": choice.index,
                "message": message,
                "logprobs": logprobs,
                "finish_reason": choice.finish_reason,
            }
        )
    return {
        **_base(answer, "chat.completion"),
        "choices": choices,
        "usage": usage(answer),
        "service_tier": "default",
        "system_fingerprint": answer.system_fingerprint,
    }


def chunks(context: Context, answer: Answer) -> list[Json]:
    """The chunks of a streamed chat completion, without the closing `[DONE]`; the alternatives take turns."""
    options = context.body.get("stream_options") or {}
    counted = bool(options.get("include_usage"))
    base = {
        **_base(answer, "chat.completion.chunk"),
        "service_tier": "default",
        "system_fingerprint": answer.system_fingerprint,
    }
    lines = [_choice_chunks(context.body, choice) for choice in answer.choices]
    written: list[Json] = []
    for turn in range(max(len(line) for line in lines)):
        for line in lines:
            if turn < len(line):
                written.append({**base, "choices": [line[turn]], **({"usage": None} if counted else {})})
    if counted:
        written.append({**base, "choices": [], "usage": usage(answer)})
    return written


def _choice_chunks(body: Json, choice: Choice) -> list[Json]:
    deltas: list[tuple[Json, Any]] = [
        ({"role": "assistant", "content": None if choice.calls else "", "refusal": None}, None)
    ]
    deltas += [({"reasoning_content": piece}, None) for piece in tokens.split(choice.reasoning or "")]
    for piece in tokens.split(choice.text or ""):
        deltas.append(({"content": piece}, _logprobs(body, [piece])))
    for number, call in enumerate(choice.calls):
        head = {
            "index": number,
            "id": call.id,
            "type": "function",
            "function": {"name": call.name, "arguments": ""},
        }
        deltas.append(({"tool_calls": [head]}, None))
        for piece in tokens.split(call.arguments):
            deltas.append(({"tool_calls": [{"index": number, "function": {"arguments": piece}}]}, None))
    written = [
        {"index": choice.index, "delta": delta, "logprobs": logprobs, "finish_reason": None}
        for delta, logprobs in deltas
    ]
    return [
        *written,
        {"index": choice.index, "delta": {}, "logprobs": None, "finish_reason": choice.finish_reason},
    ]


def vector(text: str, size: int) -> list[float]:
    """A normalised embedding: hashed words and letter triples, so that similar texts lie near each other."""
    values = [0.0] * size
    folded = " ".join(re.findall(r"\w+", text.lower())) or text
    features = [(word, 2.0) for word in folded.split()] + [
        (folded[start : start + 3], 0.5) for start in range(max(len(folded) - 2, 1))
    ]
    for feature, weight in features:
        digest = hashlib.sha256(feature.encode()).digest()
        values[int.from_bytes(digest[:4], "little") % size] += weight if digest[4] & 1 else -weight
    length = math.sqrt(sum(value * value for value in values))
    if not length:
        values[0] = length = 1.0
    return [value / length for value in values]


def embeddings(body: Json) -> Json:
    """The body of an embeddings answer."""
    given = body["input"]
    inputs = [given] if isinstance(given, str) or isinstance(given[0], int) else given
    texts = [item if isinstance(item, str) else tokens.decode(item) for item in inputs]
    size = body.get("dimensions") or EMBEDDING_SIZE
    data = []
    for index, text in enumerate(texts):
        values = vector(text, EMBEDDING_SIZE)[:size]
        length = math.sqrt(sum(value * value for value in values)) or 1.0
        # Rounded to float32, so that the list and the base64 form hold the same numbers.
        packed = struct.pack(f"<{size}f", *(value / length for value in values))
        plain = body.get("encoding_format") != "base64"
        shown: Any = list(struct.unpack(f"<{size}f", packed)) if plain else base64.b64encode(packed).decode()
        data.append({"object": "embedding", "index": index, "embedding": shown})
    used = sum(len(item) if isinstance(item, list) else tokens.count(item) for item in inputs)
    return {
        "object": "list",
        "data": data,
        "model": body["model"],
        "usage": {"prompt_tokens": used, "total_tokens": used},
    }


def model_entry(name: str) -> Json:
    """One entry of the model list."""
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "simulator"}


def moderation(body: Json, serial: int) -> Json:
    """The body of a moderation answer: nothing is ever flagged."""
    given = body.get("input")
    if given is None:
        raise ApiError(
            400, "Missing required parameter: 'input'.", param="input", code="missing_required_parameter"
        )
    names = (
        "harassment",
        "harassment/threatening",
        "hate",
        "hate/threatening",
        "illicit",
        "illicit/violent",
        "self-harm",
        "self-harm/instructions",
        "self-harm/intent",
        "sexual",
        "sexual/minors",
        "violence",
        "violence/graphic",
    )
    verdict = {
        "flagged": False,
        "categories": dict.fromkeys(names, False),
        "category_scores": dict.fromkeys(names, 0.0001),
    }
    verdict["category_applied_input_types"] = {name: ["text"] for name in names}
    many = len(given) if isinstance(given, list) and all(isinstance(item, str) for item in given) else 1
    return {
        "id": f"modr-{serial:08d}",
        "model": body.get("model") or "demo-moderation",
        "results": [copy.deepcopy(verdict) for _ in range(many)],
    }
