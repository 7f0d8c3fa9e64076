"""Prompts: messages of every legal role and form are taken, and the model sees what they say."""

import unicodedata
from typing import Any

from llmcompat import (
    BUNDLE,
    Api,
    Check,
    Exchanges,
    Replies,
    Reply,
    blocked,
    check,
    dig,
    fail,
    is_int,
    judged,
    note,
    probe,
    says,
    unanswered,
)

from ._answers import asked_text, contents, readable, refusal_of, text_of, unread, whole
from ._control import answers_with_its_word, asked_word, obeys, says_word, taken

_UNICODE = ("Zürich", "東京", "Αθήνα", "Москва", "🚀 🍕")
_GOOD_MORNING = {"role": "user", "content": "Good morning! How are you?"}
_SMALL_CAP = 64
"""Output tokens up to which an empty answer is the cap's doing."""


def _only(word: str) -> str:
    return f"Whatever the user says, answer only with the word {word}."


def _two_words(api: Api, first: str, second: str) -> tuple[str, str]:
    """Two code words that differ."""
    one = api.word(first)
    other = next(word for number in range(100) if (word := api.word(f"{second}/{number}")) != one)
    return one, other


# --- plain chat


@check(
    "chat-accepted",
    fix="Check base URL, key and model; nothing else of the checklist means anything until plain chat works.",
    trial="must",
)
def chat_accepted(hello: Reply) -> None:
    """Plain chat is answered.

    One user message with a model and nothing else is the request that every client sends first.
    """
    hello.accepted()


@check(
    "exact-reply",
    fix=(
        "Choose a stronger model, or read the lines on obedience as unanswered: this model does not do as "
        "it is told."
    ),
    chat="should",
    agent="should",
    kind="behaviour",
)
def exact_reply(hello: Reply) -> None:
    """The model follows a plain instruction.

    This is the control of all checks that depend on the model's obedience: where it fails they have no
    answer.
    """
    word = asked_word(hello)
    if not says_word(hello.text, word):
        fail(hello.text, expected=f"the word {word}", case="instruction-not-followed")
    if hello.text.casefold().strip(" \t\r\n.!\"'*`") != word:
        note(f"asked for one word and nothing else, it said more: {hello.text[:120]!r}")


# --- instructions: system and developer


@probe(owner="system-message-accepted", grounds=["hello"], quick=True)
async def system_message(api: Api) -> Reply:
    """A system message that says what to answer."""
    word = api.word("system")
    return await api.chat([{"role": "system", "content": _only(word)}, _GOOD_MORNING], until=says(word))


@check(
    "system-message-accepted",
    fix="Put the instructions in front of the first user message, and report the refusal to the provider.",
    trial="must",
)
def system_message_accepted(system_message: Reply) -> None:
    """A system message is accepted.

    Nearly every application steers the model with one; without it the very first request fails.
    """
    taken(system_message, "system-role-rejected")


@check(
    "system-message-honoured",
    fix=(
        "Repeat the instructions in the user message, or choose a model whose template carries the system "
        "role."
    ),
    kind="behaviour",
)
def system_message_honoured(system_message: Reply, hello: Reply) -> None:
    """The system message is obeyed.

    A template that drops the system role answers 200, and the application's rules are gone without a word.
    """
    answers_with_its_word(system_message, hello, role="system message", case="system-message-ignored")


@probe(owner="developer-message-accepted", grounds=["hello"])
async def developer_message(api: Api) -> Reply:
    """The same instruction in the role that replaced `system`."""
    word = api.word("developer")
    return await api.chat([{"role": "developer", "content": _only(word)}, _GOOD_MORNING], until=says(word))


@check(
    "developer-message-accepted",
    fix=(
        "Send role `system`: most clients have a switch for it (AI SDK: systemMessageMode, pi: "
        "supportsDeveloperRole)."
    ),
    chat="should",
)
def developer_message_accepted(developer_message: Reply) -> None:
    """Role developer is accepted.

    Clients that switch to it for reasoning models fail on their first message when it is refused.
    """
    taken(developer_message, "developer-role-rejected")


@check(
    "developer-message-honoured",
    fix="Send role `system` instead.",
    chat="should",
    agent="should",
    kind="behaviour",
)
def developer_message_honoured(developer_message: Reply, hello: Reply) -> None:
    """A developer message is obeyed as a system message is.

    A template that does not know the role may drop it, and the application's rules are gone without a word.
    """
    answers_with_its_word(
        developer_message, hello, role="developer message", case="developer-message-ignored"
    )


@probe(owner="two-system-messages-accepted", grounds=["hello", "system_message"])
async def two_system_messages(api: Api) -> Reply:
    """Two system messages at the head, each with something to tell."""
    first, second = _two_words(api, "first-system", "second-system")
    messages = [
        {"role": "system", "content": f"The first code word is {first}."},
        {"role": "system", "content": f"The second code word is {second}."},
        {"role": "user", "content": "What are the two code words?"},
    ]
    return await api.chat(messages, until=says(first, second))


@check(
    "two-system-messages-accepted",
    fix="Join the system messages into one before sending.",
)
def two_system_messages_accepted(two_system_messages: Reply, message_forms: Replies) -> None:
    """Two system messages at the head are accepted.

    Frameworks that send one for each source of instructions fail on every turn when the template allows
    only one.
    """
    if two_system_messages.refused and message_forms.part("consecutive-users").refused:
        blocked("consecutive-users-accepted")  # it refuses all neighbours of one role: one deviation
    taken(two_system_messages, "multiple-leading-system-rejected")


@check(
    "two-system-messages-honoured",
    chat="should",
    agent="should",
    fix="Join the system messages into one before sending.",
    kind="behaviour",
)
def two_system_messages_honoured(two_system_messages: Reply, hello: Reply) -> None:
    """Both of two system messages are seen.

    Some endpoints keep only the last one or the first one, and the other half of the instructions is lost
    silently.
    """
    obeys(hello)
    text = two_system_messages.text
    words = [
        str(message["content"]).rstrip(".").split()[-1]
        for message in two_system_messages.sent["messages"][:2]
    ]
    seen = [says_word(text, word) for word in words]
    if all(seen):
        return
    case = {(True, False): "only-first-system-used", (False, True): "only-last-system-used"}.get(
        (seen[0], seen[1])
    )
    fail(text, expected=f"the words {words[0]} and {words[1]}", case=case or "system-messages-ignored")


@probe(owner="middle-system-accepted", grounds=["hello", "system_message", "conversation_memory"])
async def middle_system(api: Api) -> Reply:
    """A system message in the middle of a conversation."""
    word = api.word("middle-system")
    messages = [
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": "Hello!"},
        {"role": "assistant", "content": "Hello! How can I help?"},
        {"role": "system", "content": _only(word)},
        _GOOD_MORNING,
    ]
    return await api.chat(messages, until=says(word))


@check(
    "middle-system-accepted",
    fix="Move later system messages to the head, or send them as user messages.",
)
def middle_system_accepted(middle_system: Reply) -> None:
    """A system message in mid-conversation is accepted.

    Agents send reminders there; a template that insists on the first position refuses every later request.
    """
    taken(middle_system, "mid-conversation-system-rejected")


@check(
    "middle-system-honoured",
    chat="should",
    agent="should",
    fix="Move later system messages to the head, or send them as user messages.",
    kind="behaviour",
)
def middle_system_honoured(middle_system: Reply, hello: Reply) -> None:
    """A system message in mid-conversation is obeyed.

    A template that skips it answers as if the reminder had not been sent.
    """
    answers_with_its_word(
        middle_system, hello, role="later system message", case="mid-conversation-system-ignored"
    )


@probe(owner="system-only-accepted", grounds=["hello", "system_message"])
async def system_only(api: Api) -> Reply:
    """A request whose only message is a system message."""
    return await api.chat([{"role": "system", "content": "Greet the user in one short sentence."}])


@check(
    "system-only-accepted",
    fix="Send the text as a user message when there is no other message.",
    chat="should",
)
def system_only_accepted(system_only: Reply) -> None:
    """A lone system message is accepted.

    Prompt builders that put everything into one system message get no answer where a user message is
    demanded.
    """
    taken(system_only, "system-only-rejected")


# --- conversations


@probe(owner="conversation-accepted", grounds=["hello"])
async def conversation_memory(api: Api) -> Reply:
    """Several turns in which both sides named a word; the user asks for the user's."""
    own, other = _two_words(api, "remembered", "assistant")
    messages = [
        {"role": "user", "content": f"Please remember the word {own}."},
        {"role": "assistant", "content": f"I will. My own favourite is {other}."},
        {"role": "user", "content": "Which word did I ask you to remember?"},
    ]
    return await api.chat(messages, until=says(own))


@check(
    "conversation-accepted",
    fix="Nothing in the client: an endpoint that takes no history cannot hold a conversation.",
    trial="must",
)
def conversation_accepted(conversation_memory: Reply) -> None:
    """A conversation of several turns is accepted.

    Every chat product sends the earlier turns with each request.
    """
    taken(conversation_memory, "history-rejected")


@check(
    "conversation-remembered",
    fix="Check that the endpoint's chat template carries the whole history, or choose another model.",
    kind="behaviour",
)
def conversation_remembered(conversation_memory: Reply, hello: Reply) -> None:
    """Earlier turns are seen, and told apart by role.

    Where the template drops or mixes up earlier turns the model forgets the user, or takes its own words
    for the user's.
    """
    obeys(hello)
    text = conversation_memory.text
    own, answer = (
        str(message["content"]).rstrip(".") for message in conversation_memory.sent["messages"][:2]
    )
    word, other = own.split()[-1], answer.split()[-1]
    if not says_word(text, word):
        confused = says_word(text, other)
        fail(
            text,
            expected=f"the user's word, {word}",
            case="role-confusion" if confused else "history-ignored",
        )


@probe(owner="trailing-assistant-accepted", grounds=["hello", "conversation_memory"])
async def trailing_assistant(api: Api) -> Reply:
    """A conversation that ends with an assistant message."""
    messages = [
        {"role": "user", "content": "Name three colours."},
        {"role": "assistant", "content": "Three colours are red, green and"},
    ]
    return await api.chat(messages)


@check(
    "trailing-assistant-accepted",
    fix='Add a short user message ("Continue.") when the history ends with the assistant.',
    chat="should",
)
def trailing_assistant_accepted(trailing_assistant: Reply) -> None:
    """A trailing assistant message is accepted.

    Agents end up with one after compaction or an error, and prefilled answers rely on it; a refusal ends
    the session.
    """
    taken(trailing_assistant, "trailing-assistant-rejected")


# --- optional forms of messages, asked in one conversation


def _parts(text: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": text}]


_ASK = {"role": "user", "content": "Which number comes after six?"}
_HELLO = {"role": "user", "content": "Hello!"}
_ECHO: dict[str, Any] = {"refusal": None, "annotations": []}
_THOUGHT = {"reasoning_content": "The user greets me, so I greet back."}


def _answered(**fields: Any) -> list[dict[str, Any]]:
    return [_HELLO, {"role": "assistant", "content": "Hello! How can I help?", **fields}, _ASK]


_FORMS: dict[str, list[dict[str, Any]]] = {
    "system-parts": [{"role": "system", "content": _parts("You are a helpful assistant.")}, _ASK],
    "user-parts": [{"role": "user", "content": _parts("Which number comes after six?")}],
    "assistant-parts": _answered(content=_parts("Hello! How can I help?")),
    "user-name": [{**_ASK, "name": "alice"}],
    "assistant-name": _answered(name="helper"),
    "echoed-fields": _answered(**_ECHO),
    "reasoning-content": _answered(**_THOUGHT),
    "metadata": [{**_ASK, "metadata": {"source": "app"}}],
    "consecutive-users": [{"role": "user", "content": "I have a short question."}, _ASK],
}
_ALL_FORMS: list[dict[str, Any]] = [
    {"role": "system", "content": _parts("You are a helpful assistant.")},
    {"role": "user", "name": "alice", "content": _parts("Hello!")},
    {"role": "assistant", "name": "helper", "content": _parts("Hello! How can I help?"), **_ECHO, **_THOUGHT},
    {"role": "user", "content": "I have a short question.", "metadata": {"source": "app"}},
    _ASK,
]


@probe(owner="message-forms-together", grounds=["hello", "system_message", "conversation_memory"])
async def message_forms(api: Api) -> Replies:
    """One conversation with every optional form of a message; asked one by one where that is refused."""
    options = {name: {"messages": messages} for name, messages in _FORMS.items()}
    return await api.bundle({}, options, together={"messages": _ALL_FORMS})


@check(
    "message-forms-together",
    fix=(
        "Send fewer of the optional forms in one conversation: text as plain strings, no names, no extra "
        "keys."
    ),
)
def message_forms_together(message_forms: Replies) -> None:
    """Optional forms of messages are accepted together.

    A real history has several of them at once: parts, names, and keys that another provider's answers
    left behind.
    """
    alone = [reply for name, reply in message_forms.items() if name != BUNDLE]
    if any(reply.refused for reply in alone):
        return  # the form that is refused alone has a line of its own
    taken(message_forms[BUNDLE], "together")


def _form(
    id: str,
    part: str,
    case: str,
    title: str,
    why: str,
    fix: str,
    *,
    after: tuple[str, str] | None = None,
    chat: str = "must",
    agent: str = "must",
) -> Check:
    """The check that one optional form is accepted.

    `after` is the part, and its check, of the same form in a commoner place: where that is refused too, it is
    one deviation and has one line.
    """

    def accepted(message_forms: Replies) -> None:
        reply = message_forms.part(part)
        if after is not None and reply.refused and message_forms.part(after[0]).refused:
            blocked(after[1])
        taken(reply, case)

    accepted.__doc__ = f"{title}\n\n{why}"
    return check(id, fix=fix, chat=chat, agent=agent)(accepted)


_AS_STRING = "Join the text parts into one string before sending."
FORM_CHECKS = (
    _form(
        "system-parts-accepted",
        "system-parts",
        "content-parts-array-rejected",
        "A system message made of text parts is accepted.",
        (
            "Clients that cache prompts or serialise all content alike send an array of parts; a refusal "
            "ends every request."
        ),
        _AS_STRING,
        after=("user-parts", "user-parts-accepted"),
    ),
    _form(
        "user-parts-accepted",
        "user-parts",
        "content-parts-array-rejected",
        "A user message made of text parts is accepted.",
        (
            "Clients that also send images serialise all content as an array of parts; a refusal ends "
            "every request."
        ),
        _AS_STRING,
    ),
    _form(
        "assistant-parts-accepted",
        "assistant-parts",
        "content-parts-array-rejected",
        "An assistant message made of text parts is accepted.",
        "The second turn fails in clients that replay the history as arrays of parts.",
        _AS_STRING,
        after=("user-parts", "user-parts-accepted"),
    ),
    _form(
        "user-name-accepted",
        "user-name",
        "message-name-rejected",
        "A name on a user message is accepted.",
        "Products with several users or agents mark who speaks; a refusal ends every request.",
        "Leave out `name` and write the speaker into the text.",
    ),
    _form(
        "assistant-name-accepted",
        "assistant-name",
        "message-name-rejected",
        "A name on an assistant message is accepted.",
        "Frameworks of several agents work for one turn and fail as soon as the history carries names.",
        "Leave out `name` and write the speaker into the text.",
        chat="should",
        after=("user-name", "user-name-accepted"),
    ),
    _form(
        "echoed-fields-accepted",
        "echoed-fields",
        "echoed-fields-rejected",
        "An assistant message goes back as it came.",
        (
            "Clients append the message object of the answer, with `refusal: null` and `annotations: []`, "
            "to the history."
        ),
        "Send back role, content and tool_calls only.",
        after=("metadata", "message-metadata-accepted"),
        chat="should",
        agent="should",
    ),
    _form(
        "history-reasoning-accepted",
        "reasoning-content",
        "reasoning-content-in-history-rejected",
        "Thinking text in the history is accepted or ignored.",
        (
            "A client that echoes reasoning_content because another provider demands it breaks on every "
            "second turn."
        ),
        "Remove reasoning_content from assistant messages before sending.",
        chat="should",
    ),
    _form(
        "message-metadata-accepted",
        "metadata",
        "unknown-message-property-rejected",
        "An unknown key in a message is ignored.",
        (
            "Histories from user interfaces carry keys of their own (metadata, timestamp); a strict "
            "validator refuses them."
        ),
        "Send only the documented keys of each message.",
        chat="should",
        agent="should",
    ),
    _form(
        "consecutive-users-accepted",
        "consecutive-users",
        "roles-must-alternate",
        "Two user messages in a row are accepted.",
        (
            "Applications send context and question as two messages; a template that wants strict "
            "alternation refuses them."
        ),
        "Join neighbouring messages of the same role.",
    ),
)


# --- text that survives


@probe(owner="unicode-accepted", grounds=["hello"])
async def unicode_echo(api: Api) -> Reply:
    """Text of several scripts on several lines, to be repeated."""
    return await api.chat("Repeat exactly the following text:\n" + "\n".join(_UNICODE), until=says(*_UNICODE))


@check(
    "unicode-accepted",
    fix="Report it to the provider: JSON in UTF-8 is the one encoding of the API.",
)
def unicode_accepted(unicode_echo: Reply) -> None:
    """Text of any script is accepted.

    Users write in every script and with emoji; such a request must not be refused.
    """
    taken(unicode_echo, "unicode-rejected")


@check(
    "unicode-unharmed",
    fix="Report it to the provider; no client can bring back characters that the endpoint destroyed.",
    kind="behaviour",
)
def unicode_unharmed(unicode_echo: Reply, hello: Reply) -> None:
    """Text of any script comes back unharmed.

    A wrong decoding on the way turns letters into mojibake: names, prices and languages are damaged for good.
    """
    obeys(hello)
    text = unicodedata.normalize("NFC", unicode_echo.text)
    missing = [piece for piece in _UNICODE if piece not in text]
    if missing:
        mangled = any(piece.encode().decode("cp1252", errors="ignore")[:4] in text for piece in missing)
        if not mangled and len(missing) == len(_UNICODE) and text.isascii() and "?" not in text:
            unanswered("the model did not repeat the text that it was given")
        fail(text, expected="the text " + ", ".join(_UNICODE), case="mojibake" if mangled else "text-altered")


@check(
    "newlines-unharmed",
    fix="Report it to the provider; do not unescape on your side, or correct answers are damaged.",
    chat="should",
    agent="should",
    kind="behaviour",
)
def newlines_unharmed(unicode_echo: Reply, hello: Reply) -> None:
    r"""Line ends come back as line ends.

    Text that was escaped twice shows users a literal \n, and code in an answer cannot be run.
    """
    obeys(hello)
    text = unicodedata.normalize("NFC", unicode_echo.text)
    if not all(piece in text for piece in _UNICODE):
        blocked("unicode-unharmed")
    if "\\n" in text:
        fail(text, expected="five lines", case="newlines-escaped")
    if "\n" not in text:
        fail(text, expected="five lines", case="newlines-lost")


@check(
    "no-replacement-characters",
    fix=(
        "Report it to the provider; the lost characters cannot be brought back. Asking without a stream "
        "may help."
    ),
)
def no_replacement_characters(exchanges: Exchanges) -> None:
    """Plain answers hold no replacement characters.

    U+FFFD in an answer is a character that the server destroyed when it decoded the model's tokens one by
    one.
    """
    for reply in judged(exchanges.completions, nothing=unread(exchanges)):
        text = text_of(reply) or ""
        cut = text.rstrip("�") if not whole(reply) else text
        if "�" in cut and "�" not in asked_text(reply):
            at = cut.index("�")
            fail(cut[max(0, at - 40) : at + 40], expected="no U+FFFD", case="replacement-character")


# --- every answer


@check(
    "content-not-empty",
    fix=(
        "Ask again when content is empty; switch thinking off or raise the token limit; do not take it for "
        "an answer."
    ),
    trial="must",
)
def content_not_empty(exchanges: Exchanges, hello: Reply) -> None:
    """An answer that ended by itself has content.

    An agent takes an empty answer for the end of its work, and a chat product shows an empty bubble. Of a
    model that does not do as it is told, an answer that it ended at once is not held against the endpoint.
    """
    said = text_of(hello) or ""
    deaf = bool(said.strip()) and not says_word(said, asked_word(hello))
    failed = False
    silent = 0
    for reply in judged(readable(exchanges), nothing=unread(exchanges)):
        failed = failed or _failed(reply)
        if _failed(reply) or not _owes_text(reply):
            continue
        found = contents(reply)
        if not found or not all(
            value is None or (isinstance(value, str) and not value.strip()) for value in found
        ):
            continue
        if deaf and _ended_at_once(reply):
            silent += 1
            continue
        fail(
            reply.excerpt
            if not reply.streamed
            else f"a stream of {len(reply.all_chunks)} chunks without content",
            expected="content, a tool call, a refusal, or finish_reason length",
            case=_why_empty(reply),
        )
    if failed:
        blocked("error-status")
    if silent:
        note(f"in {silent} answer(s) the model wrote nothing but its end, as the count of one token says")


def _ended_at_once(reply: Reply) -> bool:
    """Whether the counter says that the model's first token was its last: the server lost no text."""
    return dig(reply.find_usage() or {}, "completion_tokens") == 1 and not reply.reasoning.strip()


def _failed(reply: Reply) -> bool:
    """Whether the endpoint put an error into the choice of an answer with status 200."""
    choice = dig(reply.document, "choices.0")
    return isinstance(choice, dict) and bool(choice.get("error") or choice.get("finish_reason") == "error")


def _owes_text(reply: Reply) -> bool:
    """Whether a question was asked, and nothing in the request or the answer explains silence."""
    messages = reply.sent.get("messages")
    last = messages[-1] if isinstance(messages, list) and messages and isinstance(messages[-1], dict) else {}
    if last.get("role") not in ("user", "tool") or reply.sent.get("stop"):
        return False
    if reply.cap is not None and reply.cap <= _SMALL_CAP:
        return False
    used: Any = (reply.find_usage() or {}).get("completion_tokens")
    if reply.cap is not None and is_int(used) and used >= reply.cap:
        return False
    if reply.find_finish_reason() == "content_filter" or refusal_of(reply):
        return False
    return whole(reply) and not reply.find_tool_calls()


def _why_empty(reply: Reply) -> str:
    if reply.reasoning.strip():
        return "empty-content-reasoning-only"
    wanted = reply.sent.get("response_format")
    if isinstance(wanted, dict) and wanted.get("type") in ("json_object", "json_schema"):
        return "json-mode-empty-content"
    if reply.sent.get("tools") and reply.sent.get("tool_choice") != "none":
        return "malformed-tool-call-empty-200"
    return "empty-content"


@check(
    "no-think-tags",
    fix=(
        "Start the server with its reasoning parser, switch thinking off, or cut everything up to </think> "
        "on your side."
    ),
)
def no_think_tags(exchanges: Exchanges) -> None:
    """Thinking does not stand in the content.

    Raw thoughts are shown to users, read aloud and stored, and JSON with a thought before it cannot be
    parsed.
    """
    for reply in judged(readable(exchanges), nothing=unread(exchanges)):
        text = (text_of(reply) or "").lower()
        opened = any(tag in text for tag in ("<think", "[think]"))
        closed = any(tag in text for tag in ("</think", "[/think]"))
        asked = asked_text(reply).lower()
        if not (opened or closed) or "think>" in asked or "[think]" in asked:
            continue
        wanted = reply.sent.get("response_format")
        json_asked = isinstance(wanted, dict) and wanted.get("type") in ("json_object", "json_schema")
        case = "json-with-think-prefix" if json_asked else "think-tags-in-content"
        fail(
            (text_of(reply) or "")[:400],
            expected="the answer only, with the thinking in a field of its own",
            case=case if opened or json_asked else "think-close-tag-without-open",
        )


_TEMPLATE_TOKENS = (
    "<|im_start|>",
    "<|im_end|>",
    "<|eot_id|>",
    "<|start_header_id|>",
    "<|end_of_text|>",
    "<|endoftext|>",
    "<start_of_turn>",
    "<end_of_turn>",
    "[/INST]",
    "<|assistant|>",
    "<|user|>",
)


@check(
    "no-template-tokens",
    fix=(
        "Fix the chat template or the stop tokens of the server; until then cut the answer at the first of "
        "these tokens."
    ),
    chat="should",
    agent="should",
)
def no_template_tokens(exchanges: Exchanges) -> None:
    """The chat template's own marks do not show in answers.

    They mean that the server does not stop where the model's turn ends, so that it goes on to speak for
    the user.
    """
    for reply in judged(readable(exchanges), nothing=unread(exchanges)):
        text = text_of(reply) or ""
        for token in _TEMPLATE_TOKENS:
            if token in text and token not in asked_text(reply) and not reply.sent.get("tools"):
                at = text.index(token)
                fail(
                    text[max(0, at - 80) : at + 120], expected=f"no {token}", case="template-token-in-content"
                )
