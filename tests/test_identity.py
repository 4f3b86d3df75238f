"""The phone behind an id: as people read it, and as a key that is equal for two spellings."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadmasterd.identity import Phone, canonical_id, phone_from_text, phone_of

ONE_PHONE = {
    "Argentina, a mobile with and without its 9": (
        ("5491155550001", "+5491155550001"),
        ("541155550001", "+541155550001"),
    ),
    "Mexico, with and without the abolished 1": (("5215512345678", "+525512345678"), ("525512345678", "+525512345678")),
    "Brazil, a mobile with and without its ninth digit": (
        ("5511987650001", "+5511987650001"),
        ("551187650001", "+5511987650001"),
    ),
}


@pytest.mark.parametrize(
    ("wid", "canonical"),
    [
        ("5491155550001@c.us", "5491155550001@c.us"),
        ("5491155550001:12@s.whatsapp.net", "5491155550001@c.us"),
        ("5491155550001:99@hosted", "5491155550001@c.us"),
        ("5491155550001@hosted", "5491155550001@c.us"),
        ("88001122334455@hosted.lid", "88001122334455@lid"),
        ("88001122334455:99@hosted.lid", "88001122334455@lid"),
        ("120363000000000001@g.us", "120363000000000001@g.us"),
    ],
)
def test_a_user_has_one_id_whatever_device_speaks(wid: str, canonical: str) -> None:
    """A business's provider uses servers of its own."""
    assert canonical_id(wid) == canonical


@pytest.mark.parametrize("spellings", ONE_PHONE.values(), ids=ONE_PHONE)
def test_two_spellings_of_one_phone_have_one_match_key(spellings: tuple[tuple[str, str], ...]) -> None:
    """Argentina 54 9 = 54, Mexico 52 1 = 52, Brazil with and without the ninth digit; each is shown as E.164."""
    phones = [phone_of(f"{digits}@c.us") for digits, _ in spellings]
    assert [phone and phone.e164 for phone in phones] == [e164 for _, e164 in spellings]
    assert len({phone and phone.match_key for phone in phones}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("551133334444", "5511933334444"),
        ("5491155550001", "5491155550002"),
        ("541155550001", "5521155550001"),
        ("5511987650001", "5521987650001"),
    ],
    ids=["a landline of Brazil and the mobile with a 9 before it", "two mobiles", "two countries", "two areas"],
)
def test_different_phones_have_different_match_keys(one: str, other: str) -> None:
    """Only known equivalents are rewritten."""
    phones = [phone_of(f"{digits}@c.us") for digits in (one, other)]
    assert None not in phones
    assert len({phone and phone.match_key for phone in phones}) == 2


def test_elsewhere_the_match_key_is_the_digits() -> None:
    """Only those three countries are rewritten."""
    assert phone_of("59899123456@c.us") == Phone("+59899123456", "59899123456")


@pytest.mark.parametrize(
    "wid",
    [
        "88001122334455@lid",
        "179950657237125@lid",
        "5491155550001@lid",
        "5491155550001@hosted.lid",
        "5491155550001",
        "120363000000000001@g.us",
        "13135550002@c.us",
        "13165550012@c.us",
        "718584497008509@bot",
        "0@c.us",
        "5555@c.us",
        "55550001@c.us",
        "5455550001@c.us",
        "4300000000@c.us",
        "179950657237125@c.us",
        "99999999999999999999@c.us",
        "٥٤٩١١٥٥٥٥٠٠٠١@c.us",
        "+5491155550001@c.us",
        "ana@c.us",
        "@c.us",
        "",
    ],
)
def test_what_is_no_phone_gives_none(wid: str) -> None:
    """LIDs, bots, short codes, numbers that are too long or lack an area code, and garbage."""
    assert phone_of(wid) is None


@pytest.mark.parametrize(
    ("text", "country", "key"),
    [
        ("011 15 5555-0001", "AR", "541155550001"),
        ("+54 9 11 5555 0001", "AR", "541155550001"),
        ("1155550001", "AR", "541155550001"),
        ("(011) 5555-0001", "AR", "541155550001"),
        ("0341 15 555-0001", "AR", "543415550001"),
        ("0054 9 11 5555 0001", "AR", "541155550001"),
        ("5491155550001", "AR", "541155550001"),
        ("5491155550001", "ES", "541155550001"),
        ("5491155550001@c.us", "AR", "541155550001"),
        (" \u202a+54 9 11 5555-0001\u202c ", "AR", "541155550001"),
        ("5215512345678", "AR", "525512345678"),
        ("55 1234 5678", "MX", "525512345678"),
        ("+52 1 55 1234 5678", "AR", "525512345678"),
        ("(11) 8765-0001", "BR", "551187650001"),
        ("(11) 98765-0001", "BR", "551187650001"),
    ],
)
def test_a_number_as_people_type_it_has_the_key_of_its_id(text: str, country: str, key: str) -> None:
    """With 0 and 15, with or without country, with invisible marks from WhatsApp, or as the id itself."""
    assert phone_from_text(text, country) == key


@pytest.mark.parametrize(
    "text", ["", "+", "Ana", "Ana 5", "0800-FLOWERS", "12345", "5555 0001", "88001122334455@lid", "1" * 70_000]
)
def test_what_is_no_number_has_no_key(text: str) -> None:
    """A name, a number without area code, or an id that is no phone."""
    assert phone_from_text(text, "AR") is None


@pytest.mark.parametrize("prefix", ["044", "045", "01"])
def test_a_prefix_that_mexico_has_abolished_makes_no_other_number(prefix: str) -> None:
    """phonenumbers takes it for the beginning of the number."""
    assert phone_from_text(f"{prefix} 55 1234 5678", "MX") is None


@given(st.text(), st.text(max_size=3))
def test_no_text_is_an_error(text: str, country: str) -> None:
    """Any text may be typed by people or sent by WhatsApp."""
    phone_from_text(text, country)
    phone_of(text)
    phone_of(f"{text}@c.us")


@given(st.from_regex(r"[1-9][0-9]{6,14}", fullmatch=True))
def test_what_is_shown_has_the_key_it_was_shown_for(digits: str) -> None:
    """Reading the E.164 form gives the same phone."""
    phone = phone_of(f"{digits}@c.us")
    if phone is not None:
        again = phone_of(f"{phone.e164[1:]}@c.us")
        assert again is not None
        assert again.match_key == phone.match_key


def test_phonenumbers_is_imported_only_for_the_first_number() -> None:
    """The import takes 32 ms, which most commands do not need."""
    program = (
        "import sys; from leadmasterd.identity import phone_of; import leadmasterd.store.people; phone_of('1@lid'); "
        "assert 'phonenumbers' not in sys.modules; phone_of('5491155550001@c.us'); assert 'phonenumbers' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
