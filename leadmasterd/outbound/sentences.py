"""The obstacles of a decision as sentences, in English and Spanish. Pure.

They are not translated by the catalogue, because people and JSON get both languages.
"""

from collections.abc import Mapping
from datetime import datetime, time, tzinfo
from typing import Final

from leadmasterd.outbound.decision import Denied, Reason

ENGLISH: Final[Mapping[Reason, str]] = {
    Reason.KILL_SWITCH: "the kill switch is on: nothing is sent until a person lifts it (`stop --lift`)",
    Reason.ACCOUNT_DISABLED: "the account {account} may not send: sending is off in the settings, or they name another",
    Reason.SUPPRESSED: "this person asked not to be written to, or was forgotten",
    Reason.ALREADY_ATTEMPTED: "it was handed to the gateway once; nothing is ever sent twice: make a new request",
    Reason.CANCELLED: "it was cancelled",
    Reason.EXPIRED: "it was to be sent before {at}",
    Reason.NO_CONSENT: "no consent to {purpose} messages is on record; having written to us is none",
    Reason.TEMPLATE_NEEDED: "free text needs a message of theirs to this account within the last 24 hours ({last}); "
    "use an approved template",
    Reason.TEMPLATE_NOT_APPROVED_BY_META: "Meta has not approved the template {template} (its status: {status})",
    Reason.TEMPLATE_NOT_APPROVED_HERE: "nobody of the shop has approved the template {template} as it reads now",
    Reason.NOT_APPROVED: "a person has to approve it first (`approve`)",
    Reason.TOO_EARLY: "it is not to be sent before {until}",
    Reason.QUIET_HOURS: "these are the quiet hours, {start} to {end}; they end at {until}",
    Reason.ACCOUNT_CAP: "the account has sent {cap} in 24 hours, which is the limit until {until}",
    Reason.CONTACT_CAP: "this person got {cap} in 24 hours, which is the limit until {until}",
    Reason.PAIR_RATE: "this person got one a moment ago; the next may follow at {until}",
}

SPANISH: Final[Mapping[Reason, str]] = {
    Reason.KILL_SWITCH: "el envío está detenido: no sale nada hasta que una persona lo habilite (`stop --lift`)",
    Reason.ACCOUNT_DISABLED: "la cuenta {account} no puede enviar: está apagado en la configuración, o nombra otra",
    Reason.SUPPRESSED: "esta persona pidió que no le escriban, o fue olvidada",
    Reason.ALREADY_ATTEMPTED: "ya se entregó una vez, y nada se envía dos veces: hacé una solicitud nueva",
    Reason.CANCELLED: "fue cancelada",
    Reason.EXPIRED: "había que enviarla antes de {at}",
    Reason.NO_CONSENT: "no consta que acepte mensajes de {purpose}; que nos haya escrito no alcanza",
    Reason.TEMPLATE_NEEDED: "el texto libre necesita un mensaje suyo a esta cuenta en las últimas 24 horas ({last}); "
    "usá una plantilla aprobada",
    Reason.TEMPLATE_NOT_APPROVED_BY_META: "Meta no aprobó la plantilla {template} (su estado: {status})",
    Reason.TEMPLATE_NOT_APPROVED_HERE: "nadie del negocio aprobó la plantilla {template} tal como está ahora",
    Reason.NOT_APPROVED: "primero tiene que aprobarla una persona (`approve`)",
    Reason.TOO_EARLY: "no hay que enviarla antes de {until}",
    Reason.QUIET_HOURS: "son las horas de silencio ({start} a {end}), hasta {until}",
    Reason.ACCOUNT_CAP: "la cuenta ya envió {cap} en 24 horas, que es el límite hasta {until}",
    Reason.CONTACT_CAP: "esta persona recibió {cap} en 24 horas, que es el límite hasta {until}",
    Reason.PAIR_RATE: "esta persona acaba de recibir uno; el próximo puede salir desde {until}",
}

_WORDS_ES: Final[Mapping[str, str]] = {
    "utility": "utilidad",
    "unknown": "desconocido",
    "pending": "en revisión",
    "rejected": "rechazada",
    "paused": "en pausa",
    "disabled": "desactivada",
}


def english(denied: Denied, zone: tzinfo) -> str:
    """The obstacle as one sentence, with times in this zone."""
    return _filled(ENGLISH, denied, zone, never="there was none")


def spanish(denied: Denied, zone: tzinfo) -> str:
    """As `english`, in Spanish."""
    values = {key: _WORDS_ES.get(str(value), value) for key, value in denied.values.items()}
    in_spanish = Denied(denied.reason, until=denied.until, values=values)
    return _filled(SPANISH, in_spanish, zone, never="no hubo ninguno")


def _filled(sentences: Mapping[Reason, str], denied: Denied, zone: tzinfo, *, never: str) -> str:
    """The sentence of the obstacle's reason, with its values. `never`: the words in place of a value that is None."""
    values = {**denied.values, "until": denied.until}
    return sentences[denied.reason].format(**{key: _shown(value, zone, never) for key, value in values.items()})


def _shown(value: object, zone: tzinfo, never: str) -> str:
    """One value as text: moments in this zone, times of day as `14:30`."""
    match value:
        case None:
            return never
        case datetime():
            return f"{value.astimezone(zone):%Y-%m-%d %H:%M:%S}".removesuffix(":00")
        case time():
            return f"{value:%H:%M}"
        case _:
            return str(value)
