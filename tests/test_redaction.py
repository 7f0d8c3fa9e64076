"""No form of a key survives, and nothing else changes its place."""

import base64
import json
import string
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmcompat.wire.redaction import INVALID_KEY, Redactor

KEY = "Zq7+Lm/2wX~9tR=4vB"
SECRETS = st.one_of(
    st.text(alphabet=string.ascii_letters + string.digits + "-_", min_size=8, max_size=40),
    st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), min_size=8, max_size=40),
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
