"""Requests of the application in short form (`workload` in llmcompat.yaml), with what answers must hold."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, model_validator

from llmcompat.yamlfile import nearest

MAX_PATTERN = 1000
"""Characters of a pattern in `matches`."""

_OWN = {
    "messages": "write it as `prompt` and `system`, or as `messages` beside `body`",
    "model": "write it as `model` beside `body`; without it, each target is asked for its own",
    "stream": "write it as `stream` beside `body`",
    "tools": "write them as `tools` beside `body`",
    "response_format": "write it as `schema` beside `body`",
}
"""Fields of a chat request that have a key of their own."""

_LANGUAGE = re.compile(r"[a-z]{2}")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def _several(value: Any) -> Any:
    """One text, or a list of them."""
    return [value] if isinstance(value, str) else value


def _pattern(value: str) -> str:
    if len(value) > MAX_PATTERN:
        raise ValueError(f"must have at most {MAX_PATTERN} characters")
    try:
        re.compile(value)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"is no regular expression ({error})") from None
    return value


def _language(value: str) -> str:
    if not _LANGUAGE.fullmatch(value):
        raise ValueError("must be a language of ISO 639-1 in two letters, such as de")
    return value


def _json_schema(value: Any) -> Any:
    from jsonschema import Draft202012Validator, SchemaError

    if isinstance(value, dict):
        try:
            Draft202012Validator.check_schema(value)
        except SchemaError as error:
            raise ValueError(f"is no JSON Schema ({error.message[:120]})") from None
    return value


def _function_name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError("must be the name of a function: letters, digits, _ and -, 64 at most")
    return value


Text = Annotated[str, Field(min_length=1)]
Texts = Annotated[tuple[Text, ...], BeforeValidator(_several)]
Pattern = Annotated[str, Field(min_length=1), AfterValidator(_pattern)]
Patterns = Annotated[tuple[Pattern, ...], BeforeValidator(_several)]
Schema = Annotated[dict[str, JsonValue], AfterValidator(_json_schema)]
FunctionName = Annotated[str, AfterValidator(_function_name)]


class _Frozen(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False, populate_by_name=True
    )


def _no_arguments() -> dict[str, JsonValue]:
    return {"type": "object", "properties": {}}


class Tool(_Frozen):
    """A function that the model may call."""

    name: FunctionName
    description: str = ""
    parameters: Schema = Field(default_factory=_no_arguments)
    """JSON Schema of its arguments."""
    strict: bool | None = None


class Calls(_Frozen):
    """A call that the answer must make."""

    tool: FunctionName
    arguments: dict[str, JsonValue] = Field(default_factory=dict, alias="with")
    """Arguments that it must have, with these values; others are free."""

    @model_validator(mode="before")
    @classmethod
    def _tool_alone(cls, data: Any) -> Any:
        """A plain text stands for a call with any arguments."""
        return {"tool": data} if isinstance(data, str) else data


class Expectations(_Frozen):
    """What an answer must hold; what is not said is not judged."""

    contains: Texts = ()
    """Texts that must all be in it, whatever their case."""
    matches: Patterns = ()
    """Regular expressions that must all be found in it."""
    json_schema: Schema | None = None
    """It must be JSON that this JSON Schema (draft 2020-12) holds for."""
    calls: Calls | None = None
    max_latency: Annotated[float, Field(gt=0)] | None = None
    """Seconds until the answer is whole."""
    language: Annotated[str, AfterValidator(_language)] | None = None
    """ISO 639-1, such as de."""
    refused: Literal[False] | None = None
    """False where the model must not decline to answer."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is expected."""
        return self == Expectations()


class PromptEntry(_Frozen):
    """One request of the application in short form."""

    name: Text | None = None
    """What reports call it; else its place in the list."""
    prompt: Text | None = None
    system: Text | None = None
    messages: Annotated[tuple[dict[str, JsonValue], ...], Field(min_length=1)] | None = None
    """A whole conversation in place of `prompt` and `system`."""
    model: Text | None = None
    """The model that the application names; each target is asked for its own."""
    tools: tuple[Tool, ...] = ()
    answer_schema: Schema | None = Field(default=None, alias="schema")
    """JSON Schema of the answer, sent as response_format."""
    stream: bool = False
    body: dict[str, JsonValue] = Field(default_factory=dict)
    """Further fields of the request."""
    expect: Expectations = Field(default_factory=Expectations)

    @model_validator(mode="before")
    @classmethod
    def _prompt_alone(cls, data: Any) -> Any:
        """A plain text stands for a prompt."""
        return {"prompt": data} if isinstance(data, str) else data

    @model_validator(mode="after")
    def _one_conversation(self) -> PromptEntry:
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("needs either prompt or messages")
        if self.messages is not None and self.system is not None:
            raise ValueError("has messages and system; put the system message into messages")
        for name in self.body:
            if name in _OWN:
                raise ValueError(f"body has {name}: {_OWN[name]}")
        names = [tool.name for tool in self.tools]
        if len(set(names)) < len(names):
            raise ValueError("has two tools of one name; rename one")
        called = self.expect.calls
        if called is not None and called.tool not in names:
            if not names:
                raise ValueError(f"expects a call of {called.tool} and has no tools; add it to tools")
            raise ValueError(f"expects a call of {called.tool}; {nearest(called.tool, names)}")
        return self

    def chat_body(self) -> dict[str, Any]:
        """The body of the chat request, without `model` where none is named."""
        messages: list[Any] = list(self.messages or ())
        if self.prompt is not None:
            messages = [{"role": "system", "content": self.system}] if self.system is not None else []
            messages.append({"role": "user", "content": self.prompt})
        body: dict[str, Any] = {"model": self.model} if self.model is not None else {}
        body["messages"] = messages
        if self.tools:
            body["tools"] = [
                {"type": "function", "function": tool.model_dump(exclude_none=True)} for tool in self.tools
            ]
        if self.answer_schema is not None:
            named = {"name": "answer", "strict": True, "schema": self.answer_schema}
            body["response_format"] = {"type": "json_schema", "json_schema": named}
        if self.stream:
            body["stream"] = True
        return body | self.body
