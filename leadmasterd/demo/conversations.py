"""What the demo's customers write and the operator answers from the phone. All invented."""

from dataclasses import dataclass, field
from typing import Final, Literal

When = Literal["live", "node_down", "daemon_down"]
"""What is down when a message is written: nothing, the Node child, or the daemon with its Node child."""


@dataclass(frozen=True, slots=True)
class Said:
    """One message. `body`: its text, as it must be in the database afterwards; None: it has none.

    `own`: whether the operator wrote it. `fields`: further fields of the message, which the stand-in gets unchanged.
    """

    body: str | None
    own: bool = False
    fields: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Conversation:
    """A customer and the messages of one moment. `phone`: digits. `lid`: the customer's other id, if there is one."""

    name: str
    phone: str
    when: When
    said: tuple[Said, ...]
    lid: str | None = None
    minutes_ago: int = 0
    """How long ago it was written, so that some have been waiting for a while when the demo ends."""


def _in(*bodies: str) -> tuple[Said, ...]:
    """Texts that the customer wrote, one message each."""
    return tuple(Said(body) for body in bodies)


CONVERSATIONS: Final = (
    Conversation(
        "Ana",
        "5491155550001",
        "live",
        (
            *_in("Hola! buenas tardes", "cuánto sale el combo de 12 empanadas?"),
            Said("Hola Ana! 14.500, con envío en Caballito", own=True),
            *_in("genial, mandame uno porfa 🙌"),
        ),
    ),
    Conversation("Beto", "5491155550002", "live", _in("tenés stock de la remera negra talle L?")),
    Conversation(
        "Carla",
        "5491155550003",
        "live",
        (
            Said("dónde están?"),
            Said(None, fields={"type": "location", "lat": -34.6037, "lng": -58.3816, "loc": "Obelisco\nBuenos Aires"}),
        ),
    ),
    Conversation(
        "Dario",
        "5491155550004",
        "live",
        (
            Said(
                "Hola! Vi el aviso y quiero más información",
                fields={
                    "ctwaContext": {
                        "sourceUrl": "https://example.com/aviso",
                        "sourceId": "120200000000000001",
                        "title": "Promo invierno",
                        "conversionSource": "FB_Ads",
                    }
                },
            ),
        ),
    ),
    Conversation(
        "Elena", "5491155550005", "live", _in("hacen factura A?", "y aceptan transferencia?"), lid="111000111"
    ),
    Conversation(
        "Fede",
        "5491155550006",
        "live",
        (
            Said(
                "este modelo, lo tenés?",
                fields={
                    "type": "image",
                    "mimetype": "image/jpeg",
                    "caption": "este modelo, lo tenés?",
                    "directPath": "/v/t62/demo",
                    "size": 48213,
                    "width": 1080,
                    "height": 1350,
                    "body": "",
                },
            ),
        ),
    ),
    Conversation("Gabi", "5491155550007", "node_down", _in("Buen día, a qué hora abren hoy?", "hola??"), minutes_ago=6),
    Conversation(
        "Hugo", "5491155550008", "node_down", _in("me llegó la caja rota, quién me responde?"), minutes_ago=48
    ),
    Conversation(
        "Inés",
        "5491155550009",
        "node_down",
        (*_in("se puede pagar en 3 cuotas?"), Said("Sí, con todas las tarjetas", own=True)),
        lid="222000222",
    ),
    Conversation(
        "Julián",
        "5491155550010",
        "daemon_down",
        _in("quiero hacer un pedido para el sábado", "son 30 personas"),
        minutes_ago=130,
    ),
    Conversation("Karina", "5491155550011", "daemon_down", _in("hacen envíos a Rosario?"), minutes_ago=19),
    Conversation(
        "Leo",
        "5491155550012",
        "daemon_down",
        (*_in("gracias por todo, llegó perfecto 👏"), Said("Gracias a vos Leo!", own=True)),
    ),
    Conversation("Ana", "5491155550001", "daemon_down", _in("me olvidé: con aceitunas, puede ser?")),
    Conversation("Marta", "5491155550013", "live", _in("buenas! sigue la promo de 2x1?", "la vi ayer en la página")),
)
