"""Which schemas are taken, which are refused, and that refusing one costs little."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.errors import RequestError
from inference.json_schema import MAX_STARTS, grammar_of
from inference.request import MAX_SCHEMA_BYTES, Request


def schema(**words):
    return json.dumps(words)


def chain(length):
    """Definitions that double the ways to begin with each link."""
    links = {
        f"d{i}": {"anyOf": [{"$ref": f"#/$defs/d{i + 1}"}, {"$ref": f"#/$defs/e{i}"}]} for i in range(length)
    }
    links |= {
        f"e{i}": {"anyOf": [{"$ref": f"#/$defs/d{i + 1}"}, {"type": "string", "maxLength": i}]}
        for i in range(length)
    }
    return json.dumps({"$ref": "#/$defs/d0", "$defs": links | {f"d{length}": {"type": "null"}}})


REFUSED = [
    ("", "not JSON"),
    ("{", "not JSON"),
    ("nul", "not JSON"),
    ('{"type":"string","type":"null"}', "two members"),
    ('{"enum":[NaN]}', "no JSON number"),
    ('{"enum":[1e999]}', "too large"),
    ("true", "must be an object"),
    ("[]", "must be an object"),
    ("{}", "without type"),
    ('{"items":{"type":"null"}}', "without type"),
    (schema(type="strin"), "unknown type"),
    (schema(type=[]), "empty type"),
    (schema(type=3), "unknown type"),
    (schema(type={"a": 1}), "unknown type"),
    (schema(type="string", pattern="(a+)+$"), "'pattern'"),
    (schema(type="string", format="email"), "'format'"),
    (schema(type="integer", multipleOf=7), "'multipleOf'"),
    (schema(type="number", minimum=0), "'minimum'"),
    (schema(type="string", minimum=0), "'minimum'"),
    (schema(oneOf=[{"type": "null"}]), "without type"),
    (schema(type="null", allOf=[]), "'allOf'"),
    (schema(type="null", unheard="x"), "'unheard'"),
    (schema(anyOf=[{"type": "null"}], type="null"), "'type' beside anyOf"),
    (schema(anyOf=[]), "1 to 64 entries under anyOf"),
    (schema(enum=[]), "1 to 64 entries under enum"),
    (schema(enum=list(range(65))), "1 to 64 entries under enum"),
    (schema(enum=["\ud800"]), "Unicode"),
    (schema(enum=[1, "a"], type="boolean"), "its type excludes"),
    (schema(enum=[1], const=1), "enum and const"),
    (schema(type="array"), "without items"),
    (schema(type="array", items=True), "not an object"),
    (schema(type="array", items={"type": "null"}, minItems=5, maxItems=4), "above"),
    (schema(type="array", items={"type": "null"}, maxItems=257), "0 to 256"),
    (schema(type="array", items={"type": "null"}, uniqueItems=True), "'uniqueItems'"),
    (schema(type="array", items={"type": "null"}, prefixItems=[]), "'prefixItems'"),
    (schema(type="string", maxLength=1025), "0 to 1024"),
    (schema(type="string", minLength=-1), "0 to 1024"),
    (schema(type="string", maxLength=1.5), "whole number"),
    (schema(type="string", maxLength=True), "whole number"),
    (schema(type="integer", minimum=10, maximum=9), "no number"),
    (schema(type="integer", exclusiveMinimum=9, exclusiveMaximum=10), "no number"),
    (schema(type="integer", maximum=10**15), "whole number"),
    (schema(type="object", properties=[]), "under properties"),
    (schema(type="object", properties={str(i): {"type": "null"} for i in range(65)}), "at most 64"),
    (schema(type="object", required=["a"]), "requires 'a'"),
    (schema(type="object", required=[["a"]]), "requires"),
    (schema(type="object", required="a"), "a list under required"),
    (schema(type="object", additionalProperties={"type": "null"}), "additionalProperties"),
    (schema(type="object", patternProperties={}), "'patternProperties'"),
    ('{"$ref":"https://example.org/s.json"}', "only its own"),
    ('{"$ref":"#/$defs/a"}', "only its own"),
    ('{"$ref":"#","$defs":{}}', "only its own"),
    ('{"$ref":["#"]}', "only its own"),
    ('{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/a"}}}', "recursion"),
    (
        '{"$ref":"#/$defs/a","$defs":{"a":{"type":"array","items":{"$ref":"#/$defs/b"}},"b":{"anyOf":[{"$ref":"#/$defs/a"}]}}}',
        "recursion",
    ),
    ('{"type":"null","$defs":[]}', "an object under"),
    ('{"type":"null","$id":"https://example.org/"}', "'$id'"),
    ("[" * 2000, "deeper"),
    ('{"items":' * 200, "deeper"),
    ('{"const":' + "[" * 17 + "]" * 17 + "}", "deeper"),
    (schema(anyOf=[{"enum": list(range(n * 40, n * 40 + 40))} for n in range(3)]), f"than {MAX_STARTS} ways"),
    (chain(7), f"than {MAX_STARTS} ways"),
    (
        schema(
            type="object", properties={str(n): {"type": "string", "maxLength": 1024 - n} for n in range(9)}
        ),
        "8192",
    ),
    (
        schema(anyOf=[{"type": "object", "properties": {str(i): {"type": "null"} for i in range(50)}}] * 3),
        "128",
    ),
]


@pytest.mark.parametrize(("text", "why"), REFUSED)
def test_what_is_refused_is_refused_by_name(text, why):
    with pytest.raises(RequestError, match="json_schema") as caught:
        grammar_of(text)
    assert why in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("text", [text for text, _ in REFUSED if text and len(text) <= MAX_SCHEMA_BYTES][::4])
def test_a_request_with_it_is_refused(text):
    with pytest.raises(RequestError, match="json_schema"):
        Request(b"x", 1, json_schema=text)


def test_the_grammar_of_a_schema_is_fixed():
    # Another grammar is another answer: a change here would split the network.
    text = schema(
        title="anything",
        type="object",
        properties={
            "kind": {"enum": ["a", 'b"\u00e9']},
            "score": {"type": "integer", "minimum": -5, "maximum": 42},
            "tags": {"type": "array", "items": {"type": "string", "maxLength": 5}, "maxItems": 3},
            "n": {"type": ["number", "null"]},
        },
        required=["kind", "score"],
        additionalProperties=False,
    )
    assert grammar_of(text).splitlines() == GRAMMAR


GRAMMAR = r"""
root ::= r18
r0 ::= "\"a\"" | "\"b\\\"é\""
r1 ::= ("-" ([1-5]) | [0-9] | "1" ([0-9]) | [2-3] [0-9]{1} | "4" ([0-2]))
char ::= [^"\\\x00-\x1F\x7F\uD800-\uDFFF] | "\\" ["\\/bfnrt]
r3 ::= char{0,5}
r4 ::= "\"" r3 "\""
r5 ::= "," r4
r6 ::= r5{0,2}
r7 ::= "[" (r4 r6)? "]"
number ::= "-"? ("0" | [1-9] [0-9]{0,14}) ("." [0-9]{1,6})?
r9 ::= number | "null"
r10 ::= "," "\"n\":" r9 "" | ""
r11 ::= "\"n\":" r9 "" | ""
r12 ::= "," "\"tags\":" r7 r10 | r10
r13 ::= "\"tags\":" r7 r10 | r11
r14 ::= "," "\"score\":" r1 r12
r15 ::= "\"score\":" r1 r12
r16 ::= "," "\"kind\":" r0 r14
r17 ::= "\"kind\":" r0 r14
r18 ::= "{" r17 "}"
""".strip().splitlines()


def test_definitions_are_written_once():
    text = schema(
        type="object",
        properties={name: {"$ref": "#/$defs/word"} for name in "abcdefgh"},
        **{"$defs": {"word": {"type": "string", "maxLength": 1000}, "unused": {"$ref": "nowhere"}}},
    )
    assert grammar_of(text).count("char{0,1000}") == 1


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["type", "enum", "const", "anyOf", "items", "properties", "$ref", "$defs", "maxLength"]
            )
            | st.text(max_size=3),
            inner | st.sampled_from(["string", "object", "array", "integer"]),
            max_size=5,
        ),
        max_leaves=20,
    )
)
def test_any_json_is_taken_or_refused(value):
    with suppress(RequestError):
        assert grammar_of(json.dumps(value)).startswith("root ::= ")


@given(st.text(max_size=200))
def test_any_text_is_taken_or_refused(text):
    with suppress(RequestError):
        grammar_of(text)
