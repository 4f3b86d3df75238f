"""How well bursts are classified, and how fast. `python -m benchmarks.classification FILE [development|held-out]`

FILE is a JSON-lines collection of labelled Spanish utterances, {"text", "label", "source"}, that is no part of this
project. It is split in half by source: rules and examples were written with a view of the development half only.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

Half = Literal["development", "held-out"]

INTENTS_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "precio": ("price",),
    "stock": ("availability", "general_enquiry"),
    "pedido": ("order",),
    "turno": ("appointment",),
    "envio": ("delivery",),
    "pago": ("payment",),
    "info_local": ("business_info",),
    "humano": ("callback",),
    "postventa": ("complaint", "order_status", "return"),
    "saludo": ("greeting", "acknowledgement"),
    "charla": ("unknown", "personal"),
}


def repository_of(source: str) -> str:
    """Files of one repository are one source: they share their author."""
    kind, _, rest = source.partition(":")
    return f"{kind}:{rest.partition(':')[0]}"


def halves(rows: Iterable[Mapping[str, Any]]) -> dict[Half, list[Mapping[str, Any]]]:
    """Whole sources in the order of their hash, each to the half that has fewer rows so far."""
    by_source = defaultdict(list)
    for row in rows:
        by_source[repository_of(row["source"])].append(row)
    found: dict[Half, list[Mapping[str, Any]]] = {"development": [], "held-out": []}
    for source in sorted(by_source, key=lambda each: hashlib.sha256(each.encode()).hexdigest()):
        smaller = min(found, key=lambda half: len(found[half]))
        found[smaller] += by_source[source]
    return found
