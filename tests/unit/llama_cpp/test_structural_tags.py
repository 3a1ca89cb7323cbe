"""Structural tags as grammars: tool calls in a model's own notation."""

import itertools

import pytest

from dynamo_backend_common.engines.llama_cpp.grammar.constraint import constraint_gbnf
from dynamo_backend_common.engines.llama_cpp.grammar.free_text import free_text
from dynamo_backend_common.engines.llama_cpp.grammar.rules import Rules
from dynamo_backend_common.exceptions import InvalidArgument
from dynamo_backend_common.guided_decoding import GuidedDecoding

ANY = {"type": "any_text", "excludes": []}
ANY_JSON = {"type": "json_schema", "json_schema": True, "style": "json"}
CALLS = {
    "type": "triggered_tags",
    "triggers": ["<tool_call>"],
    "tags": [
        {
            "type": "tag",
            "begin": f'<tool_call>\n{{"name": "{name}", "arguments": ',
            "content": {"type": "json_schema", "json_schema": schema, "style": "json"},
            "end": "}\n</tool_call>",
        }
        for name, schema in [
            ("now", {"type": "object", "properties": {}}),
            ("any", True),
            ("told", {"description": "Tells."}),
        ]
    ],
    "at_least_one": False,
    "stop_after_first": False,
}
CALL = '<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>'
OTHER = '<tool_call>\n{"name": "any", "arguments": {"a": [1]}}\n</tool_call>'


def _const(value):
    return {"type": "const_string", "value": value}


def _gbnf(form):
    value = {"type": "structural_tag", "format": form}
    return constraint_gbnf(GuidedDecoding(kind="structural_tag", value=value))


@pytest.mark.parametrize(
    ("form", "yes", "no"),
    [
        (
            CALLS,
            ["", "No call <tool_cal> here.", CALL, f"Now: {CALL}\n{OTHER} and <", "<tool_"],
            [
                *("<tool_call>", f"a <tool_call>{CALL}", CALL.replace("now", "then"), CALL[:-3]),
                # Arguments are an object, whatever a tool says of its parameters.
                *(OTHER.replace('{"a": [1]}', value) for value in ("[1]", "1", "null", '"a"')),
                OTHER.replace('"any", "arguments": {"a": [1]}', '"told", "arguments": 1'),
            ],
        ),
        (
            {"type": "or", "elements": [CALLS["tags"][1], ANY_JSON]},
            [OTHER, "1", "{}", "[1]"],
            [OTHER.replace('{"a": [1]}', "1")],
        ),
        (CALLS | {"at_least_one": True}, [CALL, f"{CALL} and more {OTHER}"], ["", f"a{CALL}"]),
        (CALLS | {"excludes": ["</tool"]}, [f"a</{CALL}"], [f"a</tool{CALL}", f"{CALL}</tool"]),
        (CALLS | {"stop_after_first": True}, ["", f"a{CALL}"], [f"{CALL}{CALL}", f"{CALL}a"]),
        (
            {"type": "tags_with_separator", "separator": ",", "tags": [_const("a") | {}]}
            | {"tags": [{"begin": "[", "content": _const("x"), "end": "]"}], "at_least_one": True},
            ["[x]", "[x],[x]"],
            ["", "[x][x]", "[x],"],
        ),
        (
            {
                "type": "sequence",
                "elements": [
                    {"type": "tag", "begin": "", "content": ANY, "end": "</think>"},
                    {"type": "or", "elements": [_const("yes"), _const("no")]},
                    {"type": "optional", "content": {"type": "regex", "pattern": "[!?]{2}"}},
                    {"type": "star", "content": _const(".")},
                ],
            },
            ["Hm. <b></think>yes", "</think>no!?.."],
            ["yes", "a</think>b</think>no", "</think>no!"],
        ),
        (
            {"type": "any_tokens", "exclude_tokens": ["<tool_call>"]},
            ["anything < else", ""],
            ["a<tool_call>"],
        ),
    ],
)
def test_what_it_allows(grammar_texts, form, yes, no):
    grammar = _gbnf(form)
    assert [text for text in yes if not grammar_texts.takes(grammar, text)] == []
    assert [text for text in no if grammar_texts.takes(grammar, text)] == []


@pytest.mark.parametrize("excluded", [["aab"], ["aa", "aba"], ["ab", "bab", "c"], ["abab"], []])
def test_free_text_has_none_of_what_is_excluded(grammar_texts, excluded):
    rules = Rules()
    grammar = rules.text(free_text(rules, excluded))
    for length in range(6):
        for letters in itertools.product("abc", repeat=length):
            text = "".join(letters)
            is_free = not any(each in text for each in excluded)
            assert grammar_texts.takes(grammar, text) == is_free, text


@pytest.mark.parametrize(
    ("form", "message"),
    [
        (
            {"type": "grammar", "grammar": "x"},
            "has a format of type 'grammar', which the llama-cpp",
        ),
        (None, "has a format of type None"),
        ({"type": "json_schema", "style": "qwen_xml"}, "has a format.style of 'qwen_xml'"),
        ({"type": "json_schema", "json_schema": {"not": {}}}, "the keyword 'not' at #"),
        ({"type": "const_string"}, "format.value must be a str"),
        ({"type": "sequence", "elements": []}, "format.elements must be a list"),
        ({"type": "any_text", "excludes": [""]}, "format.excludes must be a list of texts"),
        ({"type": "any_text", "excludes": ""}, "format.excludes must be a list of texts"),
        (CALLS | {"triggers": ["<call>"]}, "a format.tags[0] that begins with no trigger"),
        ({"type": "star", "content": {"type": "star", "content": _const("a")}}, "may be empty"),
        (_const("\0"), "a character NUL"),
    ],
)
def test_what_there_is_not_is_named(form, message):
    with pytest.raises(InvalidArgument) as caught:
        _gbnf(form)
    assert str(caught.value).startswith("guided_decoding.structural_tag: ")
    assert message in str(caught.value)


def test_it_may_come_as_text():
    with pytest.raises(InvalidArgument, match="the structural tag is no JSON"):
        constraint_gbnf(GuidedDecoding(kind="structural_tag", value="{"))
    with pytest.raises(InvalidArgument, match="an object with a 'format'"):
        constraint_gbnf(GuidedDecoding(kind="structural_tag", value="{}"))
