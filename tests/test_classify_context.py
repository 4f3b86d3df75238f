"""What is known of somebody besides their words: a friend's small talk is personal, and a friend buys too.

None of these sentences is from a measuring set or from the training examples, except where a test says so.
"""

import json
import math
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.classification import OWN_SETS
from leadmasterd.classify.classifier import OVERRULES, Classifier
from leadmasterd.classify.intents import GROUP_OF, Label, Signals
from leadmasterd.classify.loading import load_classifier
from leadmasterd.classify.measure import Case, cases_from
from leadmasterd.classify.model import INTENTS_BY_SIGNAL, Model
from leadmasterd.classify.reasons import why
from leadmasterd.classify.rules_file import parse
from leadmasterd.classify.text import normalise
from leadmasterd.classify.train import Lesson, document_of, lessons_from
from leadmasterd.queries.corrections import labelled_bursts
from leadmasterd.replay import Replay
from leadmasterd.store.database import open_for_writing
from tests import wire
from tests.captures import item, opened
from tests.stories import Customer, iso, moment, policy

PACKAGED = load_classifier(None, None)
SAVED = Signals(saved_contact=True)
COMPANY = Signals(business_account=True)
CUSTOMERS = {"commercial", "after_sale"}


def label(*texts: str, signals: Signals = SAVED) -> Label:
    """The packaged label of a burst, by default of a saved contact."""
    return PACKAGED.classify(texts, signals)


# ---------------------------------------------------------------------- saved contacts


FRIENDS_WHO_BUY = (
    "che, tenés la de cuero en 42?",
    "gorda, te quedan de las velas de lavanda?",
    "hermano, a cuánto me dejás el taladro usado?",
    "ma de Benja, cuánto sale el disfraz?",
    "primo, tenés lugar el sábado para lavarme el auto?",
    "amiga haceme dos docenas de alfajores para el domingo",
    "tía guardame un kilo de ravioles que paso mañana",
    "vecino, me mandás un bidón de agua a casa?",
    "boludo, cuánto me cobrás por cambiar la pantalla del celu?",
    "che loco, hasta qué hora está abierto el local hoy?",
    "negra, pasame el alias que te pago las cremas",
    "amor, la señora de al lado pregunta si hacés arreglos de ropa",
    "gordo, qué precio tiene la parrilla chica?",
    "hola Sole! tenés turno para uñas el jueves?",
    "viejo, conseguís filtro de aceite para la Partner?",
    "amigo, aceptás tarjeta o solo efectivo?",
    "profe, cuánto está la cuota de natación?",
    "che, llegó el repuesto que te encargué?",
    "flaca, ya está lista la torta?",
    "hermana, el buzo que te compré se descosió",
    "Nico, la heladera que arreglaste no enfría más",
    "amiga puedo cambiar la pollera por una talle L?",
    "capo, haceme factura por lo de ayer",
    "dale, me quedo con la bici, cuándo la puedo buscar?",
    "compadre, cuánto vale el flete hasta Luján?",
    "linda, qué incluye el masaje descontracturante?",
    "hola tío, vendés garrafas?",
    "mami, reservame una mesa para cuatro el viernes a la noche",
    "genio, pasame presupuesto para pintar el frente",
    "hijo de la Nelly acá, señor, arregla persianas?",
)
"""Half of them call us something that a relative is called."""


SMALL_TALK = (
    "llegué re cansada, mañana te cuento todo",
    "viste lo que hizo el tarado de tu cuñado jaja",
    "me llevo el paraguas tuyo, después te lo doy",
    "hoy ceno en lo de Maru, no me esperes",
    "qué ganas de que sea viernes",
    "el nene se golpeó en el recreo pero está bien",
    "acordate que hoy juega la selección",
    "te mandé un audio, escuchalo cuando estés sola",
    "estoy haciendo la cola en el banco, un calor",
    "decile a la abuela que la llamo a la tarde",
    "nos perdimos, mandá la ubicación de la casa",
    "qué desastre el partido de anoche",
    "pasé por tu casa y no había nadie",
    "estamos saliendo para la cancha",
)
"""Most of it has no word that a shop never hears."""


@pytest.mark.parametrize("words", FRIENDS_WHO_BUY)
def test_a_saved_contact_that_wants_something_is_never_silenced(words: str) -> None:
    """Only a rule for closing or noise could: the one for family and friends has a list of what customers say."""
    found = label(words)
    assert found.method != "rule" or found.group in CUSTOMERS, why(found.code, found.values)


def test_saved_contacts_that_want_something_are_customers() -> None:
    """Being saved says nothing against an enquiry. The model misses two of thirty, who wait all the same."""
    assert sum(label(words).group in CUSTOMERS for words in FRIENDS_WHO_BUY) >= 28


def test_small_talk_of_saved_contacts_is_personal() -> None:
    """Where it is not, it is listed as an enquiry: in doubt for the customer."""
    known = sum(label(words).intent == "personal" for words in SMALL_TALK)
    assert known >= 10
    assert known > sum(label(words, signals=Signals()).intent == "personal" for words in SMALL_TALK)


def test_the_reason_says_that_they_are_saved() -> None:
    """«Every label carries its reason»: without it nobody understands why the same words are another thing."""
    found = label("estamos saliendo para la cancha")
    assert found.values["signals"] == ["saved_contact"]
    assert why(found.code, found.values).endswith(", of a saved contact")
    assert "signals" not in label("estamos saliendo para la cancha", signals=Signals()).values


def customers_of_the_measuring_sets() -> list[Case]:
    """Everybody who wants something before or after the sale, and nothing else."""
    cases = [case for file in OWN_SETS for case in cases_from(file.read_text("utf-8").splitlines(), file.name)]
    return [case for case in cases if {GROUP_OF[answer] for answer in case.answers} <= CUSTOMERS]


def test_of_all_customers_hardly_one_is_hidden_by_being_saved() -> None:
    """As if each of the 1,878 customers of the measuring sets were a friend: one in a hundred at most.

    Those who are hidden get a label that opens no lead; they wait for an answer all the same (`leads.fold`).
    """
    customers = customers_of_the_measuring_sets()
    assert len(customers) > 1_800

    def noise(case: Case, saved: bool) -> bool:
        return PACKAGED.classify(case.texts, case.signals._replace(saved_contact=saved)).group == "noise"

    assert sum(noise(case, True) and not noise(case, False) for case in customers) <= 0.01 * len(customers)


def test_a_friend_whom_the_model_takes_for_small_talk_waits_all_the_same() -> None:
    """«No classifier may silence the unanswered alert.»"""
    words = "estamos saliendo para la cancha"
    assert (label(words).intent, label(words).method) == ("personal", "model")
    friend = Customer("5491155550312@c.us")
    line = friend.says("18 10:00", words, contact={**wire.contact(), "saved_name": "Leo"})
    with Replay(PACKAGED, policy(), moment("27 12:00")) as replay:
        replay.feed([json.dumps(line).encode()])
        [chat] = replay.result()["conversations"]
    assert chat["waiting_since"] == iso("18 10:00")


# ---------------------------------------------------------------------- companies


@pytest.mark.parametrize(
    "words",
    [
        "hola, del estudio jurídico, cuánto salen 50 carpetas con logo?",
        "necesitamos cotización por 30 viandas diarias para la obra",
        "buenas, el pedido de la semana pasada llegó incompleto",
        "nos reservan una mesa para 12 el jueves al mediodía?",
        "hacen factura A? es para la empresa",
        "buen día, cuándo nos entregan los uniformes?",
        "somos una escuela, queremos encargar 200 medallas",
        "tienen stock de 80 vasos térmicos?",
        "aceptan transferencia a 30 días?",
        "hasta qué hora podemos retirar en el depósito?",
    ],
)
def test_a_company_that_wants_something_is_a_customer(words: str) -> None:
    """A business account buys too."""
    found = label(words, signals=COMPANY)
    assert found.group in CUSTOMERS, why(found.code, found.values)


# ---------------------------------------------------------------------- the model's part


def test_a_signal_says_something_of_its_own_intents_only() -> None:
    """How many examples of it have the signal, against all others: here all of the small talk, a third of the rest."""
    lessons = [
        Lesson(normalise([words]), intent, 1.0, Signals(saved_contact=saved))
        for number in range(12)
        for words, intent, saved in (
            (f"ya llegue te espero {number} abajo", "personal", True),
            (f"cuanto sale la torta {number}", "price", number < 8),
            (f"esta lista la mesa {number}", "order_status", False),
        )
    ]
    document = document_of(lessons, "36")
    assert document["odds"] == {"saved_contact": {"personal": round(math.log((13 / 14) / (9 / 26)), 2)}}
    assert PACKAGED.model is not None
    model, burst = PACKAGED.model, normalise(["estamos en la esquina"])
    for signal, intents in INTENTS_BY_SIGNAL.items():
        known = {"saved_contact": SAVED}[signal]
        ratios = {intent: model.share(burst, intent, known) / model.share(burst, intent) for intent in model.intents}
        others = {round(ratio, 9) for intent, ratio in ratios.items() if intent not in intents}
        assert len(others) == 1, "they keep their proportions"
        assert all(1 < ratios[intent] <= math.exp(1.75) for intent in intents)


def test_the_same_words_of_a_friend_and_of_a_stranger_may_mean_two_things() -> None:
    """Learned, not written down: the examples say who was saved."""
    lessons = [
        Lesson(normalise([f"{words} {more}"]), intent, 1.0, Signals(saved_contact=saved))
        for words in ("venis hoy", "a que hora", "donde estas", "me esperas")
        for more in ("", "dale", "che", "porfa", "si", "bueno")
        for intent, saved in (("personal", True), ("business_info", False))
    ]
    model = Model(document_of(lessons, "48"))
    burst = normalise(["a que hora venis"])
    assert (model.guess(burst, SAVED).intent, model.guess(burst).intent) == ("personal", "business_info")
    assert (model.guess(burst, SAVED).signals, model.guess(burst).signals) == (("saved_contact",), ())
    assert model.share(burst, "personal", SAVED) > model.share(burst, "personal")


def test_lessons_keep_what_was_known_of_the_sender() -> None:
    """An example's `context`, and that of a correction."""
    [lesson] = lessons_from(['{"text": "jaja", "intent": "personal", "context": {"saved_contact": true}}'], "x", 1.0)
    assert lesson.signals == SAVED


def test_a_correction_keeps_what_was_known_of_the_sender(tmp_path: Path) -> None:
    """As it was when the message came: otherwise a shop's own labels would teach that strangers chat like friends."""
    database = tmp_path / "leadmaster.db"
    saved = wire.message("A", contact=wire.contact(phone="5491155550312", name="Leo"), body="vamos a la cancha?")
    other = wire.message("B", seq=2, chat="5491155550313@c.us", contact=wire.contact(phone="5491155550313"))
    with opened(database, [item(saved), item(other)]):
        pass
    with closing(open_for_writing(database)) as connection:
        for number, intent in ((1, "personal"), (2, "price")):
            connection.execute(
                "INSERT INTO corrections (conversation_id, message_ids, intent, at, actor) "
                "VALUES (?, ?, ?, '2026-11-23T12:00:00.000Z', 'ana')",
                (number, f"[{number}]", intent),
            )
        assert labelled_bursts(connection) == [
            {"texts": ["vamos a la cancha?"], "intent": "personal", "context": {"saved_contact": True}},
            {"texts": ["Hola, precio?"], "intent": "price"},
        ]


# ---------------------------------------------------------------------- rules that yield

YIELDING = """
[[rule]]
id = "a-word-of-trade"
intent = "price"
phrases = ["precio"]
yields = true
yes = ["que precio tiene"]
no = ["hola"]
"""


def yielding(rules: str = YIELDING) -> Classifier:
    """One rule and the packaged model."""
    return Classifier(parse(rules, "rules.toml"), "1", PACKAGED.model)


def test_a_rule_that_yields_gives_way_to_a_model_that_is_sure_of_another_group() -> None:
    """By «precio» alone, whoever offers something is taken for somebody who asks what it costs."""
    words = ["somos distribuidores de envases descartables, le ofrecemos precio de fábrica para su local"]
    found = yielding().classify(words, COMPANY)
    assert (found.intent, found.method, found.values["against"]) == ("supplier", "model", "a-word-of-trade")
    assert found.confidence >= OVERRULES
    assert why(found.code, found.values).endswith("; rule a-word-of-trade yields")
    stubborn = yielding(YIELDING.replace("yields = true", "")).classify(words, COMPANY)
    assert (stubborn.intent, stubborn.method) == ("price", "rule"), (
        "a shop's own rules decide unless they say otherwise"
    )


def biased(**bias: float) -> Model:
    """A model that knows the word «precio» and guesses by these biases, whatever the words."""
    return Model(
        {
            "version": "1",
            "made": "",
            "learned": [],
            "intents": list(bias),
            "bias": list(bias.values()),
            "step": 1.0,
            "features": {"=precio": "200080"},
        }
    )


def test_a_rule_yields_to_a_model_that_is_sure_of_a_group_though_not_of_the_intent() -> None:
    """Whether they complain or ask for what they ordered matters less than that they are no new enquiry."""
    torn = Classifier(parse(YIELDING, "rules.toml"), "1", biased(complaint=1.0, order_status=1.1, price=-1.5))
    found = torn.classify(["precio"], Signals())
    assert (found.intent, found.method) == ("order_status", "model")
    assert found.confidence < OVERRULES


def test_noise_is_guessed_only_where_it_is_clearly_likelier_than_all_that_customers_want() -> None:
    """In doubt it is a customer: one enquiry too many costs a look, one too few a sale."""
    burst = normalise(["precio"])
    assert biased(complaint=0.0, price=0.1, spam=1.1).guess(burst).intent == "price"
    assert biased(complaint=0.0, price=0.1, spam=1.9).guess(burst).intent == "spam"
    assert biased(complaint=0.1, price=0.0, not_interested=0.5).guess(burst).intent == "complaint"
    assert biased(greeting=0.5, price=0.0, spam=0.1).guess(burst).intent == "greeting", "courtesy hides nobody"


@pytest.mark.parametrize(
    "words",
    [
        "que precio tiene la campera?",
        "precio y si hay en azul",
        "xkqw zzpr precio",
        "me pasas precio por favor, soy revendedora",
    ],
)
def test_a_rule_that_yields_decides_wherever_the_model_agrees_or_doubts(words: str) -> None:
    """The same group in other words is no contradiction."""
    assert yielding().classify([words], Signals()).method == "rule"


def test_what_yields_are_the_rules_for_what_customers_ask_and_the_one_for_friends() -> None:
    """No other rule for closing or noise: those name what they silence, and customers say none of it by accident."""
    found = {rule for rule in PACKAGED.rules.rules if rule.yields}
    assert {GROUP_OF[rule.intent] for rule in found if rule.id != "family-and-friends"} == {"commercial"}
    assert "family-and-friends" in {rule.id for rule in found}


def test_without_a_model_a_rule_that_yields_decides() -> None:
    """There is nobody to yield to."""
    found = Classifier(parse(YIELDING, "rules.toml"), "1", None).classify(["le ofrecemos precio"], COMPANY)
    assert (found.intent, found.confidence) == ("price", 1.0)
