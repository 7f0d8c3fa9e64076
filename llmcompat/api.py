"""What a probe talks to the endpoint with: requests built on the basics, asked again until obeyed."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from llmcompat.declare import Ending, Probe
from llmcompat.model import Ask, Exchange
from llmcompat.profiles.schema import Profile
from llmcompat.reply import BUNDLE, Predicate, Replies, Reply
from llmcompat.settings import Settings
from llmcompat.wire.client import MAX_BODY, MAX_LIST, RETRIES, Client, Request

Messages = str | Sequence[Mapping[str, Any]]
"""A user's message as text, or a list of messages."""

ASKS = 3
"""How often a model is asked for something before its not obeying counts."""

DEFAULT_CAP = 1024
"""Output tokens that a probe allows where it does not say: a thinking model comes to its answer in them."""

STREAM_BYTES_PER_TOKEN = 4096
"""Bytes of a stream that one token may take: a chunk with all its fields, or with log probabilities."""

_WORDS = [
    "amber",
    "anchor",
    "apple",
    "arrow",
    "autumn",
    "badge",
    "bamboo",
    "banjo",
    "basil",
    "beacon",
    "birch",
    "bishop",
    "blanket",
    "bottle",
    "breeze",
    "bronze",
    "candle",
    "canyon",
    "carbon",
    "castle",
    "cedar",
    "cherry",
    "cobalt",
    "comet",
    "copper",
    "coral",
    "cotton",
    "cradle",
    "crystal",
    "dagger",
    "daisy",
    "desert",
    "dolphin",
    "dragon",
    "eagle",
    "ember",
    "falcon",
    "feather",
    "fiddle",
    "forest",
    "galaxy",
    "garden",
    "ginger",
    "glacier",
    "granite",
    "hammer",
    "harbor",
    "hazel",
    "helmet",
    "honey",
    "indigo",
    "island",
    "ivory",
    "jacket",
    "jasmine",
    "jungle",
    "kettle",
    "ladder",
    "lantern",
    "lemon",
    "lilac",
    "linen",
    "lobster",
    "magnet",
    "maple",
    "marble",
    "meadow",
    "meteor",
    "mirror",
    "mustard",
    "nectar",
    "needle",
    "nickel",
    "oasis",
    "ocean",
    "olive",
    "onyx",
    "orchid",
    "otter",
    "oyster",
    "paddle",
    "panther",
    "pearl",
    "pepper",
    "pigeon",
    "pillow",
    "planet",
    "plum",
    "pocket",
    "prairie",
    "pumpkin",
    "quartz",
    "rabbit",
    "raven",
    "ribbon",
    "river",
    "rocket",
    "saddle",
    "saffron",
    "salmon",
    "sandal",
    "sapphire",
    "saturn",
    "scarlet",
    "shadow",
    "silver",
    "spider",
    "spiral",
    "spruce",
    "stadium",
    "summit",
    "sunset",
    "temple",
    "thunder",
    "tiger",
    "timber",
    "topaz",
    "tulip",
    "tunnel",
    "turtle",
    "valley",
    "velvet",
    "violet",
    "walnut",
    "willow",
    "window",
    "winter",
    "zephyr",
]


_BEGUN = 1000
"""Urgency that is above that of any chain of probes."""


class Stop(Exception):
    """The run cannot go on: no money left, a refused key. The text is the reason, in one line."""


@dataclass
class Basics:
    """What this endpoint takes of what nearly every request carries, found out once by `basics`."""

    token_limit: str | None = "max_tokens"
    """The parameter that caps output tokens, or None where neither name is taken."""
    temperature: float | None = 0.0
    """None where the endpoint refuses it."""
    stream_options: bool = True
    extra: dict[str, Any] = field(default_factory=dict)
    """The profile's switch that turns thinking off, where it is taken."""

    def as_dict(self) -> dict[str, Any]:
        """For the report: settings that worked."""
        return {
            "token_limit": self.token_limit,
            "temperature": self.temperature,
            "stream_options": self.stream_options,
            "extra": self.extra,
        }


class Conversation:
    """What all probes of a run share: client, settings, basics, what was sent already, and the budget."""

    def __init__(
        self,
        client: Client,
        settings: Settings,
        profile: Profile,
        *,
        seed: str,
    ) -> None:
        self.client = client
        self.settings = settings
        self.profile = profile
        self.basics = Basics(extra=dict(profile.thinking.off) if profile.thinking else {})
        self.seed = seed
        self.asks: list[Ask] = []
        self.requests = 0
        self.behind: Mapping[str, int] = {}
        """How long a chain of probes waits for each probe: the longest are the most urgent."""
        self._begun: set[str] = set()
        self._sent: dict[bytes, asyncio.Future[list[Exchange]]] = {}

    async def send(self, request: Request, *, probe: str, part: str | None, sample: str) -> list[Exchange]:
        """Send a request, or give what the same one brought: its identity is its bytes and its sample."""
        # its hash: a body may be a megabyte, and what was sent is remembered as long as the run goes on
        told = json.dumps([request.method, request.path, request.key, request.headers, sample])
        hashed = hashlib.sha256(told.encode(errors="replace"))
        hashed.update(request.body or b"")
        identity = hashed.digest()
        if identity in self._sent:
            return await asyncio.shield(self._sent[identity])
        future: asyncio.Future[list[Exchange]] = asyncio.get_running_loop().create_future()
        self._sent[identity] = future
        try:
            self.requests += 1
            exchanges = await self.client.send(
                request, probe=probe, part=part, sample=sample, urgency=lambda: self._urgency(probe)
            )
            self._begun.add(probe)
        except BaseException as error:
            del self._sent[identity]
            future.cancel()
            raise error
        future.set_result(exchanges)
        return exchanges

    def _urgency(self, probe: str) -> int:
        """Who has begun goes on before others begin: how many questions are still to come nobody knows."""
        return self.behind.get(probe, 0) + (_BEGUN if probe in self._begun else 0)

    def add_ask(self, ask: Ask) -> None:
        """Keep that a probe has asked for something and which exchanges answered it."""
        self.asks.append(ask)


class Api:
    """The endpoint as one probe sees it."""

    def __init__(self, conversation: Conversation, probe: Probe, round: int = 1) -> None:
        self._conversation = conversation
        self._probe = probe
        self._round = round
        self.basics = conversation.basics
        self.settings = conversation.settings
        self.profile = conversation.profile

    def word(self, name: str) -> str:
        """A code word for this purpose: ordinary, unlikely, the same whenever the run's seed is the same."""
        return random.Random(f"{self._conversation.seed}/{name}").choice(_WORDS)

    async def chat(
        self,
        messages: Messages,
        *,
        part: str | None = None,
        stream: bool = False,
        until: Predicate | None = None,
        cap: int | None = DEFAULT_CAP,
        bare: bool = False,
        seconds: float | None = None,
        **fields: Any,
    ) -> Reply:
        """Ask the model.

        The request carries the application's own fields and the negotiated basics; `fields` go over them, and
        a field that is `...` is left out. `cap` None sends no cap on output tokens. `bare` sends model,
        messages and `fields` only. `seconds` is what the answer may take where that is less than what any
        may. With `until` the model is asked up to `ASKS` times, the first time as
        always and then at its own temperature, until the predicate holds; all attempts are kept, and the last
        one is what is returned.
        """
        if isinstance(messages, str):
            messages = [{"role": "user", "content": messages}]
        body: dict[str, Any] = {"model": self.settings.model, "messages": list(messages)}
        if not bare:
            body |= self.settings.body
            body |= self.basics.extra
            if self.basics.temperature is not None:
                body.setdefault("temperature", self.basics.temperature)
            if cap is not None and self.basics.token_limit is not None:
                body[self.basics.token_limit] = cap
        if stream:
            body["stream"] = True
            if not bare and self.basics.stream_options:
                body["stream_options"] = {"include_usage": True}
        body |= fields
        body = {name: value for name, value in body.items() if value is not ...}
        return await self._ask(body, part, until, seconds=seconds)

    async def bundle(
        self,
        common: Mapping[str, Any],
        options: Mapping[str, Mapping[str, Any]],
        *,
        together: Mapping[str, Any] | None = None,
    ) -> Replies:
        """Ask for several optional things at once, and one by one only when that is refused.

        `common` are the arguments of `chat` that all share; each option adds its own, under its name as part.
        `together` is the request with all of them where merging the options' fields does not make it.
        """
        merged: dict[str, Any] = {}
        for arguments in options.values():
            merged |= arguments
        parts = {
            BUNDLE: await self.chat(
                **{**common, **(together if together is not None else merged)}, part=BUNDLE
            )
        }
        if parts[BUNDLE].refused:
            asked = await asyncio.gather(
                *(self.chat(**{**common, **arguments}, part=name) for name, arguments in options.items())
            )
            parts |= dict(zip(options, asked, strict=True))
        return Replies(parts, self._probe.name, self._probe.owner)

    async def post(
        self,
        path: str,
        body: Mapping[str, Any] | bytes,
        *,
        part: str | None = None,
        key: str | None = None,
        refusal: bool = False,
        until: Predicate | None = None,
    ) -> Reply:
        """Send a body as it is.

        `key` replaces the endpoint's key. `refusal` says that a refusal is asked for: 5xx is not tried again.
        """
        if isinstance(body, bytes):
            request = Request("POST", path, body, key=key, retry_server_errors=not refusal)
            return await self._send(request, part, 1)
        return await self._ask(dict(body), part, until, path=path, key=key, refusal=refusal)

    async def get(
        self,
        path: str,
        *,
        part: str | None = None,
        key: str | None = None,
        refusal: bool = False,
        seconds: float | None = None,
    ) -> Reply:
        """GET a path below the base URL, or an address of the same origin."""
        request = Request(
            "GET", path, key=key, retry_server_errors=not refusal, max_body=MAX_LIST, seconds=seconds
        )
        return await self._send(request, part, 1)

    async def send(self, request: Request, *, part: str | None = None) -> Reply:
        """Send a request that was made elsewhere, such as by a client that is under test."""
        return await self._send(request, part, 1)

    async def gather(self, **questions: Awaitable[Reply]) -> Replies:
        """Several questions at once, by part: the names are those that the questions were asked under."""
        answers = await asyncio.gather(*questions.values())
        return Replies(dict(zip(questions, answers, strict=True)), self._probe.name, self._probe.owner)

    async def _ask(
        self,
        body: dict[str, Any],
        part: str | None,
        until: Predicate | None,
        *,
        path: str = "chat/completions",
        key: str | None = None,
        refusal: bool = False,
        seconds: float | None = None,
    ) -> Reply:
        attempts: list[Reply] = []
        for number in range(1, (ASKS if until else 1) + 1):
            if number == 2 and self.basics.temperature is not None:
                body = {name: value for name, value in body.items() if name != "temperature"}
            cap = body.get("max_completion_tokens") or body.get("max_tokens") or 8192
            streamed = body.get("stream") is True
            request = Request(
                "POST",
                path,
                _encoded(body),
                key=key,
                retry_server_errors=not refusal,
                stream=streamed,
                max_body=min(MAX_BODY, 65536 + int(cap) * STREAM_BYTES_PER_TOKEN)
                if streamed and isinstance(cap, int)
                else MAX_BODY,
                retries=RETRIES,
                seconds=seconds,
            )
            reply = await self._send(request, part, number)
            attempts.append(reply)
            reply.attempts = tuple(attempts)
            if until is None or reply.refused or holds(until, reply):
                break
        return attempts[-1]

    async def _send(self, request: Request, part: str | None, number: int) -> Reply:
        exchanges = await self._conversation.send(
            request, probe=self._probe.name, part=part, sample=f"{self._round}.{number}"
        )
        ask = Ask(self._probe.name, part, number, self._round, tuple(exchange.id for exchange in exchanges))
        self._conversation.add_ask(ask)
        return Reply(
            exchanges,
            probe=self._probe.name,
            part=part,
            number=number,
            owner=self._probe.owner,
            called=self._probe.called,
        )


def inside(api: Api) -> tuple[Conversation, int]:
    """What an `Api` is made of, the conversation and the round: the same one is made in another process."""
    return api._conversation, api._round


def _encoded(body: Mapping[str, Any]) -> bytes:
    """A request's body; a lone surrogate, which a second turn may carry on from an answer, stays escaped."""
    try:
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(body, separators=(",", ":")).encode()


def holds(predicate: Predicate, reply: Reply) -> bool:
    """Whether the model obeyed; an answer that cannot be read has not."""
    try:
        return predicate(reply)
    except Ending:
        return False


def called(*names: str, times: int = 1) -> Predicate:
    """Obeyed when at least so many tools were called, each of the named ones if any is named."""

    def predicate(reply: Reply) -> bool:
        made = [call.name for call in reply.find_tool_calls()]
        return len(made) >= times and all(name in made for name in names)

    return predicate


def not_called(reply: Reply) -> bool:
    """Obeyed when no tool was called."""
    return not reply.find_tool_calls()


def says(*words: str) -> Predicate:
    """Obeyed when the text holds each of the words, whatever its case."""

    def predicate(reply: Reply) -> bool:
        text = reply.text.casefold()
        return all(word.casefold() in text for word in words)

    return predicate


def named(tool: str) -> dict[str, Any]:
    """The tool_choice that names a tool."""
    return {"type": "function", "function": {"name": tool}}


def tool(
    name: str, description: str = "", parameters: Mapping[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    """A tool definition; without `parameters` it has none."""
    function: dict[str, Any] = {"name": name}
    if description:
        function["description"] = description
    if parameters is not None:
        function["parameters"] = dict(parameters)
    return {"type": "function", "function": function | more}
