"""Tool calls: the model calls your functions, and your code can read the calls."""

from __future__ import annotations

from llmcompat import (
    MISSING,
    Api,
    Exchanges,
    Reply,
    blocked,
    called,
    check,
    dig,
    fail,
    judged,
    named,
    not_called,
    note,
    probe,
)

from ._control import obeys
from ._tool_pieces import index_trouble
from ._tools import (
    ASK_BOTH,
    ASK_WEATHER,
    GROUND,
    NEWS,
    WEATHER,
    accept,
    bad_json,
    fail_uncalled,
    id_case,
    is_json_object,
    judge_finish,
    leaked,
    names_tool,
    nested_text,
    no_call,
    offered,
    own_mode,
    parse_arguments,
    plain_answers,
    plain_with_calls,
    streams_with_calls,
    takes_nothing,
    tool_turn,
    use_failed,
)

# --- what is asked


@probe(owner="tools-accepted", called="tool-called", grounds=["hello"], quick=True)
async def weather_call(api: Api) -> Reply:
    """A tool and a question that needs it; no tool_choice, as most clients send it."""
    return await api.chat(ASK_WEATHER, tools=[WEATHER], until=called("get_weather"))


@probe(owner="tool-choice-accepted", called="tool-choice-required", grounds=GROUND)
async def required_call(api: Api) -> Reply:
    """A call is required where nobody needs one."""
    return await api.chat("Say hello.", tools=[WEATHER], tool_choice="required", until=called())


@probe(owner="tool-choice-accepted", called="tool-choice-named", grounds=GROUND)
async def named_call(api: Api) -> Reply:
    """The tool that is named is not the one that the question is about."""
    return await api.chat(
        ASK_WEATHER, tools=[WEATHER, NEWS], tool_choice=named("get_news"), until=called("get_news")
    )


@probe(owner="tool-choice-accepted", grounds=GROUND)
async def none_call(api: Api) -> Reply:
    """A call is forbidden where the question begs for one."""
    return await api.chat(ASK_WEATHER, tools=[WEATHER], tool_choice="none")


@probe(owner="tool-choice-accepted", grounds=GROUND)
async def no_tool_needed(api: Api) -> Reply:
    """A tool that nobody needs, left to the model."""
    return await api.chat(
        "Just reply with the word ok.", tools=[WEATHER], tool_choice="auto", until=not_called
    )


@probe(owner="parallel-tool-calls", called="parallel-tool-calls", grounds=GROUND)
async def parallel_calls(api: Api) -> Reply:
    """Two calls in one answer."""
    return await api.chat(ASK_BOTH, tools=[WEATHER], until=called("get_weather", times=2))


@probe(
    owner="parallel-tool-calls-accepted", called="parallel-tool-calls-off", grounds=(*GROUND, "second_turn")
)
async def parallel_off(api: Api, weather_call: Reply) -> Reply:
    """Two cities in the second turn of a conversation, and only one call allowed."""
    return await api.chat(
        [
            *tool_turn(weather_call, "23 degrees, sunny"),
            {"role": "assistant", "content": "In Paris it is 23 degrees and sunny."},
            {
                "role": "user",
                "content": "What is the weather in London and in Rome? Call the tool once for each city.",
            },
        ],
        tools=[WEATHER],
        parallel_tool_calls=False,
        until=called("get_weather"),
    )


@probe(owner="tool-choice-own-mode", called="tool-choice-required", grounds=(*GROUND, "required_call"))
async def own_mode_choice(api: Api) -> Reply:
    """A required call with thinking as the application has it.

    Where nothing was switched, it is the request of `required_call`.
    """
    return await api.chat(
        "Say hello.", tools=[WEATHER], tool_choice="required", until=called(), **own_mode(api)
    )


# --- requests with tools are taken


@check(
    "tools-accepted",
    feature="tools",
    fix="Choose a model with tool support; a server of your own needs its tool options switched on "
    "(vLLM: --enable-auto-tool-choice --tool-call-parser NAME; llama.cpp: --jinja).",
)
def tools_accepted(weather_call: Reply) -> None:
    """A request with tools is accepted.

    Every agent sends its tools with every request: where they are refused, not even a greeting works.
    """
    text = weather_call.error_text if weather_call.refused else ""
    case = "tools-refused"
    if "enable-auto-tool-choice" in text or "tool-call-parser" in text:
        case = "tools-auto-needs-server-flag"
    elif weather_call.status == 405:
        case = "tools-unsupported-405-no-body"
    elif "data policy" in text.casefold():
        case = "data-policy-404"
    accept(weather_call, case, expected="200 for a request with a tool")


@check(
    "tool-mistakes-answered",
    feature="tools",
    fix="Treat a 400 with code tool_use_failed, and a 500 that speaks of parsing or a grammar, as a failed "
    "attempt: ask again, with simpler schemas.",
)
def tool_mistakes_answered(weather_call: Reply, exchanges: Exchanges) -> None:
    """A bad call of the model is not answered as a bad request.

    Clients take a 400 as a mistake of their own and never try again, so that one malformed generation ends
    the agent's run; a 500 for it is tried again and again.
    """
    asked = judged([reply for reply in exchanges.all if offered(reply)], nothing="tools-accepted")
    for reply in asked:
        if use_failed(reply):
            case = "tool-use-failed-400" if reply.status == 400 else "bad-output-as-server-error"
            fail(reply.excerpt, expected="200 with what the model wrote", case=case)
    if weather_call.refused and all(reply.refused for reply in asked):
        weather_call.require()


@check(
    "tool-choice-accepted",
    feature="tools",
    fix="Leave tool_choice out, ask for the tool in the prompt, and check that it was called; or "
    "switch thinking off.",
)
def tool_choice_accepted(
    no_tool_needed: Reply, required_call: Reply, named_call: Reply, none_call: Reply
) -> None:
    """Every value of tool_choice is accepted.

    Structured output by tools needs `required` or a named tool, final turns need `none`, and AI SDK always
    sends `auto`.
    """
    asked = {"auto": no_tool_needed, "required": required_call, "named": named_call, "none": none_call}
    refused = {value: reply for value, reply in asked.items() if reply.refused}
    case = "tool-choice-rejected" if len(refused) > 2 else "-".join([*refused, "rejected"])
    for reply in refused.values():
        accept(reply, case, expected=f"200 for each value; refused: {', '.join(refused)}")


@check(
    "tool-choice-own-mode",
    feature="tools",
    fix="Switch thinking off for requests that force a tool, or leave tool_choice at auto and check "
    "that it was called.",
)
def tool_choice_own_mode(own_mode_choice: Reply) -> None:
    """A required call is accepted in the application's own thinking mode.

    Some thinking modes refuse tool_choice, though the same model takes it with thinking switched off.
    """
    accept(own_mode_choice, "tool-choice-rejected")


# --- the model calls


@check(
    "tool-called",
    feature="tools",
    kind="behaviour",
    fix="Choose a model that is trained for tools, or send tool_choice: required where a call is needed.",
)
def tool_called(hello: Reply, weather_call: Reply) -> None:
    """The model calls a tool that the question needs.

    Catalogues advertise tool support for models and routes that never call; the agent then talks instead of
    acting.
    """
    weather_call.require()
    if weather_call.find_tool_calls():
        if len(weather_call.attempts) > 1:
            note(f"called only at attempt {len(weather_call.attempts)}")
        return
    case = no_call(weather_call)
    if case is None:
        obeys(hello)
        case = "tool-not-called-although-advertised"
    fail_uncalled(weather_call, "a call of get_weather", case)


@check(
    "tool-call-not-in-text",
    feature="tools",
    fix="On a server of your own set the tool-call parser that fits the model; elsewhere choose "
    "another model or route.",
)
def tool_call_not_in_text(weather_call: Reply, exchanges: Exchanges) -> None:
    """Calls do not arrive as text.

    Markup such as <tool_call> in the content is shown to the user, and the tool never runs.
    """
    weather_call.require()
    asked = [reply for reply in (*exchanges.completions, *exchanges.readable_streams) if offered(reply)]
    for reply in judged(asked, nothing="tools-accepted"):
        text = leaked(reply)
        if text:
            fail(text, expected="a structured tool call", case="tool-call-leaked-as-text")


@check(
    "tool-choice-required",
    feature="tools",
    fix="Do not rely on tool_choice: required; check that a call came, and ask again where none did.",
)
def tool_choice_required(required_call: Reply, weather_call: Reply) -> None:
    """tool_choice: required brings a call.

    Structured output by tools gets prose instead, and nothing says that the parameter was dropped.
    """
    required_call.require()
    if required_call.find_tool_calls():
        return
    case = no_call(required_call)
    if case is not None and not weather_call.find_tool_calls():
        blocked("tool-called")
    fail_uncalled(required_call, "a tool call", case or "tool-choice-required-ignored")


@check(
    "tool-choice-named",
    feature="tools",
    fix="Offer only the tool that must be called, with tool_choice: required, instead of naming it.",
)
def tool_choice_named(named_call: Reply, required_call: Reply) -> None:
    """A named tool_choice brings a call of that tool.

    Frameworks that get structured output from a tool name it; another call, or prose, is not what they parse.
    """
    named_call.require()
    calls = named_call.find_tool_calls()
    if not calls:
        case = no_call(named_call)
        if not required_call.find_tool_calls():
            blocked("tool-choice-required")
        fail_uncalled(named_call, "a call of get_news", case or "tool-choice-named-ignored")
    made = [call.name for call in calls if call.name]
    if not made:
        blocked("tool-call-name")
    if any(name != "get_news" for name in made):
        fail(
            made,
            expected="a call of get_news only",
            case="tool-choice-named-ignored",
        )


@check(
    "tool-choice-none",
    feature="tools",
    fix="Leave `tools` out of the turns in which no call may come.",
)
def tool_choice_none(none_call: Reply) -> None:
    """tool_choice: none brings no call.

    The last turn of a loop asks for an answer in words; a call there starts another round.
    """
    none_call.require()
    if none_call.find_tool_calls():
        seen = [call.raw for call in none_call.find_tool_calls()]
        fail(seen, expected="no tool call", case="tool-choice-none-ignored")


@check(
    "tool-choice-auto",
    feature="tools",
    kind="behaviour",
    fix="Send `tools` only where a call is wanted, or tool_choice: none elsewhere.",
)
def tool_choice_auto(hello: Reply, no_tool_needed: Reply) -> None:
    """With tool_choice: auto the model may answer in words.

    Where every answer is a call, an agent never comes to its end.
    """
    no_tool_needed.require()
    if no_tool_needed.find_tool_calls():
        obeys(hello)
        seen = [call.raw for call in no_tool_needed.find_tool_calls()]
        fail(seen, expected="the word ok and no call", case="tool-choice-auto-forces-call")
    if dig(no_tool_needed.document, "choices.0.message.tool_calls") in (None, []):
        note("tool_calls stands in the answer as null or [] where nothing was called, which is harmless")


# --- several calls


@check(
    "parallel-tool-calls",
    feature="parallel-tools",
    kind="behaviour",
    chat="should",
    agent="should",
    fix="Expect one call at a time: more turns, and more time for each task.",
)
def parallel_tool_calls(hello: Reply, weather_call: Reply, parallel_calls: Reply) -> None:
    """Two calls come in one answer when two are asked for.

    A model that calls one tool at a time needs a turn for each, and an agent built on parallel calls slows
    down.
    """
    accept(parallel_calls, "two-calls-refused")
    calls = parallel_calls.find_tool_calls()
    if len(calls) > 1:
        return
    if not calls:
        no_call(parallel_calls)
        if not weather_call.find_tool_calls():
            blocked("tool-called")
    obeys(hello)
    seen = [call.raw for call in calls]
    fail(seen, expected="one call for Paris and one for London", case="one-call" if calls else "no-call")


@check(
    "parallel-tool-calls-accepted",
    feature="parallel-tools",
    fix="Leave parallel_tool_calls out, and run the calls of one answer in their order.",
)
def parallel_tool_calls_accepted(parallel_off: Reply) -> None:
    """parallel_tool_calls is accepted.

    Strict structured output by tools needs it to be false, and SDK helpers send it.
    """
    accept(parallel_off, "parallel-tool-calls-rejected")


@check(
    "parallel-tool-calls-off",
    feature="parallel-tools",
    kind="behaviour",
    fix="Run only the first call of an answer, or run them in their order.",
)
def parallel_tool_calls_off(hello: Reply, parallel_off: Reply, parallel_calls: Reply) -> None:
    """parallel_tool_calls: false brings one call and no more.

    Executors that can run one tool at a time drop the others or fail.
    """
    parallel_off.require()
    calls = parallel_off.find_tool_calls()
    if not calls:
        case = no_call(parallel_off)
        obeys(hello)
        fail_uncalled(parallel_off, "one call", case or "no-call")
    if len(calls) > 1:
        fail([call.raw for call in calls], expected="one call", case="parallel-tool-calls-false-ignored")
    if len(parallel_calls.find_tool_calls()) < 2:
        note("the model makes one call at a time anyway, so that this line shows little")


# --- the shape of calls


@check(
    "tool-call-shape",
    feature="tools",
    fix="Wrap the client so that it turns tool_calls into a list of {id, type, function: {name, arguments}}.",
)
def tool_call_shape(weather_call: Reply, exchanges: Exchanges) -> None:
    """tool_calls is a list of objects that hold a function.

    Typed SDKs fail to parse anything else, and the whole answer is lost.
    """
    weather_call.require()
    values = [dig(reply.document, "choices.0.message.tool_calls") for reply in exchanges.completions]
    found = [value for value in values if value not in (None, []) and value is not MISSING]
    if not found:
        blocked("tool-called")
    for value in found:
        if not isinstance(value, list):
            fail(value, expected="a list", case="not-a-list")
        for call in value:
            if not isinstance(call, dict):
                fail(call, expected="an object", case="not-an-object")
            if not isinstance(call.get("function"), dict):
                fail(call, expected="an object with a function", case="no-function")


@check(
    "tool-call-id",
    feature="tools",
    fix="Give calls without a usable id one of your own before they reach the SDK, and use it in the "
    "tool message.",
)
def tool_call_id(weather_call: Reply, exchanges: Exchanges) -> None:
    """Every call has an id that is a string with something in it.

    The tool's result goes back under this id; typed clients refuse numbers and missing ids.
    """
    for reply in plain_answers(weather_call, exchanges):
        for call in reply.find_tool_calls():
            case = id_case(call.id)
            if case:
                fail(call.raw, expected="a string that is not empty", case=case)


@check(
    "tool-call-ids-unique",
    feature="tools",
    fix="Replace the ids by your own, one for each call, before the answer reaches your loop.",
)
def tool_call_ids_unique(weather_call: Reply, exchanges: Exchanges) -> None:
    """The calls of one answer have different ids.

    Results are matched by id: with one id for two calls, one result is taken for both.
    """
    weather_call.require()
    whole = [reply for reply in streams_with_calls(exchanges) if not index_trouble(reply)]
    found = [*plain_with_calls(exchanges), *whole]
    for reply in judged(found, nothing="tool-called"):
        ids = [call.id for call in reply.find_tool_calls() if isinstance(call.id, str) and call.id]
        if len(set(ids)) < len(ids):
            fail(ids, expected="an id of its own for each call", case="duplicate-ids")
    if not any(len(reply.find_tool_calls()) > 1 for reply in found):
        note("no answer held more than one call")


@check(
    "tool-call-ids-across-turns",
    feature="tools",
    fix="Replace the ids by your own, one for each call of the conversation, before the answer "
    "reaches your loop.",
)
def tool_call_ids_across_turns(weather_call: Reply, parallel_off: Reply) -> None:
    """Ids are not used again in the next turn.

    Agents that keep results by id give the new call the old call's result, or drop it as a duplicate.
    """
    first = [
        call["id"]
        for message in parallel_off.sent.get("messages", ())
        for call in message.get("tool_calls", ())
    ]
    again = [call.id for call in parallel_off.tool_calls if call.id in first]
    if not first:
        _ = weather_call.tool_calls
    if again:
        fail(
            again,
            expected="ids that the turn before did not have",
            case="tool-call-id-not-unique-across-turns",
        )


@check(
    "tool-call-type",
    feature="tools",
    fix='Set type to "function" on each call before the SDK parses the answer.',
)
def tool_call_type(weather_call: Reply, exchanges: Exchanges) -> None:
    """Every call says type: function.

    Typed clients tell kinds of calls apart by it and refuse a call without.
    """
    for reply in plain_answers(weather_call, exchanges):
        for call in reply.find_tool_calls():
            if call.type != "function":
                case = "null" if call.type is None else "missing" if call.type is MISSING else "other"
                fail(call.raw, expected='"function"', case=case)


@check(
    "tool-call-name",
    feature="tools",
    fix="Map the names that come back to the names that you offered, and answer unknown ones with an "
    "error message.",
)
def tool_call_name(weather_call: Reply, exchanges: Exchanges) -> None:
    """Every call names a tool that was offered.

    A missing, changed or invented name calls nothing, and most loops end with a KeyError.
    """
    for reply in plain_answers(weather_call, exchanges):
        for call in reply.find_tool_calls():
            if call.name in ("", None) and call.id == "":
                continue  # an entry without anything in it: tool-call-id says so
            if not isinstance(call.name, str) or not call.name:
                case = (
                    "empty"
                    if call.name == ""
                    else "missing"
                    if call.name in (None, MISSING)
                    else "not-a-string"
                )
                fail(call.raw, expected="a name", case=case)
            if call.name not in offered(reply):
                fail(call.name, expected=f"one of {', '.join(offered(reply))}", case="unknown-name")


@check(
    "tool-arguments-string",
    feature="tools",
    fix="Turn arguments that are an object into a string (json.dumps) before the SDK parses the answer.",
)
def tool_arguments_string(weather_call: Reply, exchanges: Exchanges) -> None:
    """Arguments arrive as a string.

    SDKs and agents call json.loads on this field; an object there ends the loop with a TypeError.
    """
    for reply in plain_answers(weather_call, exchanges):
        for call in reply.find_tool_calls():
            absent = call.arguments is None or call.arguments is MISSING
            if isinstance(call.arguments, str) or (absent and takes_nothing(reply, call.name)):
                continue
            case = "tool-arguments-object" if isinstance(call.arguments, dict) else "not-a-string"
            if absent:
                case = "null" if call.arguments is None else "missing"
            fail(call.raw, expected="a string that holds JSON", case=case)


@check(
    "tool-arguments-json",
    feature="tools",
    fix="Parse arguments inside a try, and give the parse error back to the model as the tool's result.",
)
def tool_arguments_json(weather_call: Reply, exchanges: Exchanges) -> None:
    """The arguments' string holds one JSON object.

    Code that parses them without a guard crashes; with one, the turn is lost.
    """
    texts = [
        reply
        for reply in plain_answers(weather_call, exchanges)
        if any(isinstance(call.arguments, str) for call in reply.find_tool_calls())
    ]
    for reply in judged(texts, nothing="tool-arguments-string"):
        for case, arguments in bad_json(reply):
            fail(arguments, expected="one JSON object", case=case)


@check(
    "tool-arguments-encoded-once",
    feature="tools",
    fix="Where a value should be an object or an array and is a string, parse it once more before "
    "validating.",
)
def tool_arguments_encoded_once(weather_call: Reply, exchanges: Exchanges) -> None:
    """Arguments are encoded once.

    Objects and arrays that arrive as JSON text inside a string fail validation in MCP servers and typed
    tools, flat tools work.
    """
    parsed = 0
    for reply in plain_answers(weather_call, exchanges):
        for call in reply.find_tool_calls():
            try:
                value = parse_arguments(call.arguments)
            except ValueError:
                continue
            parsed += 1
            if is_json_object(value):
                fail(call.arguments, expected="JSON encoded once", case="tool-arguments-double-encoded")
            key = nested_text(reply, call.name, value) if isinstance(value, dict) else None
            if key:
                fail(call.arguments, expected=f"{key} as JSON", case="tool-arguments-double-encoded")
    if not parsed:
        blocked("tool-arguments-json")


@check(
    "tool-finish-reason",
    feature="tools",
    fix="Decide by the presence of tool_calls, not by finish_reason.",
)
def tool_finish_reason(weather_call: Reply, exchanges: Exchanges) -> None:
    """finish_reason is tool_calls where a tool was called.

    Loops that branch on finish_reason end with `stop` and never run the call.
    """
    replies = [reply for reply in plain_answers(weather_call, exchanges) if not names_tool(reply)]
    judge_finish(replies, "tool-called", "nonstream-finish-reason-stop-with-tool-calls")
