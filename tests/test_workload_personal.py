"""Personal data becomes placeholders, and what only looks like it stays as it is."""

import json
import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from llmcompat.wire.redaction import Redactor
from llmcompat.workload.personal import Placeholders, iban, luhn

DIGITS = st.text("0123456789", min_size=1)


def clean(text: str) -> str:
    return Placeholders().text(text)


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("write to bob@example.com.", "email"),
        ("<Bob.O+x@mail.example.co.uk>, ann@example.org", "email email"),
        ("jürgen@müller.example", "email"),
        ("card 4111 1111 1111 1111, exp 12/29", "card"),
        ("378282246310005 and 5555-5555-5555-4444", "card card"),
        ("IBAN DE89 3704 0044 0532 0130 00 EUR 12", "iban"),
        ("GB82WEST12345698765432.", "iban"),
        ("call +49 30 1234567 or +1 (415) 555-2671", "phone phone"),
        ("0049 151 1234 5678", "phone"),
        ("(415) 555-2671, 415-555-2671", "phone phone"),
        ("Tel.: 030/1234567; phone number is 0151-1234567", "phone phone"),
        ("+4915112345678", "phone"),
    ],
)
def test_personal_data_is_replaced(text: str, kinds: str) -> None:
    found = clean(text)
    assert re.findall(r"<(\w+)-\d+>", found) == kinds.split()
    assert not re.search(r"[0-9]{4}", re.sub(r"<\w+-\d+>", "", found))


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-22T10:00:00+02:00",
        "1700000000000 1732300000 1700000000000000000",
        "call_1234567890123456 chatcmpl-4111111111111111 req_4111111111111111",
        "3.1415926535897932 0.4111111111111111 1,234,567.89 +1.500.000.000,00 EUR",
        "4111111111111112 is no card",
        "DE88 3704 0044 0532 0130 00 is no IBAN",
        "192.168.100.200 255.255.255.255:8080",
        "order 123-456-7890 ISBN 978-3-16-148410-0",
        "npm i foo@1.2.3 @scope/pkg@2.0.0 user@localhost",
        "550e8400-e29b-41d4-a716-446655440000",
        "phone 2026-11-22",
        "x = a+1234567890; 10+20-30",
        "00 1234567890 0000000012345678",
        "rgb(255) 100-200-3000 2024/2025",
        "data:image/png;base64,aaaa+4915112345678bob@example.com",
        "A+4915112345678/" * 40,
        "ENERGY12 XX00 1234 5678 9012 3456",
    ],
)
def test_what_is_none_stays(text: str) -> None:
    assert clean(text) == text


@given(st.integers(min_value=0, max_value=10**22))
def test_a_number_is_replaced_only_as_a_card(number: int) -> None:
    text = str(number)
    assume(not (14 <= len(text) <= 19 and luhn(text)))
    assert clean(text) == text
    assert clean(f'{{"id": "{text}", "n": {number}}}') == f'{{"id": "{text}", "n": {number}}}'


@given(st.datetimes(), st.floats(allow_nan=False, allow_infinity=False), st.uuids())
def test_times_prices_and_ids_stay(moment: object, price: float, id: object) -> None:
    text = f"{moment} {price} {price:.2f} {id} {moment:%Y-%m-%dT%H:%M:%S+00:00}"
    # twelve digits of an id may be a telephone number's in no form that is looked for
    assert clean(text) == text


@given(DIGITS.filter(lambda text: len(text) == 15), st.sampled_from(["", " ", "-"]))
def test_every_valid_card_number_is_replaced(digits: str, separator: str) -> None:
    body = "4" + digits[:14]
    number = next(body + check for check in "0123456789" if luhn(body + check))
    groups = separator.join(number[start : start + 4] for start in range(0, 16, 4))
    assert clean(f"it is {groups}, thanks") == "it is <card-1>, thanks"


@given(st.text("0123456789", min_size=18, max_size=18))
def test_every_valid_german_iban_is_replaced(account: str) -> None:
    number = next(f"DE{check:02}{account}" for check in range(2, 99) if iban(f"DE{check:02}{account}"))
    spaced = " ".join(number[start : start + 4] for start in range(0, 22, 4))
    assert clean(f"to {number} or {spaced} now") == "to <iban-1> or <iban-1> now"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_structure_stays(value: object) -> None:
    found = Placeholders().value(value)
    assert type(found) is type(value)
    assert Placeholders(personal=False).value(value) == value


def test_a_value_has_one_placeholder_however_it_is_written() -> None:
    placeholders = Placeholders()
    assert placeholders.text("Bob@Example.com bob@example.com") == "<email-1> <email-1>"
    assert placeholders.text("4111-1111-1111-1111") == "<card-1>"
    assert placeholders.value({"a": ["4111111111111111", "eve@example.com"]}) == {
        "a": ["<card-1>", "<email-2>"]
    }
    assert placeholders.text("+49 30 1234567, 0049 30 1234567") == "<phone-1>, <phone-1>"
    assert placeholders.replaced == 7


def test_json_in_a_text_stays_json() -> None:
    inner = json.dumps({"to": "bob@example.com", "note": 'say "hi"', "list": [1, 2.5, None]})
    outer = {"function": {"name": "send", "arguments": inner}}
    found = Placeholders().value(outer)
    assert json.loads(found["function"]["arguments"]) == {
        "to": "<email-1>",
        "note": 'say "hi"',
        "list": [1, 2.5, None],
    }
    untouched = '{"a":1,   "b": "x"}'
    assert clean(untouched) == untouched
    cut = '{"to": "bob@example.com", "no'
    assert clean(cut) == '{"to": "<email-1>", "no'


def test_a_key_that_speaks_of_telephones_marks_its_value() -> None:
    found = Placeholders().value(
        {"phone": "030 1234567", "mobile_number": "015112345678", "id": "015112345678"}
    )
    assert found == {"phone": "<phone-1>", "mobile_number": "<phone-2>", "id": "015112345678"}


def test_own_patterns_and_switched_off() -> None:
    own = Placeholders(personal=False, patterns=[re.compile(r"CUST-\w+"), re.compile("q*")])
    assert own.text("CUST-a1, CUST-b, CUST-a1 bob@example.com") == (
        "<redacted-1>, <redacted-2>, <redacted-1> bob@example.com"
    )


def test_keys_are_masked_in_any_case() -> None:
    redactor = Redactor(["a-very-secret-key"])
    placeholders = Placeholders(mask=redactor.text, personal=False)
    found = json.dumps(
        placeholders.value({"messages": ["my key is a-very-secret-key", '{"k": "a-very-secret-key"}']})
    )
    assert "secret" not in found
    assert "[key]" in found


def test_what_was_clean_is_looked_at_again_when_a_key_is_learned() -> None:
    secrets: list[str] = []
    placeholders = Placeholders(mask=lambda text: Redactor(secrets).text(text))
    assert placeholders.text("hush-hush-hush") == "hush-hush-hush"
    secrets.append("hush-hush-hush")
    placeholders.forget()
    assert "hush" not in placeholders.text("hush-hush-hush")


@pytest.mark.parametrize(
    "text",
    [
        "a@" * 50_000,
        "a." * 50_000 + "@",
        "a@" + "b." * 50_000,
        "+1 " * 50_000,
        "4111 " * 50_000,
        "DE00" * 50_000,
        "tel " * 50_000,
        "1-" * 50_000,
        "(" * 50_000 + "[" * 50_000,
    ],
)
def test_hostile_texts_take_no_long_time(text: str) -> None:
    # a pattern that goes back and forth would not end within the bound of the whole suite
    clean(text)
