"""Refusal of wrong requests with OpenAI's statuses, codes and parameter names."""

import re
from collections.abc import Collection
from typing import Any

from llmcompat.simulator import images
from llmcompat.simulator.answers import ApiError, Json
from llmcompat.simulator.conversation import images_of, text_of

CHAT_PARAMETERS = frozenset(
    [
        "model",
        "messages",
        "audio",
        "frequency_penalty",
        "function_call",
        "functions",
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "metadata",
        "modalities",
        "n",
        "parallel_tool_calls",
        "prediction",
        "presence_penalty",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "reasoning_effort",
        "response_format",
        "safety_identifier",
        "seed",
        "service_tier",
        "stop",
        "store",
        "stream",
        "stream_options",
        "temperature",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "user",
        "verbosity",
        "web_search_options",
    ]
)
EMBEDDING_PARAMETERS = frozenset(["model", "input", "encoding_format", "dimensions", "user"])
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ROLES = ("system", "developer", "user", "assistant", "tool", "function")
_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_RANGES: dict[str, tuple[float, float]] = {
    "temperature": (0, 2),
    "top_p": (0, 1),
    "frequency_penalty": (-2, 2),
    "presence_penalty": (-2, 2),
    "n": (1, 128),
    "top_logprobs": (0, 20),
    "max_tokens": (1, 10**9),
    "max_completion_tokens": (1, 10**9),
    "seed": (-(2**63), 2**63),
}
_INTEGERS = {"n", "top_logprobs", "max_tokens", "max_completion_tokens", "seed"}
_TYPES: dict[str, tuple[type, str]] = {
    "stream": (bool, "a boolean"),
    "logprobs": (bool, "a boolean"),
    "parallel_tool_calls": (bool, "a boolean"),
    "store": (bool, "a boolean"),
    "user": (str, "a string"),
    "logit_bias": (dict, "an object"),
    "metadata": (dict, "an object"),
    "stream_options": (dict, "an object"),
    "tools": (list, "an array"),
    "functions": (list, "an array"),
    "response_format": (dict, "an object"),
}
_CHOICES = {
    "reasoning_effort": _EFFORTS,
    "verbosity": ("low", "medium", "high"),
    "service_tier": ("auto", "default", "flex", "scale", "priority", "fast"),
}
_FORBIDDEN_KEYWORDS = ("allOf", "not", "dependentRequired", "dependentSchemas", "if", "then", "else")


def no_model(name: Any) -> ApiError:
    """The refusal of an unknown model."""
    message = f"The model `{name}` does not exist or you do not have access to it."
    return ApiError(404, message, code="model_not_found", param="model")


def check_chat(body: Json, models: Collection[str]) -> None:
    """Raise ApiError where OpenAI would refuse a chat completion."""
    for name in body:
        if name not in CHAT_PARAMETERS:
            raise ApiError(400, f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter")
    _check_model(body, models)
    if body.get("messages") is None:
        raise ApiError(
            400,
            "Missing required parameter: 'messages'.",
            param="messages",
            code="missing_required_parameter",
        )
    _check_values(body)
    _check_messages(body["messages"])
    _check_tools(body)
    _check_format(body)


def _check_model(body: Json, models: Collection[str]) -> None:
    model = body.get("model")
    if model is None or model == "":
        raise ApiError(
            400, "you must provide a model parameter", param="model", code="missing_required_parameter"
        )
    if not isinstance(model, str):
        raise _wrong_type("model", "a string", model)
    if model not in models:
        raise no_model(model)


def _wrong_type(param: str, expected: str, value: Any) -> ApiError:
    names = {
        str: "a string",
        bool: "a boolean",
        int: "an integer",
        float: "a decimal",
        list: "an array",
        dict: "an object",
        type(None): "null",
    }
    got = names.get(type(value), "another type")
    return ApiError(
        400,
        f"Invalid type for '{param}': expected {expected}, but got {got} instead.",
        param=param,
        code="invalid_type",
    )


def _check_values(body: Json) -> None:
    for name, (kind, words) in _TYPES.items():
        if body.get(name) is not None and not isinstance(body[name], kind):
            raise _wrong_type(name, words, body[name])
    for name, (low, high) in _RANGES.items():
        value = body.get(name)
        if value is None:
            continue
        whole = name in _INTEGERS
        if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
            raise _wrong_type(name, "an integer" if whole else "a decimal", value)
        if not low <= value <= high:
            side, bound, word = ("below_min", low, ">=") if value < low else ("above_max", high, "<=")
            prefix = "integer" if whole else "decimal"
            message = (
                f"Invalid '{name}': {prefix} {'below minimum' if value < low else 'above maximum'} value. "
                f"Expected a value {word} {bound}, but got {value} instead."
            )
            raise ApiError(400, message, param=name, code=f"{prefix}_{side}_value")
    for name, allowed in _CHOICES.items():
        if body.get(name) is not None and body[name] not in allowed:
            listed = ", ".join(f"'{item}'" for item in allowed)
            raise ApiError(
                400,
                f"Invalid value: '{body[name]}'. Supported values are: {listed}.",
                param=name,
                code="invalid_value",
            )
    stop = body.get("stop")
    if stop is not None and not isinstance(stop, str):
        if not isinstance(stop, list) or not all(isinstance(item, str) for item in stop):
            raise _wrong_type("stop", "one of a string or array of strings", stop)
        if len(stop) > 4:
            message = (
                "Invalid 'stop': array too long. Expected an array with maximum length 4, but got an "
                f"array with length {len(stop)} instead."
            )
            raise ApiError(400, message, param="stop", code="array_above_max_length")
    if body.get("top_logprobs") is not None and not body.get("logprobs"):
        raise ApiError(
            400,
            "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.",
            param="top_logprobs",
            code="invalid_value",
        )
    if body.get("stream_options") is not None and not body.get("stream"):
        raise ApiError(
            400,
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
            param="stream_options",
            code="invalid_value",
        )
    if isinstance(body.get("metadata"), dict) and len(body["metadata"]) > 16:
        raise ApiError(
            400,
            "Invalid 'metadata': too many properties. Expected at most 16.",
            param="metadata",
            code="object_above_max_properties",
        )


def _check_messages(messages: Any) -> None:
    if not isinstance(messages, list):
        raise _wrong_type("messages", "an array of objects", messages)
    if not messages:
        message = (
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty "
            "array instead."
        )
        raise ApiError(400, message, param="messages", code="empty_array")
    open_ids: list[str] = []
    for index, message in enumerate(messages):
        where = f"messages[{index}]"
        if not isinstance(message, dict):
            raise _wrong_type(where, "an object", message)
        role = message.get("role")
        if role not in _ROLES:
            listed = ", ".join(f"'{item}'" for item in _ROLES)
            raise ApiError(
                400,
                f"Invalid value: '{role}'. Supported values are: {listed}.",
                param=f"{where}.role",
                code="invalid_value",
            )
        if open_ids and role != "tool":
            raise _unanswered(open_ids, index)
        _check_content(message, role, where)
        if role == "tool":
            answered = message.get("tool_call_id")
            if not isinstance(answered, str):
                raise ApiError(
                    400,
                    f"Missing required parameter: '{where}.tool_call_id'.",
                    param=f"{where}.tool_call_id",
                    code="missing_required_parameter",
                )
            if answered not in open_ids:
                text = (
                    "Invalid parameter: messages with role 'tool' must be a response to a preceding "
                    "message with 'tool_calls'."
                )
                raise ApiError(400, text, param=f"{where}.role")
            open_ids.remove(answered)
        elif role == "assistant":
            open_ids = _check_history_calls(message, where)
    if open_ids:
        raise _unanswered(open_ids, len(messages))


def _unanswered(ids: list[str], index: int) -> ApiError:
    text = (
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
        "'tool_call_id'. The following tool_call_ids did not have response messages: "
    )
    return ApiError(400, text + ", ".join(ids), param=f"messages.[{index}].role")


def _check_history_calls(message: Json, where: str) -> list[str]:
    ids: list[str] = []
    calls = message.get("tool_calls")
    if calls is not None and not isinstance(calls, list):
        raise _wrong_type(f"{where}.tool_calls", "an array of objects", calls)
    for number, call in enumerate(calls or []):
        place = f"{where}.tool_calls[{number}]"
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict) or not isinstance(call.get("id"), str):
            raise ApiError(
                400,
                f"Missing required parameter: '{place}.id' or '.function'.",
                param=place,
                code="missing_required_parameter",
            )
        if not isinstance(function.get("arguments"), str):
            raise _wrong_type(f"{place}.function.arguments", "a string", function.get("arguments"))
        ids.append(call["id"])
    return ids


def _check_content(message: Json, role: str, where: str) -> None:
    content = message.get("content")
    if content is None:
        if role == "assistant" and (
            message.get("tool_calls")
            or message.get("function_call")
            or message.get("refusal")
            or message.get("audio")
        ):
            return
        raise ApiError(
            400,
            f"Invalid value for 'content': expected a string, got null. ('{where}.content')",
            param=f"{where}.content",
        )
    if isinstance(content, str):
        return
    if not isinstance(content, list):
        raise _wrong_type(f"{where}.content", "one of a string or array of objects", content)
    for number, part in enumerate(content):
        place = f"{where}.content[{number}]"
        if not isinstance(part, dict) or not isinstance(part.get("type"), str):
            raise ApiError(
                400,
                f"Missing required parameter: '{place}.type'.",
                param=f"{place}.type",
                code="missing_required_parameter",
            )
        allowed = (
            ("text", "image_url", "input_audio", "file")
            if role == "user"
            else ("text", "refusal")
            if role == "assistant"
            else ("text",)
        )
        if part["type"] not in allowed:
            listed = ", ".join(f"'{item}'" for item in allowed)
            raise ApiError(
                400,
                f"Invalid value: '{part['type']}'. Supported values are: {listed}.",
                param=f"{place}.type",
                code="invalid_value",
            )
        if part["type"] == "text" and not isinstance(part.get("text"), str):
            raise ApiError(
                400,
                f"Missing required parameter: '{place}.text'.",
                param=f"{place}.text",
                code="missing_required_parameter",
            )
        if part["type"] == "image_url" and not isinstance(
            (part.get("image_url") or {}) if isinstance(part.get("image_url"), dict) else None, dict
        ):
            raise _wrong_type(f"{place}.image_url", "an object", part.get("image_url"))
    for url in images_of(content):
        _check_image(url)


def _check_image(url: str) -> None:
    try:
        images.load(url)
    except ValueError as error:
        if "base64" in str(error):
            raise ApiError(400, "Invalid base64 image_url.", code="invalid_base64") from None
        if "data URLs" in str(error):
            raise ApiError(400, f"Error while downloading {url[:200]}.", code="invalid_image_url") from None
        text = (
            "You uploaded an unsupported image. Please make sure your image is valid and has one of the "
            "following formats: png, jpeg, gif, webp."
        )
        raise ApiError(400, text, code="image_parse_error") from None


def _check_tools(body: Json) -> None:
    tools = body.get("tools")
    if tools is not None and not tools:
        message = (
            "Invalid 'tools': empty array. Expected an array with minimum length 1, but got an empty array "
            "instead."
        )
        raise ApiError(400, message, param="tools", code="empty_array")
    names: list[str] = []
    for index, tool in enumerate(tools or []):
        where = f"tools[{index}]"
        if not isinstance(tool, dict) or tool.get("type") not in ("function", "custom"):
            kind = tool.get("type") if isinstance(tool, dict) else tool
            raise ApiError(
                400,
                f"Invalid value: '{kind}'. Supported values are: 'function' and 'custom'.",
                param=f"{where}.type",
                code="invalid_value",
            )
        function = tool.get("function")
        if not isinstance(function, dict):
            raise ApiError(
                400,
                f"Missing required parameter: '{where}.function'.",
                param=f"{where}.function",
                code="missing_required_parameter",
            )
        name = function.get("name")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            place = f"{where}.function.name"
            if isinstance(name, str) and len(name) > 64:
                text = (
                    f"Invalid '{place}': string too long. Expected a string with maximum length 64, but "
                    f"got a string with length {len(name)} instead."
                )
                raise ApiError(400, text, param=place, code="string_above_max_length")
            raise ApiError(
                400,
                f"Invalid '{place}': string does not match pattern. Expected a string that matches the "
                "pattern '^[a-zA-Z0-9_-]+$'.",
                param=place,
                code="invalid_value",
            )
        if function.get("strict"):
            problem = strict_problem(
                function.get("parameters")
                or {"type": "object", "properties": {}, "additionalProperties": False}
            )
            if problem:
                raise ApiError(
                    400,
                    f"Invalid schema for function '{name}': {problem}",
                    param=f"{where}.function.parameters",
                    code="invalid_function_parameters",
                )
        names.append(name)
    choice = body.get("tool_choice")
    if choice is None:
        return
    if not tools and choice != "none":
        raise ApiError(
            400,
            "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.",
            param="tool_choice",
        )
    if isinstance(choice, str) and choice not in ("none", "auto", "required"):
        raise ApiError(
            400,
            f"Invalid value: '{choice}'. Supported values are: 'none', 'auto', and 'required'.",
            param="tool_choice",
            code="invalid_value",
        )
    if isinstance(choice, dict) and choice.get("type") == "function":
        named = (choice.get("function") or {}).get("name")
        if named not in names:
            raise ApiError(
                400,
                f"Tool choice '{named}' not found in 'tools' parameter.",
                param="tool_choice",
                code="invalid_value",
            )


def _check_format(body: Json) -> None:
    wanted = body.get("response_format")
    if wanted is None:
        return
    kind = wanted.get("type")
    if kind not in ("text", "json_object", "json_schema"):
        text = f"Invalid value: '{kind}'. Supported values are: 'json_object', 'json_schema', and 'text'."
        raise ApiError(400, text, param="response_format.type", code="invalid_value")
    if (
        kind == "json_object"
        and "json" not in " ".join(text_of(message.get("content")) for message in body["messages"]).lower()
    ):
        raise ApiError(
            400,
            "'messages' must contain the word 'json' in some form, to use 'response_format' of type "
            "'json_object'.",
            param="messages",
        )
    if kind != "json_schema":
        return
    outline = wanted.get("json_schema")
    if not isinstance(outline, dict):
        raise ApiError(
            400,
            "Missing required parameter: 'response_format.json_schema'.",
            param="response_format.json_schema",
            code="missing_required_parameter",
        )
    name = outline.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ApiError(
            400,
            "Missing required parameter: 'response_format.json_schema.name'.",
            param="response_format.json_schema.name",
            code="missing_required_parameter",
        )
    schema = outline.get("schema")
    if not isinstance(schema, dict):
        raise ApiError(
            400,
            "Missing required parameter: 'response_format.json_schema.schema'.",
            param="response_format.json_schema.schema",
            code="missing_required_parameter",
        )
    problem = strict_problem(schema) if outline.get("strict") else None
    if problem:
        raise ApiError(
            400,
            f"Invalid schema for response_format '{name}': {problem}",
            param="response_format",
            code="invalid_json_schema",
        )


def strict_problem(schema: Any) -> str | None:
    """What keeps a schema out of the strict subset of structured outputs, or None."""
    if not isinstance(schema, dict):
        return "the schema must be an object."
    root = schema
    for _ in range(5):
        if isinstance(root.get("$ref"), str) and root["$ref"].startswith("#/$defs/"):
            root = schema.get("$defs", {}).get(root["$ref"].removeprefix("#/$defs/"), {})
    if "anyOf" in root or root.get("type") != "object":
        return f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{root.get('type')}\"'."
    return _subset_problem(schema, ())


def _subset_problem(schema: Any, path: tuple[str, ...]) -> str | None:
    if not isinstance(schema, dict):
        return None
    context = f"In context=({', '.join(repr(step) for step in path)}), "
    for keyword in _FORBIDDEN_KEYWORDS:
        if keyword in schema:
            return f"{context}'{keyword}' is not permitted."
    properties = schema.get("properties")
    if schema.get("type") == "object" or isinstance(properties, dict):
        if schema.get("additionalProperties") is not False:
            return f"{context}'additionalProperties' is required to be supplied and to be false."
        missing = [name for name in properties or {} if name not in (schema.get("required") or [])]
        if missing:
            return (
                f"{context}'required' is required to be supplied and to be an array including every key in "
                f"properties. Missing '{missing[0]}'."
            )
    children: list[tuple[tuple[str, ...], Any]] = [
        ((*path, "properties", name), part) for name, part in (properties or {}).items()
    ]
    children += [((*path, "$defs", name), part) for name, part in (schema.get("$defs") or {}).items()]
    children += [
        ((*path, "anyOf", str(number)), part) for number, part in enumerate(schema.get("anyOf") or [])
    ]
    children.append(((*path, "items"), schema.get("items")))
    return next((problem for place, part in children if (problem := _subset_problem(part, place))), None)


def check_embeddings(body: Json, models: Collection[str], size: int) -> None:
    """Raise ApiError where OpenAI would refuse an embeddings request; `size` is the native length."""
    for name in body:
        if name not in EMBEDDING_PARAMETERS:
            raise ApiError(400, f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter")
    _check_model(body, models)
    given = body.get("input")
    if given is None:
        raise ApiError(
            400, "Missing required parameter: 'input'.", param="input", code="missing_required_parameter"
        )
    if given in ("", []) or not isinstance(given, (str, list)):
        raise ApiError(
            400,
            "'$.input' is invalid. Please check the API reference: "
            "https://platform.openai.com/docs/api-reference.",
            param="input",
        )
    if isinstance(given, list):
        numbers = all(isinstance(item, int) and not isinstance(item, bool) for item in given)
        texts = all(isinstance(item, str) and item for item in given)
        lists = all(
            isinstance(item, list) and item and all(isinstance(number, int) for number in item)
            for item in given
        )
        if not (numbers or texts or lists):
            raise ApiError(
                400,
                "'$.input' is invalid. Please check the API reference: "
                "https://platform.openai.com/docs/api-reference.",
                param="input",
            )
        if not numbers and len(given) > 2048:
            raise ApiError(
                400,
                f"Invalid 'input': array too long. Expected at most 2048 items, but got {len(given)} "
                "instead.",
                param="input",
                code="array_above_max_length",
            )
    if body.get("encoding_format") not in (None, "float", "base64"):
        raise ApiError(
            400,
            f"Invalid value: '{body['encoding_format']}'. Supported values are: 'float' and 'base64'.",
            param="encoding_format",
            code="invalid_value",
        )
    dimensions = body.get("dimensions")
    if dimensions is not None and (isinstance(dimensions, bool) or not isinstance(dimensions, int)):
        raise _wrong_type("dimensions", "an integer", dimensions)
    if dimensions is not None and not 1 <= dimensions <= size:
        raise ApiError(
            400,
            f"Invalid value for 'dimensions' = {dimensions}. Must be between 1 and {size}.",
            param="dimensions",
            code="invalid_value",
        )
