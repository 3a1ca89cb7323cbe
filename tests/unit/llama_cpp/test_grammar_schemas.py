"""JSON schemas as grammars: what they allow, and what they are refused for."""

import json
import random

import jsonschema
import pytest

from dynamo_backend_common.engines.llama_cpp.grammar.constraint import constraint_gbnf
from dynamo_backend_common.engines.llama_cpp.grammar.gbnf_parser import parse_gbnf
from dynamo_backend_common.engines.llama_cpp.grammar.gbnf_stacks import Machine
from dynamo_backend_common.exceptions import InvalidArgument
from dynamo_backend_common.guided_decoding import GuidedDecoding
from support.grammar_texts import some_schema

NODE = {
    "$ref": "#/$defs/node",
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "value": {"type": "integer"},
                "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
            },
            "required": ["value", "next"],
            "additionalProperties": False,
        }
    },
}
TOOLS = {
    "type": "array",
    "minItems": 1,
    "items": {
        "type": "object",
        "anyOf": [
            {
                "properties": {"name": {"type": "string", "enum": [name]}, "parameters": inner},
                "required": ["name", "parameters"],
            }
            for name, inner in [
                ("now", {"type": "object", "properties": {}}),
                ("at", {"type": "object", "properties": {"hour": {"type": "integer"}}}),
            ]
        ],
    },
}
PET = {
    "oneOf": [
        {
            "type": "object",
            "properties": {"kind": {"const": kind}, name: {"type": "boolean"}},
            "required": ["kind", name],
        }
        for kind, name in [("cat", "purrs"), ("dog", "barks")]
    ],
    "discriminator": {"propertyName": "kind"},
}


def _gbnf(schema, **more):
    return constraint_gbnf(GuidedDecoding(kind="json", value=schema, **more))


@pytest.mark.parametrize(
    ("schema", "yes", "no"),
    [
        ({}, ['{"a": [1, null, {"b": ""}]}', "-1.5e10", '"é\\u00e9\\n"'], ["", "{", "01", "nul"]),
        (True, ["true"], ["True"]),
        ({"type": "string"}, ['""', '"a\\"b"'], ['"\n"', '"\\x"', '"\\ud800"', '"', '"a" ']),
        ({"type": "object"}, ["{}", '{\n  "a": 1\n}', '{"a":{}}'], ["[]", '{"a":1,}', "{a:1}"]),
        ({"type": "integer"}, ["0", "-7", "123456"], ["1.0", "007", "1e3", "+1"]),
        ({"type": "number"}, ["0.5", "-1e-9", "12"], ["1.", ".5", "0x1"]),
        ({"type": "integer", "minimum": 3, "maximum": 250}, ["3", "99", "250"], ["2", "251", "-3"]),
        ({"type": "integer", "exclusiveMinimum": -12}, ["-11", "0", "10000"], ["-12", "-100"]),
        ({"type": "number", "minimum": 0, "maximum": 1}, ["0", "0.25", "1"], ["1.1", "-0.1"]),
        ({"minimum": 0.25, "maximum": 0.26, "type": "number"}, ["0.255"], ["0.3", "0", "0.261"]),
        (
            {"type": "string", "minLength": 2, "maxLength": 3},
            ['"ab"', '"é中\\n"'],
            ['"a"', '"abcd"'],
        ),
        ({"type": "string", "maxLength": 3000}, [f'"{"a" * 3000}"'], [f'"{"a" * 3001}"']),
        ({"type": "string", "pattern": "^a.b$"}, ['"a\\"b"', '"axb"'], ['"ab"', '"axbc"']),
        ({"type": "string", "pattern": "b"}, ['"b"', '"abc"'], ['"ac"']),
        ({"type": "string", "format": "date"}, ['"2026-11-27"'], ['"2026-02-30"', '"now"']),
        (
            {"type": "string", "format": "uuid4"},
            ['"0f8fad5b-d9cb-469f-a165-70867728950e"'],
            ['"0f8fad5b-d9cb-569f-a165-70867728950e"', '"0f8fad5b"'],
        ),
        ({"type": "string", "format": "password"}, ['"x"'], ["1"]),
        ({"enum": [1, "a", None, {"b": [True]}]}, ["1", '"a"', "null", '{"b":[true]}'], ["2"]),
        ({"enum": [1, "1", 2.0], "type": "integer"}, ["1", "2.0"], ['"1"']),
        ({"const": "x\n"}, ['"x\\n"'], ['"x"']),
        ({"type": ["string", "null"], "maxLength": 1}, ["null", '"a"'], ['"ab"', "1"]),
        (
            {"items": {"type": "boolean"}, "maxItems": 2},
            ["[]", "[true, false]"],
            ["[true,true,true]"],
        ),
        ({"type": "array", "minItems": 2}, ["[1, []]"], ["[1]", "[]"]),
        ({"prefixItems": [{"const": 1}, {"const": 2}]}, ["[1,2]"], ["[1]", "[1,2,3]"]),
        ({"prefixItems": [{"const": 1}], "items": {"const": 2}}, ["[1]", "[1,2,2]"], ["[2]"]),
        (
            {
                "$schema": "http://json-schema.org/draft-07/schema#",
                "items": [{"const": 1}],
                "additionalItems": False,
            },
            ["[1]"],
            ["[1,1]"],
        ),
        (
            {
                "properties": {"a": {"const": 1}, "b": {"const": 2}, "c": {"const": 3}},
                "required": ["b"],
            },
            ['{"b":2}', '{"a":1,"b":2}', '{"b":2,"c":3}', '{ "a": 1, "b": 2, "c": 3 }'],
            ["{}", '{"a":1}', '{"b":2,"a":1}', '{"b":2,}', '{"b":2,"d":4}'],
        ),
        (
            {"properties": {"ab": {"const": 1}}, "additionalProperties": {"type": "string"}},
            ["{}", '{"ab":1}', '{"ab":1,"a":""}', '{"abc":"x","b":"y"}', '{"":""}'],
            ['{"ab":""}', '{"a\\u0062":""}', '{"c":2}'],
        ),
        ({"type": "object", "properties": {}}, ["{}"], ['{"a":1}']),
        ({"type": "object", "required": ["a"]}, ['{"a":null}', '{"a":1,"b":2}'], ["{}", '{"b":1}']),
        (
            {"allOf": [{"properties": {"a": {"const": 1}}}, {"required": ["a"]}], "type": "object"},
            ['{"a":1}'],
            ["{}", "1"],
        ),
        ({"anyOf": [{"type": "null"}, {"type": "integer", "minimum": 5}]}, ["null", "7"], ["4"]),
        (NODE, ['{"value":1,"next":{"value":2,"next":null}}'], ['{"value":1,"next":{}}']),
        (
            TOOLS,
            ['[{"name": "now", "parameters": {}}]', '[{"name":"at","parameters":{"hour":3}}]'],
            ["[]", '[{"name":"now","parameters":{"hour":3}}]', '[{"name":"off","parameters":{}}]'],
        ),
        (PET, ['{"kind":"cat","purrs":true}'], ['{"kind":"dog","purrs":true}']),
    ],
)
def test_what_fits_is_allowed_and_nothing_else(grammar_texts, schema, yes, no):
    grammar = _gbnf(schema)
    for text in yes:
        jsonschema.validate(json.loads(text), schema)
    assert [text for text in yes if not grammar_texts.takes(grammar, text)] == []
    assert [text for text in no if grammar_texts.takes(grammar, text)] == []


@pytest.mark.parametrize("seed", range(100))
def test_what_is_made_always_fits(grammar_texts, seed):
    schema = some_schema(random.Random(seed))
    try:
        grammar = _gbnf(schema)
    except InvalidArgument as error:
        # Two parts that chance made contradict each other.
        assert "is not valid at #" in str(error)  # noqa: PT017
        return
    for again in range(3):
        made = grammar_texts.made(grammar, seed + 1000 * again)
        if made is not None:
            jsonschema.validate(json.loads(made.decode()), schema)


def test_of_many_tools_few_are_followed_at_a_time(grammar_texts):
    names = [f"tool_{at}" for at in range(60)]
    tools = [
        {"properties": {"name": {"enum": [name]}, "parameters": {}}, "required": ["name"]}
        for name in names
    ]
    grammar = _gbnf({"items": {"type": "object", "anyOf": tools}})
    assert grammar_texts.takes(grammar, '[{"name": "tool_17", "parameters": {"a": 1}}]')
    assert not grammar_texts.takes(grammar, '[{"name": "tool_99"}]')
    machine = Machine(parse_gbnf(grammar)[0])
    stacks = machine.begun()
    for character in '[{"name":"tool_':
        stacks = machine.after(character, stacks)
        assert 0 < len(stacks) < 12


def test_objects_that_begin_alike_may_go_on_in_several_ways(grammar_texts):
    branches = [
        {"properties": {"a": {"const": 1}, name: {"const": 2}}, "required": ["a", name]}
        for name in ("b", "c")
    ]
    grammar = _gbnf({"type": "object", "anyOf": branches})
    for text in ('{"a":1,"b":2}', '{"a":1,"c":2}'):
        assert grammar_texts.takes(grammar, text)
    assert not grammar_texts.takes(grammar, '{"a":1}')


def test_a_schema_may_come_as_text_and_with_white_space_of_its_own(grammar_texts):
    grammar = _gbnf('{"type": "array"}', whitespace_pattern="[ ]?")
    assert grammar_texts.takes(grammar, "[ 1, 2]")
    assert not grammar_texts.takes(grammar, "[\n1]")
    with pytest.raises(InvalidArgument, match="matches what is no white space"):
        _gbnf({}, whitespace_pattern="[a ]")
    with pytest.raises(InvalidArgument, match="the JSON schema is no JSON"):
        _gbnf("{")


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"not": {}}, "has the keyword 'not' at #,"),
        ({"properties": {"a": {"if": {}}}}, "has the keyword 'if' at #/properties/a,"),
        ({"patternProperties": {}}, "the keyword 'patternProperties'"),
        ({"type": "array", "contains": {}}, "the keyword 'contains'"),
        ({"items": {"uniqueItems": True}}, "has 'uniqueItems' at #/items,"),
        ({"type": "integer", "multipleOf": 3}, "has 'multipleOf' other than 1 at #,"),
        ({"type": "string", "format": "iri"}, "has the format 'iri' at #,"),
        ({"pattern": "a", "minLength": 3}, "has pattern with minLength or maxLength at #,"),
        ({"pattern": "(?=a)"}, "has a lookahead"),
        ({"minProperties": 2}, "has 'minProperties' of more than the 0 that are required"),
        ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, "oneOf with branches that a value"),
        ({"$ref": "http://a.b/c"}, "the reference 'http://a.b/c'"),
        ({"enum": ["abc"], "minLength": 2}, "has 'minLength' with enum or const"),
        ({"$ref": "#/$defs/a"}, "is not valid at #: '#/$defs/a' refers to nothing"),
        ({"$ref": "#"}, "refers to itself"),
        ({"anyOf": [{"$ref": "#"}, {"type": "null"}]}, "refers to itself"),
        ({"allOf": [{"$ref": "#"}, {"type": "null"}]}, "refers to itself"),
        ({"type": "text"}, "is not valid at #: type is 'text'"),
        ({"properties": {"a": 5}}, "is not valid at #/properties/a: a schema is an object"),
        ({"items": False, "minItems": 1}, "minItems is 1, and there are 0 items at most"),
        ({"type": "integer", "minimum": 5, "maximum": 4}, "no integer is between the limits"),
        ({"properties": {}, "required": ["a"], "additionalProperties": False}, "'a' is required"),
        ({"allOf": [{"type": "null"}, {"type": "string"}]}, "no value is of the types"),
        ({"minLength": -1}, "minLength is -1; it must be an integer of 0 or more"),
        ({"type": "object", "properties": []}, "properties must be an object"),
        ({"enum": []}, "no value of enum or const is allowed"),
        ({"anyOf": []}, "anyOf must be a list of one schema or more"),
    ],
)
def test_what_cannot_be_held_to_is_named_with_its_place(schema, message):
    with pytest.raises(InvalidArgument) as caught:
        _gbnf(schema)
    assert message in str(caught.value)


def test_no_schema_is_too_deep_for_an_error():
    schema = {}
    for _ in range(5000):
        schema = {"items": schema}
    with pytest.raises(InvalidArgument, match=r"nested too deeply|in each other"):
        _gbnf(schema)
