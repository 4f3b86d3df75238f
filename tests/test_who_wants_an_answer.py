"""Who waits and who does not, by their own words: links, promises, notices of companies, machines of other shops.

With the packaged rules and model, so these are sentences and not intents. None is from a measuring set.
"""

import json
from typing import Any

import pytest

from leadmasterd.classify.classifier import Classifier
from leadmasterd.classify.loading import load_classifier
from leadmasterd.replay import Replay
from tests import wire
from tests.stories import Customer, Line, Told, iso, moment, policy


@pytest.fixture(scope="module")
def packaged() -> Classifier:
    """The packaged rules and model."""
    return load_classifier(None, None)


@pytest.fixture
def rita() -> Customer:
    """A stranger."""
    return Customer("5491155550311@c.us")


def tell(classifier: Classifier, *lines: Line) -> Told:
    """Replay a story with real labels."""
    with Replay(classifier, policy(), moment("27 12:00")) as replay:
        replay.feed(json.dumps(line).encode() for line in lines)
        return Told(replay.result(), replay.refused)


def company(customer: Customer, at: str, words: str) -> Line:
    """A message from a business account."""
    return customer.says(at, words, contact={**wire.contact(), "business": True})


# ---------------------------------------------------------------------- only a link


@pytest.mark.parametrize(
    "link",
    [
        "https://www.tiktok.com/@muebles/video/7345",
        "http://wa.me/c/5491155550100",
        "maps.google.com/maps?q=-34.6,-58.4",
        "Enlace: https://fb.watch/abc12/",
        "https://example.com/a https://example.com/b",
    ],
)
def test_a_bare_link_of_a_stranger_is_an_unsorted_lead_that_waits(
    packaged: Classifier, rita: Customer, link: str
) -> None:
    """Whatever the model takes links for."""
    told = tell(packaged, rita.says("18 10:00", link))
    assert (told.stages, told.waits_since()) == (["unsorted"], iso("18 10:00"))
    assert told.chat()["category"] == "unknown"


def test_a_link_that_a_rule_knows_for_fraud_by_its_words_is_none(packaged: Classifier, rita: Customer) -> None:
    """«Only a rule that gives its reason»."""
    told = tell(packaged, rita.says("18 10:00", "fuiste seleccionado para un premio, entrá a https://bit.ly/zzz"))
    assert (told.stages, told.waits_since()) == ([], None)


def test_the_word_link_alone_is_a_word(packaged: Classifier) -> None:
    """Somebody may ask for one."""
    from leadmasterd.classify.intents import Signals

    assert packaged.classify(["link?"], Signals()).code != "only_a_link"


# ---------------------------------------------------------------------- thanks and promises


def answered(rita: Customer) -> list[Line]:
    """They asked and a person answered."""
    return [rita.says("18 10:00", "hola! a cuánto tenés la pintura?"), rita.hears("18 10:04", "a 30 mil el balde")]


@pytest.mark.parametrize(
    "words",
    [
        "muchas gracias por la data, que tengas linda tarde!",
        "dale, lo charlo con mi socio y el lunes te confirmo",
        "bueno dejame pensarlo y te escribo",
        "Genial, cualquier novedad te aviso 🙏",
        "gracias por contestar, lo tengo presente",
        "mañana te digo",
        "quedamos así entonces, abrazo",
        "llegaron re bien, muchas gracias!!",
        "le pregunto a mi vieja y les aviso",
        "ok, cuando cobre te escribo",
    ],
)
def test_thanks_and_promises_after_our_answer_begin_no_waiting(
    packaged: Classifier, rita: Customer, words: str
) -> None:
    """There is nothing to answer now."""
    told = tell(packaged, *answered(rita), rita.says("18 10:30", words))
    assert (told.stages, told.waits_since()) == (["contacted"], None)


@pytest.mark.parametrize(
    "words",
    [
        "gracias! y el rodillo cuánto vale?",
        "te confirmo mañana, ¿hasta qué hora están?",
        "dale te aviso, pasame el cbu",
        "bueno lo pienso, me mandás una foto",
        "gracias por la info pero me cobraste de más",
        "te aviso. avisame si te entra otro color",
        "te llamo?",
    ],
)
def test_whoever_asks_for_something_beside_the_thanks_waits(packaged: Classifier, rita: Customer, words: str) -> None:
    """However much they promise."""
    assert tell(packaged, *answered(rita), rita.says("18 10:30", words)).waits_since() == iso("18 10:30")


@pytest.mark.parametrize("words", ["muchas gracias", "te aviso mañana"])
def test_from_a_stranger_thanks_and_promises_open_an_unsorted_lead_that_waits(
    packaged: Classifier, rita: Customer, words: str
) -> None:
    """«From a stranger never answered, anything does»; what it is shows as `courtesy`."""
    told = tell(packaged, rita.says("18 10:00", words))
    assert (told.stages, told.waits_since()) == (["unsorted"], iso("18 10:00"))
    assert told.chat()["category"] == "courtesy"


def test_a_promise_in_a_caption_has_a_picture_to_look_at(packaged: Classifier, rita: Customer) -> None:
    """«A pure acknowledgement»: words only."""
    picture = rita.says("18 10:30", "te confirmo mañana", message_type="image", media={"mimetype": "image/jpeg"})
    assert tell(packaged, *answered(rita), picture).waits_since() == iso("18 10:30")


# ---------------------------------------------------------------------- notices of companies


@pytest.mark.parametrize(
    "words",
    [
        "Su boleta de gas vence el 12/12. Importe: $ 8.120. Abónela con nuestra app.",
        "Le recordamos su turno con la Dra. Gil el martes a las 8:40. Responda 1 para confirmar.",
        "Tu paquete está en camino y llega mañana",
        "Registramos un pago de $ 2.500 con tu tarjeta terminada en 9087",
        "HOT SALE! hasta 35% OFF y 9 cuotas. Entrá a nuestra tienda",
    ],
)
def test_a_notice_of_a_company_is_no_lead_and_waits_for_nobody(
    packaged: Classifier, rita: Customer, words: str
) -> None:
    """A program tells something; the rule that says so is the reason."""
    told = tell(packaged, company(rita, "18 10:00", words))
    assert (told.stages, told.waits_since()) == ([], None)


@pytest.mark.parametrize(
    "words",
    [
        "Buenas, necesitamos presupuesto por 15 escritorios",
        "Hola, nuestro pedido del martes está en camino?",
        "Quisiéramos encargar los regalos para el Black Friday, 200 unidades",
        "hola, cuándo vence la promo?",
    ],
)
def test_a_companys_enquiry_waits_like_anybodys(packaged: Classifier, rita: Customer, words: str) -> None:
    """Companies buy as well."""
    assert tell(packaged, company(rita, "18 10:00", words)).waits_since() == iso("18 10:00")


def test_without_a_business_account_the_same_words_are_a_persons(packaged: Classifier, rita: Customer) -> None:
    """Somebody may copy the notice to ask about it."""
    told = tell(packaged, rita.says("18 10:00", "Tu paquete está en camino y llega mañana"))
    assert told.waits_since() == iso("18 10:00")


# ---------------------------------------------------------------------- another shop's machine


def machine(
    rita: Customer, *parts: tuple[str, str | None], first: str = "hola, tienen cable de 2,5?", **fields: Any
) -> list[Line]:
    """We wrote at 10:00:00, and this came back at these seconds."""
    return [rita.hears("18 10:00:00", first), *(rita.says(f"18 10:00:{at}", words, **fields) for at, words in parts)]


@pytest.mark.parametrize(
    "words",
    [
        "Gracias por escribirnos 🙌",
        "¡Hola! En breve te atendemos.",
        "Bienvenidos a Pinturas del Oeste",
        "Sucursal Centro: Rivadavia 800. Sucursal Norte: Cabildo 2200. Precios en la tienda",
    ],
)
def test_what_comes_seconds_after_our_first_words_is_a_machines(
    packaged: Classifier, rita: Customer, words: str
) -> None:
    """Long, or a greeting by its words: no lead, and nobody waits."""
    told = tell(packaged, *machine(rita, ("03", words)))
    assert (told.stages, told.waits_since()) == ([], None)


@pytest.mark.parametrize("words", ["sí, decime", "hola!", "si tenemos, cuántos metros?", "quién es?"])
def test_a_short_human_answer_within_seconds_waits(packaged: Classifier, rita: Customer, words: str) -> None:
    """A person had the phone in the hand."""
    assert tell(packaged, *machine(rita, ("05", words))).waits_since() == iso("18 10:00:05")


def test_the_same_at_a_persons_speed_waits(packaged: Classifier, rita: Customer) -> None:
    """Eleven seconds are enough to choose an answer."""
    told = tell(
        packaged, *machine(rita, ("11", "Gracias por escribirnos, sí tenemos, a 900 el metro, cuántos llevás?"))
    )
    assert told.waits_since() == iso("18 10:00:11")


def test_a_machine_with_much_to_say_is_one_machine(packaged: Classifier, rita: Customer) -> None:
    """A picture, a greeting and a menu, the last beyond the ten seconds."""
    parts = (("02", "Bienvenida a Casa Luz"), ("06", "Elegí una opción"), ("10", "1 Precios"), ("14", "2 Envíos"))
    told = tell(packaged, *machine(rita, *parts))
    assert (told.stages, told.waits_since()) == ([], None)


def test_the_person_behind_the_machine_waits_even_within_the_same_minute(packaged: Classifier, rita: Customer) -> None:
    """Their words are no part of the machine's burst."""
    told = tell(packaged, *machine(rita, ("02", "Gracias por comunicarte con Casa Luz"), ("40", "hola, sí, cuántos?")))
    assert told.waits_since() == iso("18 10:00:40")


def test_whoever_wrote_first_or_was_known_before_is_a_customer(packaged: Classifier, rita: Customer) -> None:
    """«Our first message»: a quick reply in a talk is a person's."""
    long = "dale genial, entonces me llevo dos baldes de la blanca y uno de la gris"
    talk = [rita.says("18 09:00", "hola, precio?"), *machine(rita, ("04", long), first="30 mil el balde")]
    assert tell(packaged, *talk).waits_since() == iso("18 10:00:04")


def test_a_saved_contact_is_no_stranger(packaged: Classifier) -> None:
    """The rule is for strangers."""
    saved = Customer("5491155550312@c.us", saved="Tito")
    told = tell(packaged, *machine(saved, ("04", "hola! sí, justo te iba a escribir por las bolsas que me pediste")))
    assert told.waits_since() == iso("18 10:00:04")


def test_whoever_comes_by_an_ad_is_a_customer_however_soon_after_its_greeting(
    packaged: Classifier, rita: Customer
) -> None:
    """The ad's button wrote the words, and WhatsApp shows the ad's greeting above them."""
    clicked = rita.clicks_ad("18 10:00:01", "¡Hola! Vi el anuncio y quiero saber más de las macetas de cemento")
    told = tell(packaged, rita.hears("18 10:00:00", "Bienvenidos, en qué los ayudamos?"), clicked)
    assert (told.stages, told.waits_since()) == (["new"], iso("18 10:00:01"))


def test_a_machine_that_is_captured_before_our_own_words_is_one_as_soon_as_they_are(
    packaged: Classifier, rita: Customer
) -> None:
    """In any order of capture."""
    ours, theirs = machine(rita, ("03", "Gracias por escribirnos, en breve te respondemos"))
    told = tell(packaged, theirs, ours)
    assert (told.stages, told.waits_since()) == ([], None)


# ---------------------------------------------------------------------- a new number


def test_a_stranger_with_a_new_number_and_no_wish_is_courtesy_and_waits(packaged: Classifier, rita: Customer) -> None:
    """Nobody knows yet who that is, and the model took such lines for spam."""
    told = tell(packaged, rita.says("18 10:00", "hola! cambié de celular, este es mi número nuevo. Noelia"))
    assert (told.stages, told.waits_since()) == (["unsorted"], iso("18 10:00"))
    assert told.chat()["category"] == "courtesy"


@pytest.mark.parametrize(
    "words",
    [
        "cambié el número, soy Noelia. Al final quiero el espejo",
        "este es mi otro celular, soy Raúl, haceme un presupuesto por el portón",
        "hola! tengo número nuevo, te quedan sillas?",
    ],
)
def test_whoever_has_a_new_number_and_wants_a_thing_is_a_customer(
    packaged: Classifier, rita: Customer, words: str
) -> None:
    """The wish counts, not the number."""
    assert tell(packaged, rita.says("18 10:00", words)).stages == ["new"]
