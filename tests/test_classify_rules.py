"""Rules files are checked with file, line, rule and value; each rule matches exactly what it says."""

import re
import time
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadmasterd.classify import rules_file
from leadmasterd.classify.intents import FLAGS, GROUP_OF, INTENTS, UNKNOWN, Signals
from leadmasterd.classify.loading import PACKAGED, PACKAGED_RULES, load_rules
from leadmasterd.classify.phrases import Phrases
from leadmasterd.classify.reasons import GROUP_ES
from leadmasterd.classify.rules import Hit, Rule, RuleSet, When
from leadmasterd.classify.rules_file import check_examples, parse
from leadmasterd.classify.text import normalise
from leadmasterd.errors import CannotUseRules
from tests.depth import examples

ROOT = Path(__file__).parent.parent
PLAIN = Signals()


def rule(words: str, name: str = "one", intent: str = "price") -> str:
    """A [[rule]] table with these lines."""
    return f'[[rule]]\nid = "{name}"\nintent = "{intent}"\n{words}\n'


def hits(rules: RuleSet, *texts: str, signals: Signals = PLAIN) -> list[Hit]:
    """The rules that match this burst."""
    return rules.hits(normalise(texts), signals)


def matches(words: str, *texts: str, signals: Signals = PLAIN) -> bool:
    """Whether a rule with these lines matches this burst."""
    return bool(hits(parse(rule(words), "rules.toml"), *texts, signals=signals))


def wrong(text: str) -> list[str]:
    """The error message for a file with this mistake."""
    with pytest.raises(CannotUseRules) as caught:
        parse(text, "rules.toml", parse(rule('phrases = ["precio"]', "packaged"), "packaged"))
    return str(caught.value).splitlines()


# ---------------------------------------------------------------------- the packaged rules


def test_the_examples_of_every_packaged_rule_hold() -> None:
    """Each rule has an example that matches and one that nearly does."""
    rules, _version = load_rules(None)
    assert check_examples(rules, PACKAGED_RULES) == []


def test_the_packaged_file_explains_itself() -> None:
    """Its header describes every key of a rule and lists every intent."""
    text = (PACKAGED / PACKAGED_RULES).read_text()
    head = text.partition("\nanswer_first")[0]
    for key in (
        "regex",
        "unless",
        "whole",
        "beside",
        "question",
        "when",
        "priority",
        "yes, no",
        "extend = true",
        "off =",
    ):
        assert key in head, key
    rules, _version = load_rules(None)
    named = [intent for equals in rules.answer_first for intent in equals]
    assert sorted(named) == sorted(set(GROUP_OF) - {UNKNOWN})


@pytest.mark.parametrize(
    "texts",
    [
        ["ok, cuanto sale el otro?"],
        ["gracias", "me pasas el alias?"],
        ["dale?"],
        ["si"],
        ["no"],
        ["ok"] * 3 + ["mandame dos"],
        ["listo ya te transferi"],
        ["no gracias, tenes en negro?"],
        ["perdon, numero equivocado el de antes. cuanto sale la torta?"],
        ["ya compre y no me llego"],
        ["no me interesa ese, me interesa el otro"],
        ["gracias por nada, me llego roto"],
    ],
)
def test_what_needs_an_answer_is_silenced_by_no_rule(texts: list[str]) -> None:
    """Rules for closing, noise and courtesy stop the alert, so they must not match these messages."""
    rules, _version = load_rules(None)
    first = [hit.rule.intent for hit in hits(rules, *texts)][:1]
    assert not first or GROUP_OF[first[0]] in ("commercial", "after_sale"), first


@pytest.mark.parametrize(
    ("texts", "intent"),
    [
        (["gracias!"], "acknowledgement"),
        (["ok dale"], "acknowledgement"),
        (["👍"], "acknowledgement"),
        (["Muchas gracias 🙏", "buen finde!"], "acknowledgement"),
        (["Holaaa", "buenas tardes 👋"], "greeting"),
        (["no me escriban mas"], "opt_out"),
        (["tenes en M? cuanto sale?", "hola"], "price"),
        (["hacen envios? cuanto sale?"], "delivery"),
        (["cuanto sale? hacen envios?"], "price"),
        (["cuanto sale el envio"], "delivery"),
        (["ya compre en otro lado, saquenme de la lista"], "opt_out"),
    ],
)
def test_the_one_that_must_be_answered_first_decides(texts: list[str], intent: str) -> None:
    """Intents are ranked by `answer_first`; on a tie the topic mentioned first wins."""
    rules, _version = load_rules(None)
    assert next(hit.rule.intent for hit in hits(rules, *texts)) == intent


def test_the_worked_example_of_the_documentation_works() -> None:
    """The example is taken from the document and added to the packaged rules."""
    document = (ROOT / "docs" / "classification.md").read_text()
    [example] = re.findall(r"```toml\n(.*?)```", document, re.DOTALL)
    packaged, _version = load_rules(None)
    rules = parse(example, "rules.toml", packaged)
    assert check_examples(rules, "rules.toml") == []
    assert hits(rules, "quiero inscribirme al taller")[0].rule.id == "our-workshops"


def test_the_documentation_names_every_intent_in_its_group() -> None:
    """The order is that of the code."""
    document = (ROOT / "docs" / "classification.md").read_text()
    for group, intents in INTENTS.items():
        if group != UNKNOWN:
            [row] = re.findall(rf"^\| {group} \({GROUP_ES[group]}\) \| (.*) \|$", document, re.MULTILINE)
            assert row == ", ".join(f"`{intent}`" for intent in intents)


# ---------------------------------------------------------------------- what a rule can match


@pytest.mark.parametrize(
    ("phrase", "typed", "found"),
    [
        ("cuánto sale", "hola CUANTO SALEEE la torta", True),
        ("cuanto sale", "cuanto me sale", False),
        ("precio", "precioso", False),
        ("(lista|listado) de precios", "el listado de precios", True),
        ("(la |)torta", "torta", True),
        ("(la|) torta", "una torta", True),
        ("(pasame|me (pasas|mandas)) el alias", "me mandas el alias", True),
        ("envio(|s)", "envíos", True),
        ("reserv*", "quiero reservarla", True),
        ("compre * no llego", "compre el lunes y no llego", True),
        ("compre * no llego", "compre no llego", True),
        ("compre * no llego", "compre el lunes a la noche y no llego", False),
        ("quiero # docenas", "quiero 2 docenas", True),
        ("quiero # docenas", "quiero unas docenas", False),
        ("👍", "👍🏽👍", True),
        ("xq no", "por que no", False),
        ("q tal", "que tal", True),
        ("hola precio", "hola, precio?", True),
    ],
)
def test_a_phrase_is_found_as_people_write_it(phrase: str, typed: str, found: bool) -> None:
    """Phrases match whole words and may have alternatives, gaps, numbers and prefixes."""
    assert matches(f'phrases = ["{phrase}"]', typed) is found


def test_the_bubbles_of_a_burst_are_read_as_one() -> None:
    """People split a sentence over several messages."""
    assert matches('phrases = ["cuanto sale la torta"]', "cuanto sale", "la torta")


def test_whole_means_that_nothing_else_is_said() -> None:
    """Only the allowed filler may surround the phrase, and filler alone is no match."""
    words = 'phrases = ["gracias", "ok", "muchas gracias"]\nwhole = true\nbeside = ["che", "muy amable"]'
    assert matches(words, "ok muchas gracias")
    assert matches(words, "gracias che, muy amable")
    assert not matches(words, "gracias cuanto sale")
    assert not matches(words, "che muy amable")
    assert not matches(words, "")


def test_unless_and_question_forbid() -> None:
    """They prevent a match even if everything else matches."""
    assert matches('phrases = ["precio"]\nunless = ["lista de precio*"]', "que precio")
    assert not matches('phrases = ["precio"]\nunless = ["de precio"]', "lista de precio")
    assert not matches('phrases = ["dale"]\nquestion = false', "dale?")
    assert matches('phrases = ["dale"]\nquestion = true', "dale?")


def test_a_regex_reads_the_even_text() -> None:
    """It sees normalised text: lower case, no accents, one line per message."""
    assert matches("regex = '^cuanto (sale|cuesta)'", "CUÁNTO Cuesta")
    assert matches("regex = '(?m)^precio$'", "hola", "precio")


@pytest.mark.parametrize(
    ("regex", "typed"),
    [
        (r"\bestá\b", "ESTÁ abierto?"),
        (r"\bMañana\b", "paso mañana"),
        (r"\bmañana\b", "paso man\u0303ana!"),
        (r"se[nñ]a", "hay que dejar seña?"),
        (r"^(Qué|cual)\b", "qué talles hay"),
        (r"precio\slista", "precio\u00a0lista"),
        (r"precio\slista", "precio\u202flista"),
    ],
)
def test_a_regex_may_be_written_as_people_write(regex: str, typed: str) -> None:
    r"""RE2's `\b` knows ASCII letters only and its `\s` no hard spaces; the text has neither accents nor those."""
    assert matches(f"regex = '{regex}'", typed)


@pytest.mark.parametrize(
    ("regex", "typed"),
    [
        ("¿?cuanto", "¿Cuánto?"), ("👍*:ok:", "👍👍"), ("[¿:]ok:", "👍"), ("sale!{0,2} [?]", "sale!!?"),
        (r"[^¿]\?$", "eh?"),
        (r"(?i)(?P<que>envio)s?\b(?:\s+a)?\x20[\w&-]+", "envíos a Rosario"), (r"\p{L}{4}\Qa\E", "holaa hola ahora"),
        ("\u200dhola", "hola"), ("1[.,]5 por", "1,5 x kilo"), (r"[[:alpha:]!]ola", "hola"),
    ],
)  # fmt: skip
def test_a_regex_may_have_what_no_text_has_where_it_need_not_match(regex: str, typed: str) -> None:
    """As an option, as one of several characters, or as what must not be there."""
    assert matches(f"regex = '{regex}'", typed)


def test_signals_alone_can_decide() -> None:
    """A cart from the catalogue is enough; a sticker in the middle of words is not."""
    assert matches('when = { types = ["order"] }', "hola", signals=Signals(types=("chat", "order")))
    assert not matches('when = { only_types = ["sticker"] }', "hola", signals=Signals(types=("chat", "sticker")))
    assert matches('when = { only_types = ["sticker"] }', "", signals=Signals(types=("sticker",)))
    assert not matches('when = { only_types = ["sticker"] }', "", signals=Signals())
    assert not matches('phrases = ["hola"]\nwhen = { saved_contact = true }', "hola")
    assert matches('phrases = ["hola"]\nwhen = { saved_contact = true }', "hola", signals=Signals(saved_contact=True))


@pytest.mark.parametrize(
    "when",
    [
        When(saved_contact=True),
        When(ad_referral=False, has_media=True),
        When(types=("order",)),
        When(only_types=("a", "b")),
        When(types=("b",), only_types=("a", "b")),
    ],
)
def test_an_example_is_tried_where_its_rule_applies(when: When) -> None:
    """It is checked with the signals that its rule requires."""
    assert when.holds(when.example())


def test_priority_comes_before_the_order_of_answers() -> None:
    """Then comes the file's own `answer_first`, and then the packaged one."""
    text = rule('phrases = ["hola"]', "a", "greeting") + rule('phrases = ["hola"]\npriority = 1', "b", "spam")
    assert [hit.rule.id for hit in hits(parse('answer_first = ["greeting"]\n' + text, "x"), "hola")] == ["b", "a"]
    text = text.replace("priority = 1", "")
    assert [hit.rule.id for hit in hits(parse('answer_first = ["greeting"]\n' + text, "x"), "hola")] == ["a", "b"]
    assert [hit.rule.id for hit in hits(parse('answer_first = ["spam"]\n' + text, "x"), "hola")] == ["b", "a"]


def test_a_file_of_ones_own_can_extend_replace_and_drop_packaged_rules() -> None:
    """`extend` adds to a rule, the same id replaces it, and `off` drops it."""
    packaged = parse(rule('phrases = ["precio"]', "a") + rule('phrases = ["costo"]', "b"), "packaged")
    own = parse(
        "extend = true\noff = ['b']\n" + rule('phrases = ["valor"]', "a") + rule('phrases = ["x"]', "c"), "x", packaged
    )
    assert [each.id for each in own.rules] == ["a", "c"]
    assert own.rules[0].phrases == ("valor",)
    alone = parse(rule('phrases = ["valor"]', "z"), "x", packaged)
    assert [each.id for each in alone.rules] == ["z"]


# ---------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = [", "cannot use rules.toml: it is not TOML: .*at the end of the file"),
        ("", "cannot use rules.toml, line 1: it has no rules; write `extend = true`"),
        ("extnd = true\n" + rule('phrases = ["a"]'), "line 1: `extnd` is unknown .did you mean `extend`"),
        (
            rule('phrases = ["a"]', intent="prize"),
            "line 3, rule `one`: `intent` = 'prize' is no intent .did you mean `price`",
        ),
        (rule('phrases = ["a"]', intent="unknown"), "is no intent"),
        (rule('phrase = ["a"]'), "line 4, rule `one`: `phrase` is unknown .did you mean `phrases`"),
        ("# uno\u2028dos\x85tres\n" + rule('phrase = ["a"]'), "line 5, rule `one`: `phrase` is unknown"),
        (rule('phrases = "a"'), "line 4, rule `one`: `phrases` = 'a': must be a list of texts"),
        (rule('phrases = ["(a|b"]'), r"rule `one`: phrase '\(a\|b': alternatives are written \(one\|other\)"),
        (rule('phrases = ["* hola"]'), "phrase '. hola': .*stands between words"),
        (rule('phrases = ["hola *"]'), "stands between words"),
        (rule('phrases = ["a * * b"]'), "not twice"),
        (rule('phrases = ["a*"]'), "at least three letters"),
        (rule('phrases = ["(a|)"]'), "it needs a word"),
        (rule('phrases = ["!!"]'), "is no word"),
        (rule('phrases = ["' + "(ab|cd)" * 9 + '"]'), "more than 100 ways"),
        (rule('phrases = ["' + "a " * 600 + '"]'), "longer than 1000"),
        (rule("regex = '(a'"), r"line 4, rule `one`: regex '\(a': missing \)"),
        (rule("regex = '(señ'"), r"line 4, rule `one`: regex '\(señ': missing \)"),  # RE2's errors are bytes
        (rule("regex = '(?=a)b'"), "invalid perl operator.*no look-around"),
        (rule("regex = '((a{1,1000}){1,1000}){1,9}'"), "rule `one`: regex"),
        (rule("regex = '¿cuanto'"), r"line 4, rule `one`: regex '¿cuanto': .* never has `¿` \(leave it out\)"),
        (rule("regex = 'dale 👍🏽'"), r"has `👍` \(write `:ok:`\), `🏽` \(leave it out\)"),
        (rule("regex = '(ok|[👍👌]) ya'"), r"has `👍` \(write `:ok:`\), `👌` \(write `:ok:`\)"),
        (rule(r"regex = 'a\[b'"), r"has `\[` \(leave it out\)"),
        (rule(r"regex = '\$\s?\d{3,4} ya!\[?'"), r"has `\$` \(write `:money:`\), `!` \(leave it out\)"),
        (
            rule('phrases = ["a"]\nwhen = { saved_contacts = true }'),
            "line 5, rule `one`: `saved_contacts` is unknown .did you mean `saved_contact`",
        ),
        (rule('phrases = ["a"]\nwhen = { saved_contact = 1 }'), "`saved_contact` = 1: must be true or false"),
        (rule('phrases = ["a"]\npriority = true'), "`priority` = True: must be a whole number"),
        (rule('phrases = ["a"]\nyes = [1]'), "`yes` = .1.: must be a list of texts"),
        (rule('phrases = ["a"]\nbeside = ["b"]'), "`beside` says what may stand beside"),
        (rule("regex = 'a'\nwhole = true"), "in a regex write"),
        (rule(""), "it looks at nothing"),
        ("[[rule]]\nintent = 'price'", "line 1, rule `number 1`: every rule has an `id`"),
        (rule('phrases = ["a"]') * 2, "rule `one`: this id is used twice"),
        ("rule = 1", "rules are written as"),
        ("off = ['pakaged']\nextend = true", "line 1: `pakaged` is no packaged rule .did you mean `packaged`"),
        ("answer_first = ['prise']\n" + rule('phrases = ["a"]'), "line 1: `answer_first` = 'prise' is no intent"),
        ("answer_first = ['price', ['price']]\n" + rule('phrases = ["a"]'), "`price` is listed twice"),
        ("answer_first = 7\n" + rule('phrases = ["a"]'), "7 is no intent"),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, said: str) -> None:
    """The error gives file, line, rule, value and the allowed values."""
    lines = wrong(text)
    assert any(re.search(said, line) for line in lines), lines
    assert all(line.startswith("cannot use rules.toml") for line in lines)


def test_every_mistake_is_told_at_once() -> None:
    """Each mistake has its own line in the report, with its line in the file."""
    text = rule('phrases = ["a"]', "a", "prise") + "\n" + rule("regex = '('", "b") + rule('phrases = ["a"]', "good")
    assert [re.findall(r"line (\d+), rule `(\w+)`", line) for line in wrong(text)] == [[("3", "a")], [("9", "b")]]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (rule("phrases = 7"), "line 4, rule `one`: `phrases` = 7: must be a list of texts, like ['one', 'two']"),
        (rule('phrases = [""]'), "line 4, rule `one`: `phrases` = ['']: a text in it is empty; take it out"),
        (rule('phrases = ["hola", " "]'), "line 4, rule `one`: `phrases` = ['hola', ' ']: a text in it is empty"),
        (rule('phrase = ["a"]'), "line 4, rule `one`: `phrase` is unknown (did you mean `phrases`?)"),
        (rule("regex = 7"), "line 4, rule `one`: `regex` = 7: must be text in quotes"),
        (rule("when = 7"), "line 4, rule `one`: `when` = 7: must be a { table }"),
        (rule("when = { has_medai = true }"), "line 4, rule `one`: `has_medai` is unknown (did you mean `has_media`?)"),
        (rule("when = { has_media = 1 }"), "line 4, rule `one`: `has_media` = 1: must be true or false"),
        (rule('phrases = ["a"]\nwhole = 1\nbeside = ["b"]'), "line 5, rule `one`: `whole` = 1: must be true or false"),
        (
            rule('phrases = ["a"]\nwhol = true\nbeside = ["b"]'),
            "line 5, rule `one`: `whol` is unknown (did you mean `whole`?)",
        ),
        (rule('phrases = ["a"]').replace('"one"', "7"), "line 2, rule `number 1`: `id` = 7: must be text in quotes"),
        ('[[rule]]\nid = "one"\nphrases = ["a"]', "line 1, rule `one`: every rule has an `intent`; allowed: price, "),
        ("extend = 7\noff = ['a']", "line 1: `extend` = 7: must be true or false"),
        ("extnd = true", "line 1: `extnd` is unknown (did you mean `extend`?)"),
        ("rule = 0", "line 1: rules are written as [[rule]] tables"),
        ("off = ['packaged']\n" + rule('phrases = ["a"]'), "line 1: `off` drops packaged rules; write `extend = true`"),
        ("extend = true\nanswer_first = [7, 7]", "line 2: `answer_first` = 7 is no intent"),
    ],
)
def test_one_mistake_is_one_complaint(text: str, said: str) -> None:
    """A mistake causes no follow-up errors: `phrases = 7` is not also reported as missing phrases."""
    assert {line.startswith(f"cannot use rules.toml, {said}") for line in wrong(text)} == {True}
    assert len(set(wrong(text))) == 1


def test_mistakes_in_a_rule_without_an_id_are_told_too() -> None:
    """The rule is named by its number."""
    assert wrong("[[rule]]\nintent = 'prise'\nphrases = ['a']") == [
        "cannot use rules.toml, line 2, rule `number 1`: `intent` = 'prise' is no intent (did you mean `price`?); "
        f"allowed: {', '.join(intent for intent in GROUP_OF if intent != UNKNOWN)}",
        "cannot use rules.toml, line 1, rule `number 1`: every rule has an `id`",
    ]


def test_every_field_of_a_rule_can_be_written_and_nothing_else() -> None:
    """The keys of the file and the fields of a rule correspond."""
    assert [*rules_file._RULE_KEYS, "line"] == [field.name for field in fields(Rule)]
    assert list(rules_file._WHEN_KEYS) == [field.name for field in fields(When) if field.init]
    assert set(FLAGS) == {*Signals._fields} - {"types"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ('phrases = ["hola"]', "it needs an example in `yes` and one in `no`"),
        ('phrases = ["hola"]\nyes = ["chau"]\nno = ["x"]', "`yes` example ['chau'] does not match it"),
        ('phrases = ["hola"]\nyes = ["hola"]\nno = ["hola che"]', "`no` example ['hola che'] matches it"),
    ],
)
def test_an_example_that_does_not_hold_is_told(words: str, said: str) -> None:
    """`rules check` reports it, but the rules still work."""
    [problem] = check_examples(parse("\n" + rule(words), "x"), "rules.toml")
    assert problem == f"rules.toml, line 2, rule `one`: {said}"


def test_an_example_that_another_rule_takes_away_is_told() -> None:
    """Another rule wins, so the example would never get the intent of its own rule."""
    text = rule('phrases = ["hola"]\nyes = ["hola"]\nno = ["x"]', "a", "greeting")
    text += rule('phrases = ["hola"]\nyes = ["hola"]\nno = ["x"]\npriority = 1', "b", "spam")
    [problem] = check_examples(parse(text, "x"), "rules.toml")
    assert problem == "rules.toml, line 1, rule `a`: `yes` example ['hola'] is decided by rule `b` as spam"


def test_a_packaged_example_that_a_rule_of_ones_own_takes_away_has_no_line_in_ones_own_file() -> None:
    """The report gives no line, since the example is in the packaged file."""
    packaged = parse(rule('phrases = ["hola"]\nyes = ["hola"]\nno = ["x"]', "a", "greeting"), "packaged")
    own = "extend = true\n" + rule('phrases = ["hola"]\nyes = ["hola"]\nno = ["x"]\npriority = 1', "b", "spam")
    [problem] = check_examples(parse(own, "x", packaged), "rules.toml")
    assert problem == "rules.toml, packaged rule `a`: `yes` example ['hola'] is decided by rule `b` as spam"


# ---------------------------------------------------------------------- bounded time


@pytest.mark.parametrize(
    "regex", ["(a+)+$", "(a|aa)+$", "(.*)(.*)(.*)(.*)(.*)b$", "(a|b|c)*d.{300}$", "((a{0,30}){0,30})$"]
)
def test_a_regex_that_would_run_for_ever_does_not(regex: str) -> None:
    """It is tried thousands of times within the test's time limit; a backtracking engine would not finish once."""
    rules = parse(rule(f"regex = '{regex}'"), "x")
    burst = normalise([("a" * 39 + " ") * 50 + "!"])
    for _try in range(200):
        rules.hits(burst, Signals())


@pytest.mark.parametrize("phrase", ["a " + "* a " * 4 + "z", f"a {'(a|) ' * 5} * a {'(a|a b) ' * 4} z"])
def test_a_phrase_with_as_many_ways_to_match_as_may_be_takes_no_time(phrase: str) -> None:
    """Matching tracks states, not paths: the worst message takes about 50 ms on one core."""
    rules = parse(rule(f'phrases = ["{phrase}"]'), "x")
    before = time.thread_time()
    assert not hits(rules, "a " * 1_000)
    assert time.thread_time() - before < 0.5


@pytest.mark.parametrize(
    ("phrase", "optional"),
    [
        ("hola " + "* che " * 5 + "chau", 15),
        ("hola " + "* che " * 20 + "chau", 60),
        (f"a {'(a|) ' * 30} * a {'(a|a b) ' * 30} z", 63),
        ("hola (che * vos * y * todos|) chau", 13),
    ],
)
def test_a_phrase_with_more_gaps_is_refused_in_words(phrase: str, optional: int) -> None:
    """With 20 gaps, one hostile message took 1 to 2 seconds."""
    assert wrong(rule(f'phrases = ["{phrase}"]')) == [
        f"cannot use rules.toml, line 4, rule `one`: phrase '{phrase}': it has room for {optional} optional words, and "
        "12 is the most: a gap (`*`) counts 3, a word that may be left out 1; split it into two phrases"
    ]


@pytest.mark.parametrize(
    "phrase",
    [
        "compre * y * no llego",
        "si * me (pasas|mandas) * (el|la|los) * (alias|cbu)",
        "(hola|buenas) (que tal|como andan|) * (queria|quisiera) (saber|preguntar|averiguar) * (precio|costo)(|s)",
        "(me|nos|) (podes|podrian|pueden) (por favor|) (pasar|mandar|enviar) (la|el|) (lista|listado) (de precios|)",
    ],
)
def test_a_plausible_phrase_fits_within_the_limit(phrase: str) -> None:
    """All packaged phrases need less than half of the limit."""
    Phrases[int]().add(phrase, 1)


@settings(max_examples=examples(100))
@given(st.text(st.sampled_from("ab (|)*#?ñ👍"), max_size=30), st.text(st.sampled_from("ab 1?ñ👍"), max_size=60))
def test_any_phrase_is_refused_in_words_or_sought(phrase: str, typed: str) -> None:
    """A phrase causes no other error and no endless search."""
    net: Phrases[int] = Phrases()
    try:
        net.add(phrase, 1)
    except ValueError:
        return
    words = normalise([typed]).words
    assert all(0 <= start < end <= len(words) for _mark, start, end in net.found(words))


def test_a_phrase_added_after_a_search_is_found_too() -> None:
    """The index of first words is rebuilt when a phrase is added."""
    net: Phrases[int] = Phrases()
    net.add("hola che", 1)
    assert not list(net.found(["precio"]))
    net.add("precio", 2)
    assert list(net.found(["hola", "che", "precio"])) == [(1, 0, 2), (2, 2, 3)]


@settings(max_examples=examples(100))
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text("ab`'\n"), lambda inner: st.lists(inner, max_size=3)
    )
)
def test_any_value_under_any_key_is_an_error_in_words(value: object) -> None:
    """A value of the wrong type never causes a traceback."""
    import json

    if value is None or "null" in json.dumps(value):
        return
    for key in (
        "id",
        "intent",
        "phrases",
        "regex",
        "unless",
        "whole",
        "beside",
        "question",
        "when",
        "priority",
        "yes",
        "no",
    ):
        for text in (f"[[rule]]\n{key} = {json.dumps(value)}\n", f"{key} = {json.dumps(value)}\n"):
            with pytest.raises(CannotUseRules):
                parse(text, "rules.toml")
