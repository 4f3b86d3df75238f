"""Labels in words for people: why a burst has its label, and the names of intents and groups.

The database stores ids, codes and values; they may be of a later version, or damaged, so nothing here fails on them.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from leadmasterd.text import _, figure, name_of, printable

Values = Mapping[str, Any]
"""`Label.values` as stored: what a reason's sentence needs. Keys may be missing."""

INTENT_ES: Final[Mapping[str, str]] = {
    "price": "precio",
    "availability": "stock",
    "order": "pedido",
    "appointment": "turno",
    "delivery": "envío",
    "payment": "pago",
    "business_info": "info del local",
    "callback": "pide llamada",
    "general_enquiry": "consulta general",
    "complaint": "reclamo",
    "order_status": "estado del pedido",
    "return": "cambio/devolución",
    "greeting": "saludo",
    "acknowledgement": "ok/gracias",
    "not_interested": "no le interesa",
    "opt_out": "pide no recibir más",
    "wrong_number": "número equivocado",
    "abusive": "agresivo",
    "personal": "personal",
    "supplier": "proveedor",
    "job_seeker": "busca trabajo",
    "spam": "spam",
    "unknown": "sin clasificar",
}
"""Commands in English show these names too, after the id: those who answer customers read Spanish, and may type
either."""

GROUP_ES: Final[Mapping[str, str]] = {
    "commercial": "comercial",
    "after_sale": "posventa",
    "courtesy": "cortesía",
    "closing": "cierre",
    "noise": "ruido",
    "unknown": "sin clasificar",
}


def intent_name(intent: str) -> str:
    """An intent's name for people, in the language of this process. An unknown one is shown by its id."""
    return name_of(intent, INTENT_ES)


def group_name(group: str) -> str:
    """A group's name for people, in the language of this process. An unknown one is shown by its id."""
    return name_of(group, GROUP_ES)


def _quoted(words: object) -> str:
    """A list of words in quotation marks; empty for anything else."""
    return ", ".join(f"«{printable(str(each))}»" for each in words) if isinstance(words, list | tuple) else ""


def _percent(values: Values, key: str = "confidence") -> str:
    """A value of 0 to 1 as a percentage; `?` if it is missing."""
    share = values.get(key)
    return f"{share:.0%}" if isinstance(share, int | float) else "?"


def _rule(values: Values) -> str:
    """Which rule decided, by which words, and what else the burst is about."""
    rule, matched = values.get("rule", "?"), values.get("matched")
    if matched:
        sentence = _("rule {rule}, by {words}").format(rule=rule, words=_quoted([matched]))
    else:
        sentence = _("rule {rule}, by what kind of message it is").format(rule=rule)
    return sentence + _others(values)


def _others(values: Values) -> str:
    """The end of a sentence, about the intents of other rules that matched; empty if there are none."""
    others = values.get("others")
    if not isinstance(others, list | tuple) or not others:
        return ""
    return _("; also about {intents}, answered after it").format(
        intents=", ".join(intent_name(str(each)) for each in others)
    )


def _model(values: Values) -> str:
    """How sure the model is, by which words and signals, and against which rule it decided."""
    sentence = _("learned from examples, {percent} sure").format(percent=_percent(values))
    words = _quoted(values.get("because"))
    if words:
        sentence += _(", by {words}").format(words=words)
    signals, against = values.get("signals"), values.get("against")
    if isinstance(signals, list | tuple) and "saved_contact" in signals:
        sentence += _(", of a saved contact")
    if against:
        sentence += _("; rule {rule} yields").format(rule=against)
    return sentence


def _unsure(values: Values) -> str:
    """What the model would guess, and how far it is from sure."""
    return _("not sure enough: perhaps {intent} ({percent})").format(
        intent=intent_name(str(values.get("guess", "?"))), percent=_percent(values)
    )


def _unseen_words(values: Values) -> str:
    """How much of the words the model knows, and what it would guess."""
    return _("most of its words are new to the model ({percent} familiar): perhaps {intent}").format(
        intent=intent_name(str(values.get("guess", "?"))), percent=_percent(values, "known")
    )


def plain_why(code: str, values: Values) -> str:
    """A label's reason for people who answer customers: as `why`, but without a rule's name or the model's words.

    If a rule or the model decided, it also leaves out that only the beginning of a long burst was read.
    """
    if code == "rule":
        matched = values.get("matched")
        sentence = _("because of {words}").format(words=_quoted([matched])) if matched else _("by the kind of message")
        return sentence + _others(values)
    if code == "model":
        return _("it is like other messages, {percent} sure").format(percent=_percent(values))
    return why(code, values)


REASONS: Final[Mapping[str, Callable[[Values], str]]] = {
    "rule": _rule,
    "model": _model,
    "unsure": _unsure,
    "unseen_words": _unseen_words,
    "empty": lambda v: _("no words in it"),
    "only_a_link": lambda v: _("only a link, and no words that say what for"),
    "media_only": lambda v: _("a picture, a voice note or the like, without words"),
    "no_model": lambda v: _("no rule matched, and there is no learned model"),
}
"""By `Label.code`, what puts its values into words."""


def why(code: str, values: Values) -> str:
    """A label's reason in words. An unknown code, as a later version may have stored, is shown as it is."""
    sentence = REASONS[code](values) if code in REASONS else code
    if values.get("cut"):
        from leadmasterd.classify.text import JUDGED  # takes longer to load than the rest of `status`

        sentence += _(" (long: the first {n} characters were read)").format(n=figure(JUDGED))
    return sentence
