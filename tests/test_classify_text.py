"""Normalising Spanish as people type it, in bounded time for any text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadmasterd.classify.text import JUDGED, LONG_WORD, normalise


@pytest.mark.parametrize(
    ("typed", "even"),
    [
        ("Holaaaa!! q tal?", "hola que tal ?"),
        ("CUÁNTO SALE", "cuanto sale"),
        ("cto sale xfa", "cuanto sale por favor"),
        ("tmb hacen envíos xq soy de lejos", "tambien hacen envios porque soy de lejos"),
        ("¿Tienes en talla M? ¿Puedes guardarlo?", "tenes en talla m ? podes guardarlo ?"),
        ("mañana año señor", "manana ano senor"),
        ("leer, llamar, perro, cree", "leer llamar perro cree"),
        ("siiii graciasss okk", "si gracias ok"),
        ("grax 🙏🏽🙏", "gracias :thanks:"),
        ("👍👍🏿 dale", ":ok: dale"),
        ("jajajaja jeje xd", ":laugh:"),
        ("jaja ja jajsj haha jiji", ":laugh: ja jajsj :laugh:"),
        ("es para mi hija jeja hihi", "es para mi hija :laugh:"),
        ("sale $ 15.000 o 20 lucas?", "sale :money: o :money: ?"),
        ("mi cel es +54 9 11 5555-0100", "mi celular es :phone:"),
        ("mirá https://tienda.example/x?y=1", "mira :link:"),
        ("2 kg, 10:30hs, talle 42", "2 kg 10:30hs talle 42"),
        ("\u200b\u202eho\u200dla\u202c\ufeff", "hola"),
        ("\ud800 precio", "precio"),
        ("\ufb01jate", "fijate"),
        ("", ""),
        ("🦄\u2060", ""),
        ("?!?", "?"),
    ],
)
def test_what_is_typed_becomes_even(typed: str, even: str) -> None:
    """All spellings of a word become one."""
    assert normalise([typed]).text == even


def test_the_bubbles_of_a_burst_stay_apart() -> None:
    """Messages with words are separated by a newline."""
    burst = normalise(["hola", "", "🦄", "precio?"])
    assert (burst.text, burst.words, burst.question) == ("hola\nprecio ?", ("hola", "precio"), True)


def test_an_overlong_burst_is_cut_and_says_so() -> None:
    """Only its beginning is used."""
    burst = normalise(["hola cuanto sale? " + "bla " * 15_000])
    assert burst.text.startswith("hola cuanto sale ?")
    assert len(burst.text) <= JUDGED
    assert burst.cut
    assert not normalise(["hola"]).cut


@pytest.mark.parametrize(
    "typed",
    [
        "a" * 60_000,
        "\u200b" * 60_000,
        "ﷺ" * 60_000,
        "1." * 30_000,
        ("j" * 39 + "b ") * 1_500,
        "$" * 60_000,
        "(1" * 30_000,
    ],
)
def test_sixty_thousand_characters_of_anything_are_read(typed: str) -> None:
    """The time limit holds for every kind of character."""
    burst = normalise([typed, typed])
    assert len(burst.text) <= JUDGED
    assert all(len(word) <= LONG_WORD for word in burst.words)


@given(st.lists(st.text(st.characters(exclude_categories=[])), max_size=5))
def test_any_text_is_even_after_one_pass(texts: list[str]) -> None:
    """The result has no capitals, accents or double spaces and keeps to the limit, even with lone surrogates."""
    burst = normalise(texts)
    assert len(burst.text) <= JUDGED
    for line in burst.text.split("\n"):
        assert line == " ".join(line.split(" ")).strip()
    assert burst.text == burst.text.lower()
    assert burst.text.isascii()
