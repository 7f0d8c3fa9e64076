"""Obedience to plain instructions by fixed rules: what a well-behaved model would answer."""

import hashlib
import json
import re
from typing import Any

from llmcompat.simulator import images, instances
from llmcompat.simulator.answers import Call, Choice, Json
from llmcompat.simulator.conversation import images_of, last_user_text, text_of

_WORD = r"(?:\"([^\"\n]+)\"|“([^”\n]+)”|'([^'\n]+)'|`([^`\n]+)`|([^\s\"“'`.,;:!?()]+))"
_VERB = r"\b(?:reply|answer|respond|say|repeat|return|write|output|print|echo|copy|send)\b"
_EXACT_COLON = re.compile(
    rf"{_VERB}[^:\n]{{0,60}}?(?:\b(?:exactly|only|just|verbatim|literally|following|nothing (?:else|but)"
    rf"|after me|word|this|text|phrase|sentence|back)\b)"
    rf"[^:\n]{{0,80}}:\s*(\S.*)\Z",
    re.I | re.S,
)
_BARE_COLON = re.compile(
    r"\A\s*(?:please )?(?:repeat|say|echo|copy|reply|answer|respond)(?: with)?\s*:\s*(\S.*)\Z", re.I | re.S
)
_EXACT_WORD = re.compile(
    rf"(?:\b(?:reply|answer|respond|say|output|return|write|print)\b)[^.:\n]{{0,60}}?\b(?:the|this|a"
    rf"|one)?\s*(?:single |one |exact |code |secret )*"
    rf"(?:word|phrase|number|digit|letter|text|string|token|emoji)\s*{_WORD}",
    re.I,
)
_BARE_WORD = re.compile(
    rf"(?:\b(?:only|just|simply|always|please) )*\b(?:reply|answer|respond|say)(?: only| just| exactly)?(?: "
    rf"with)?(?: only| just| exactly| nothing but)?\s+{_WORD}"
    r"\s*(?:,? and (?:say )?nothing else|,? nothing else|,? only)?\s*(?:[.!?]|$)",
    re.I | re.M,
)
_NOT_A_WORD = {
    "only",
    "and",
    "that",
    "which",
    "you",
    "i",
    "from",
    "for",
    "in",
    "of",
    "itself",
    "alone",
    "to",
    "with",
    "is",
    "or",
    "json",
    "words",
    "numbers",
    "code",
    "a",
    "an",
    "the",
    "it",
    "this",
    "them",
    "briefly",
    "shortly",
    "question",
    "one",
    "as",
    "on",
    "please",
    "user",
    "about",
    "by",
    "truthfully",
    "politely",
    "so",
    "english",
    "exactly",
    "just",
    "nothing",
    "else",
    "again",
    "me",
    "something",
    "tool",
    "tools",
}
_CODE_WORD = re.compile(
    r"\b(?:code|secret|magic|hidden|pass)[ -]?(?:code )?(?:word|phrase|number|key"
    r"|name)?\b[^.\n:?]{0,60}?\b(?:is|was)\b:?\s+[\"“'‘`]?([^\s\"”'’`.,;!?]+)",
    re.I,
)
_ASKS_CODE = re.compile(
    r"\b(?:code|secret|magic|hidden|pass)[ -]?(?:code )?(?:words?|phrases?|numbers?|keys?|names?)\b", re.I
)
_QUESTION = re.compile(r"\b(?:what|which|list|name|tell|give|repeat|recall|state|report|find)\b", re.I)
_REMEMBER = re.compile(
    rf"\bremember\b(?: that)?(?: the| this)?(?: following)?(?: secret| code)?(?: word| number| name| "
    rf"phrase)?(?: is)?:?\s+{_WORD}",
    re.I,
)
_MY_FACT = re.compile(rf"\bmy ([\w ]{{2,30}}?) is {_WORD}", re.I)
_ASKS_FACT = re.compile(r"\bwhat(?:'s| is| was) my ([\w ]{2,30}?)\s*\?", re.I)
_COUNT = re.compile(
    r"\b(?:count|numbers?)\b[^.\n]{0,40}?\b(?:from )?(\d+) (?:up )?(?:to|through|-) (\d+)", re.I
)
_SUM = re.compile(r"(-?\d+)\s*(\+|-|\*|×|x|plus|minus|times|multiplied by)\s*(-?\d+)", re.I)
_NO_TOOLS = re.compile(
    r"\b(?:do not|don't|never|without) (?:use|call|using|calling|invoke)\b[^.\n]{0,20}\b(?:tools?"
    r"|functions?)\b",
    re.I,
)
_KEY_SET = re.compile(
    r"[\"'`“]?([A-Za-z_]\w*)[\"'`”]?\s+(?:set to|equal to|with (?:the )?value|whose value is|having the "
    r"value|is|=)\s*(\"[^\"]*\"|-?\d+(?:\.\d+)?|[\w-]+)"
)
_KEY_LIST = re.compile(
    r"\b(?:keys?|fields?|propert(?:y|ies))\b:?((?:\s*(?:,|and|&"
    r"|or)?\s*[\"'`“]?[A-Za-z_]\w*[\"'`”]?(?:\s*\([^)]*\))?\s*(?=,|and\b|&|[.;:\n]|$))+)"
)
_COMMON = {
    "get",
    "the",
    "set",
    "call",
    "run",
    "fetch",
    "current",
    "tool",
    "function",
    "do",
    "make",
    "use",
    "read",
    "my",
    "api",
    "new",
    "all",
}
_CAPITALS = {
    "france": "Paris",
    "germany": "Berlin",
    "italy": "Rome",
    "spain": "Madrid",
    "japan": "Tokyo",
    "england": "London",
    "portugal": "Lisbon",
}
_SENTENCES = (
    "This is a plain answer to your question, written to be read easily and without haste.",
    "A good start is to look at what you already have and to write down what you need.",
    "Then take one small step at a time and see what each of them changes.",
    "Most surprises appear early, so it pays to try the simple case first.",
    "Keep notes on what you saw, because details fade sooner than expected.",
    "When two ways look equal, choose the one that is easier to undo.",
    "Ask a second person to read the result, since a fresh eye finds what habit hides.",
    "In the end the work is done when it holds up on an ordinary day.",
)


def think(body: Json) -> list[Choice]:
    """The alternatives that a request gets, not yet cut by stop sequences or token limits."""
    messages = [message for message in body.get("messages") or [] if isinstance(message, dict)]
    alternatives = []
    for index in range(body.get("n") or 1):
        calls = _calls(body, messages, index)
        named = isinstance(body.get("tool_choice"), dict)
        if calls:
            alternatives.append(Choice(index, None, calls, "stop" if named else "tool_calls"))
        else:
            alternatives.append(Choice(index, _text(body, messages, index), []))
    return alternatives


def _calls(body: Json, messages: list[Json], index: int) -> list[Call]:
    tools = [
        tool["function"]
        for tool in body.get("tools") or []
        if isinstance(tool, dict) and isinstance(tool.get("function"), dict)
    ]
    tools += [tool for tool in body.get("functions") or [] if isinstance(tool, dict)]
    mode = body.get("tool_choice") or "auto"
    if not tools or mode == "none":
        return []
    if isinstance(mode, dict) and mode.get("type") == "allowed_tools":
        allowed = mode.get("allowed_tools") or {}
        names = [(tool.get("function") or {}).get("name") for tool in allowed.get("tools") or []]
        tools, mode = [tool for tool in tools if tool.get("name") in names], allowed.get("mode", "auto")
    prompt = last_user_text(messages)
    if isinstance(mode, dict):
        name = (mode.get("function") or {}).get("name")
        chosen = [tool for tool in tools if tool.get("name") == name]
    else:
        answered = bool(messages) and messages[-1].get("role") == "tool"
        chosen = [] if answered and mode == "auto" else _relevant(tools, prompt)
        if not chosen and mode == "required":
            chosen = tools[:1]
    found: list[Call] = []
    for tool in chosen:
        for arguments in _arguments(tool, prompt):
            text = json.dumps(arguments, ensure_ascii=False)
            found.append(
                Call(_identifier("call_", body, f"{index}/{len(found)}"), str(tool.get("name")), text)
            )
    return found[:1] if body.get("parallel_tool_calls") is False else found


def _arguments(tool: Json, prompt: str) -> list[Json]:
    schema = tool.get("parameters") or {}
    properties = schema.get("properties") or {} if isinstance(schema, dict) else {}
    places = [
        name
        for name, part in properties.items()
        if isinstance(part, dict) and part.get("type") == "string" and "enum" not in part
    ]
    named = instances.cities(prompt)
    if len(named) > 1 and any(
        word in name.lower() for name in places for word in ("city", "location", "place", "town")
    ):
        return [instances.Filler(schema, prompt, city).build({"type": "object", **schema}) for city in named]
    return (
        [instances.Filler(schema, prompt).build({"type": "object", **schema})]
        if properties or "$ref" in schema
        else [{}]
    )


def _relevant(tools: list[Json], prompt: str) -> list[Json]:
    if _NO_TOOLS.search(prompt):
        return []
    spoken = [
        tool for tool in tools if re.search(rf"(?<![\w-]){re.escape(str(tool.get('name')))}(?![\w-])", prompt)
    ]
    spoken = [
        tool
        for tool in spoken
        if "_" in str(tool.get("name")) or len(tools) < 3 or str(tool.get("name")) in prompt
    ]
    if spoken:
        return spoken
    if _exact(prompt) is not None:
        return []
    asked = set(re.findall(r"[^\W_]+", prompt.lower()))
    scored: list[tuple[frozenset[str], Json]] = []
    for tool in tools:
        words = {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", str(tool.get("name")))} - _COMMON
        matched = frozenset(
            word for word in words if len(word) > 2 and any(_same(word, other) for other in asked)
        )
        if matched and (len(matched) * 2 >= len(words) or "weather" in matched):
            scored.append((matched, tool))
    chosen: list[Json] = []
    covered: set[str] = set()
    for matched, tool in sorted(scored, key=lambda pair: -len(pair[0])):
        if not matched <= covered:
            chosen.append(tool)
            covered |= matched
    return [tool for tool in tools if tool in chosen]


def _same(word: str, other: str) -> bool:
    return word == other or (
        min(len(word), len(other)) > 3 and (word.startswith(other) or other.startswith(word))
    )


def _identifier(prefix: str, body: Json, salt: str) -> str:
    seed = json.dumps([body.get("messages"), salt], sort_keys=True, default=str)
    return prefix + hashlib.sha256(seed.encode()).hexdigest()[:24]


def _text(body: Json, messages: list[Json], index: int) -> str:
    prompt = last_user_text(messages)
    wanted = body.get("response_format")
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if isinstance(wanted, dict) and kind == "json_schema":
        schema = (wanted.get("json_schema") or {}).get("schema") or {}
        return json.dumps(instances.Filler(schema, prompt).build(schema), ensure_ascii=False)
    if kind == "json_object":
        return json.dumps(_json_answer(_all_text(messages)), ensure_ascii=False)
    text = _obey(messages, prompt, index)
    for role_text in (
        text_of(message.get("content"))
        for message in messages
        if message.get("role") in ("system", "developer")
    ):
        for ending in re.finditer(
            rf"\b(end|finish|close|begin|start) (?:every|each|your|all) (?:answers?|repl(?:y|ies)"
            rf"|messages?) with (?:the )?(?:word )?{_WORD}",
            role_text,
            re.I,
        ):
            word = _first(ending.groups()[1:])
            text = f"{word} {text}" if ending.group(1).lower() in ("begin", "start") else f"{text} {word}"
    return text


def _all_text(messages: list[Json]) -> str:
    return "\n".join(
        text_of(message.get("content"))
        for message in messages
        if message.get("role") in ("system", "developer", "user")
    )


def _obey(messages: list[Json], prompt: str, index: int) -> str:
    exact = _exact(prompt)
    results = _tool_results(messages)
    if results and (
        messages[-1].get("role") == "tool"
        or (exact is None and re.search(r"\b(?:tool|function|result)", prompt, re.I))
    ):
        return "The tool says: " + "\n".join(results)
    pictured = [
        url
        for message in messages
        if message.get("role") == "user"
        for url in images_of(message.get("content"))
    ]
    if pictured and exact is None and re.search(r"colou?r|image|picture|photo", prompt, re.I):
        colours = [images.dominant_colour(images.load(url)) for url in pictured]
        return " and ".join(
            colour.capitalize() if colour else "An image without a colour that I can name"
            for colour in colours
        )
    question = prompt[-600:]
    if _ASKS_CODE.search(question) and _QUESTION.search(question) and exact is None:
        words = _code_words(messages, question)
        if words:
            return words
    recalled = _recall(messages, prompt)
    if recalled:
        return recalled
    for message in reversed(messages):
        if message.get("role") in ("system", "developer"):
            ordered = _exact(text_of(message.get("content")))
            if ordered:
                return ordered
    return exact or _common_knowledge(prompt, messages) or _prose(prompt, index)


def _exact(text: str) -> str | None:
    head = text if len(text) < 200_000 else text[:4000]
    for pattern in (_EXACT_COLON, _BARE_COLON):
        match = pattern.search(head)
        if (
            match
            and not re.match(r"\s*\{\s*\}", match.group(1))
            and "code words" not in match.group(0)[:200].lower()
        ):
            return instances.unquoted(match.group(1).strip())
    for pattern in (_EXACT_WORD, _BARE_WORD):
        for match in pattern.finditer(text[:4000] + ("\n" + text[-2000:] if len(text) > 4000 else "")):
            word = _first(match.groups())
            if word and word.lower() not in _NOT_A_WORD:
                return word
    return None


def _first(groups: tuple[str | Any, ...]) -> str:
    return next((str(group) for group in groups if group), "")


def _tool_results(messages: list[Json]) -> list[str]:
    results: list[str] = []
    for message in messages:
        if message.get("role") == "assistant" and message.get("tool_calls"):
            results = []
        elif message.get("role") in ("tool", "function"):
            results.append(text_of(message.get("content")))
    return results


def _code_words(messages: list[Json], question: str) -> str | None:
    found: list[tuple[str, str]] = []
    for message in messages:
        if message.get("role") in ("system", "developer", "user"):
            text = text_of(message.get("content"))
            found += [(match.group(0), match.group(1)) for match in _CODE_WORD.finditer(text)]
            ordered = _exact(text) if message.get("role") != "user" else None
            if ordered and "code" in text.lower():
                found.append(("", ordered))
    found = [pair for pair in found if pair[1].lower() not in _NOT_A_WORD]
    single = re.search(
        r"code ?(?:word|number) (?:for|of) (?:the )?(\w+)(?! and)(?: part| section)?\s*\?", question, re.I
    )
    if single:
        narrowed = [pair for pair in found if re.search(rf"\b{single.group(1)}\b", pair[0], re.I)]
        found = narrowed or found
    return ", ".join(dict.fromkeys(word for _, word in found)) or None


def _recall(messages: list[Json], prompt: str) -> str | None:
    earlier = [text_of(message.get("content")) for message in messages[:-1] if message.get("role") == "user"]
    if re.search(r"\bremember", prompt, re.I) and re.search(
        r"\?|\b(?:which|what|tell|repeat)\b", prompt, re.I
    ):
        for text in reversed(earlier):
            match = _REMEMBER.search(text)
            if match and _first(match.groups()).lower() not in _NOT_A_WORD:
                return _first(match.groups())
    fact = _ASKS_FACT.search(prompt)
    for text in reversed(earlier) if fact else ():
        for match in _MY_FACT.finditer(text):
            if fact and match.group(1).lower() == fact.group(1).lower():
                return _first(match.groups()[1:])
    return None


def _common_knowledge(prompt: str, messages: list[Json]) -> str | None:
    if re.search(r"\bjson\b", prompt, re.I) and re.search(r"\b(?:keys?|object|field)\b", prompt, re.I):
        return json.dumps(_json_answer(_all_text(messages)), ensure_ascii=False)
    counting = _COUNT.search(prompt)
    if counting:
        low, high = int(counting.group(1)), min(int(counting.group(2)), int(counting.group(1)) + 5000)
        lines = re.search(r"\bline|newline", prompt, re.I)
        return ("\n" if lines else ", ").join(str(number) for number in range(low, high + 1))
    sums = _SUM.search(prompt) if len(prompt) < 2000 else None
    if sums:
        left, right, sign = int(sums.group(1)), int(sums.group(3)), sums.group(2).lower()
        return str(
            left + right
            if sign in ("+", "plus")
            else left - right
            if sign in ("-", "minus")
            else left * right
        )
    capital = re.search(r"capital(?: city)? of (\w+)", prompt, re.I)
    if capital and capital.group(1).lower() in _CAPITALS:
        return f"The capital of {capital.group(1)} is {_CAPITALS[capital.group(1).lower()]}."
    remember = _REMEMBER.search(prompt)
    if remember:
        return f"I will remember {_first(remember.groups())}."
    if re.search(r"\b(?:yes or no|yes/no)\b", prompt, re.I):
        return "Yes"
    return None


def _json_answer(prompt: str) -> Any:
    decoder = json.JSONDecoder()
    for start in (match.start() for match in re.finditer(r"\{", prompt)):
        try:
            value, _ = decoder.raw_decode(prompt, start)
        except ValueError:
            continue
        if value:
            return value
    answer: Json = {}
    listed = [
        name
        for match in _KEY_LIST.finditer(prompt)
        for name in re.findall(r"[A-Za-z_]\w*", re.sub(r"\([^)]*\)", "", match.group(1)))
        if name not in ("and", "or")
    ]
    for match in _KEY_SET.finditer(prompt):
        if re.search(r"\b(?:keys?|fields?|propert|and|,)\W*$", prompt[: match.start()][-12:], re.I):
            raw = match.group(2)
            try:
                answer[match.group(1)] = json.loads(raw)
            except ValueError:
                answer[match.group(1)] = raw
    for name in listed:
        if name not in answer and name.lower() not in _NOT_A_WORD:
            answer[name] = instances.value_for_key(name, prompt)
    return answer or {"answer": _exact(prompt) or "ok"}


def _prose(prompt: str, index: int) -> str:
    seed = int(hashlib.sha256(f"{prompt[-500:]}{index}".encode("utf-8", "surrogatepass")).hexdigest()[:8], 16)
    sentences = [_SENTENCES[(seed + number * 3) % len(_SENTENCES)] for number in range(len(_SENTENCES))]
    number = re.search(r"(\d+)[ -](?:\w+ )?words?\b", prompt, re.I)
    listing = re.search(r"\b(?:list|bullet)", prompt, re.I)
    if listing:
        return "\n".join(f"- {sentence}" for sentence in sentences[:4])
    if re.search(r"\b(?:one|single|short) (?:short )?sentence|briefly|one line", prompt, re.I):
        return sentences[0]
    words = (
        min(int(number.group(1)), 6000)
        if number
        else 300
        if re.search(r"\blong|essay|story|detail", prompt, re.I)
        else 70
    )
    flow = [word for _ in range(words // 90 + 1) for sentence in sentences for word in sentence.split()]
    flow = flow[: max(words, 1)]
    return " ".join(flow).rstrip(".,") + "."
