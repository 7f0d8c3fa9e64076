"""No form of a key survives, and nothing else changes its place."""

import base64
import html
import json
import string
from itertools import pairwise
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmcompat.wire.redaction import INVALID_KEY, Redactor

KEY = "Zq7+Lm/2wX~9tR=4vB"
KEYS = st.text(alphabet=string.ascii_letters + string.digits + "-_", min_size=8, max_size=40)
SECRETS = st.one_of(
    KEYS,
    st.text(
        alphabet=st.characters(exclude_categories=["Cs", "Cc", "Cf", "Zs", "Zl", "Zp"]),
        min_size=8,
        max_size=40,
    ),
)
SURROUNDINGS = st.text(alphabet=" .,:{}[]()<>é日\n", max_size=12)


@given(SECRETS, SURROUNDINGS, SURROUNDINGS)
def test_a_secret_never_survives_and_the_length_stays(secret: str, before: str, after: str) -> None:
    redactor = Redactor([secret])
    text = before + secret + after
    assert secret not in redactor.text(text)
    assert len(redactor.text(text)) == len(text)
    data = text.encode()
    assert secret.encode() not in redactor.data(data)
    assert len(redactor.data(data)) == len(data)


@given(SECRETS, st.binary(max_size=5), st.binary(max_size=5))
def test_base64_hides_at_every_alignment(secret: str, before: bytes, after: bytes) -> None:
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        encoded = encode(before + secret.encode() + after)
        masked = Redactor([secret]).data(encoded)
        assert len(masked) == len(encoded)
        # Of the secret's own characters at most the two are left that hold bits of its neighbours.
        first, last = -(-8 * len(before) // 6), 8 * (len(before) + len(secret.encode())) // 6
        assert masked[first:last].startswith(b"[key]")
        assert set(masked[first + 5 : last]) <= {ord("*")}


@pytest.mark.parametrize(
    "form",
    [
        KEY,
        json.dumps(KEY)[1:-1],
        KEY.replace("/", "\\/"),
        quote(KEY, safe=""),
        quote(KEY),
        quote(KEY, safe="")
        .lower()
        .replace("zq7", "Zq7")
        .replace("lm", "Lm")
        .replace("wx", "wX")
        .replace("tr", "tR")
        .replace("vb", "vB"),
        base64.b64encode(b"user:" + KEY.encode()).decode(),
        base64.urlsafe_b64encode(KEY.encode()).decode(),
    ],
)
def test_forms_in_which_a_key_comes_back(form: str) -> None:
    redactor = Redactor([KEY])
    shown = redactor.text(f'{{"seen": "{form}"}}')
    assert len(shown) == len(form) + 12
    assert "[key]***" in shown
    assert form[8:16] not in shown
    assert redactor.data(f'{{"seen": "{form}"}}'.encode()) == shown.encode()


@pytest.mark.parametrize(
    "secret", ['quote"and\\slash', "schlüssel-ÄÖÜ", "日本語の鍵です。", "tab\tand\nline"]
)
def test_a_secret_that_json_escapes(secret: str) -> None:
    for ascii_only in (True, False):
        document = json.dumps({"key": secret, "n": 1}, ensure_ascii=ascii_only)
        shown = Redactor([secret]).text(document)
        assert len(shown) == len(document)
        assert json.loads(shown)["key"].startswith("[key]*")
        masked = Redactor([secret]).data(document.encode())
        assert len(masked) == len(document.encode())
        assert json.loads(masked)["key"].startswith("[key]*")


@pytest.mark.parametrize("size", [1, 2, 7])
def test_a_short_secret_is_not_searched_for(size: int) -> None:
    assert Redactor(["abcdefg"[:size]]).text("the abcdefgh") == "the abcdefgh"


def test_the_longest_of_nested_secrets_is_masked_whole() -> None:
    shown = Redactor(["12345678", "abc-12345678-def"]).text("abc-12345678-def 12345678")
    assert shown == "[key]*********** [key]***"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Authorization: Bearer abcdefgh", "Authorization: Bearer [key]***"),
        ("authorization: bearer a.b_c~d+e/f=", "authorization: bearer [key]*******"),
        ("key sk-proj-0123456789abcdef!", "key [key]" + "*" * 19 + "!"),
        ("hf_0123456789abcdefXYZ", "[key]" + "*" * 17),
        ("Bearer short", "Bearer short"),
        ("ask-0123456789abcdefgh", "ask-0123456789abcdefgh"),
        ("sk-too-short", "sk-too-short"),
        ("risk-management-in-our-time", "risk-management-in-our-time"),
        (f"Incorrect API key provided: {INVALID_KEY}.", f"Incorrect API key provided: {INVALID_KEY}."),
        (f"Bearer {INVALID_KEY}", f"Bearer {INVALID_KEY}"),
        (f"{INVALID_KEY}abc", "[key]" + "*" * (len(INVALID_KEY) - 2)),
    ],
)
def test_keys_that_nobody_named(text: str, shown: str) -> None:
    assert Redactor().text(text) == shown
    assert Redactor().data(text.encode()) == shown.encode()


@given(st.binary(max_size=200))
def test_any_bytes_keep_their_length(data: bytes) -> None:
    assert len(Redactor([KEY]).data(data)) == len(data)


@given(st.text(alphabet=string.printable, max_size=200))
def test_text_and_bytes_are_masked_alike_and_once(text: str) -> None:
    redactor = Redactor([KEY])
    shown = redactor.text(text + KEY)
    assert redactor.data((text + KEY).encode()) == shown.encode()
    assert redactor.text(shown) == shown


def stream_of(pieces: list[str], name: str = "content") -> bytes:
    """A stream that tells a field in these pieces."""
    events = [{"id": "c1", "choices": [{"index": 0, "delta": {name: piece}}]} for piece in pieces]
    return "".join(f"data: {json.dumps(event)}\n\n" for event in events).encode()


def told(body: bytes, name: str = "content") -> str:
    events = [json.loads(line[6:]) for line in body.decode().splitlines() if line]
    return "".join(event["choices"][0]["delta"][name] for event in events)


@given(KEYS, st.lists(st.integers(1, 39), max_size=39), st.sampled_from(["content", "arguments", "note"]))
def test_a_key_in_pieces_is_masked_in_each_event(secret: str, cuts: list[int], name: str) -> None:
    ends = sorted({0, len(secret), *(cut for cut in cuts if cut < len(secret))})
    pieces = [secret[start:end] for start, end in pairwise(ends)]
    body = stream_of(["It is ", *pieces, ", no more."], name)
    shown = Redactor([secret]).data(body)
    assert len(shown) == len(body)
    written = told(shown, name)
    assert written.startswith("It is [key]*")
    assert secret not in written
    assert written.endswith(", no more.")


def test_a_key_that_nobody_named_in_pieces() -> None:
    body = stream_of(["my sk", "-pro", "j-0123456789", "abcdef ok"])
    assert told(Redactor().data(body)) == "my [key]" + "*" * 19 + " ok"
    names = b"".join(b'data: {"model":"hf-llama-3","choices":[]}\n\n' for _ in range(9))
    assert Redactor().data(names) == names


def test_a_key_in_the_strings_of_a_list() -> None:
    body = json.dumps({"parts": [KEY[:5], KEY[5:9], KEY[9:]], "n": ["a", "b"]}).encode()
    shown = json.loads(Redactor([KEY]).data(body))
    assert "".join(shown["parts"]) == "[key]" + "*" * (len(KEY) - 5)
    assert shown["n"] == ["a", "b"]


@pytest.mark.parametrize(
    "form",
    [
        "".join(f"\\u{ord(letter):04x}" for letter in KEY),
        "".join(f"\\u{ord(letter):04X}" if letter.isupper() else letter for letter in KEY),
        json.dumps(json.dumps("\\".join(KEY)))[3:-3],
        "".join(f"%{ord(letter):02x}" for letter in KEY),
        quote(quote(KEY, safe=""), safe=""),
        quote(quote(quote(KEY, safe=""), safe=""), safe=""),
        "".join(f"&#{ord(letter)};" for letter in KEY),
        "".join(f"&#x{ord(letter):X};" for letter in KEY),
        KEY.encode().hex(),
        KEY.encode().hex().upper(),
        "\u200b".join(KEY),
        f"{KEY[:4]}\\u200b{KEY[4:9]}\\u2060{KEY[9:]}",
        f"{KEY[:7]}\n{KEY[7:]}",
        f"{KEY[:7]}\\r\\n{KEY[7:]}",
        "\r\n".join(base64.b64encode(KEY.encode()).decode()[at : at + 10] for at in range(0, 26, 10)),
    ],
)
def test_a_key_in_disguise(form: str) -> None:
    for redactor in (Redactor([KEY]), Redactor(["schlüssel-ÄÖÜ", KEY])):
        shown = redactor.text(f'say "{form}\\n" ')
        assert len(shown) == len(form) + 9
        assert shown.startswith('say "[key]***')
        assert shown.endswith('\\n" ')
        data = f'say "{form}\\n" '.encode()
        masked = redactor.data(data)
        assert len(masked) == len(data)
        assert masked.startswith(b'say "[key]***')


def test_a_key_that_html_escapes() -> None:
    secret = "a<b>&\"'c-0123"
    for form in (html.escape(secret), html.escape(secret, quote=False)):
        assert Redactor([secret]).text(f"<p>{form}</p>") == f"<p>{'[key]'.ljust(len(form), '*')}</p>"


@given(st.text(alphabet=[*KEY, "\\", "u", "0", '"', "\n", "%", "&", "#", ";", "\u200b", "é"], max_size=60))
def test_what_holds_no_key_stays(text: str) -> None:
    redactor = Redactor([KEY])
    if redactor.text(text) != text:
        assert len(text) >= len(KEY)
    assert len(redactor.data(text.encode())) == len(text.encode())
    body = stream_of(list(text))
    assert redactor.data(body) == body or len(text) >= len(KEY)
