"""Regular expressions as grammars."""

import re

import pytest

from dynamo_backend_common.engines.llama_cpp.grammar.constraint import constraint_gbnf
from dynamo_backend_common.exceptions import InvalidArgument
from dynamo_backend_common.guided_decoding import GuidedDecoding


def _gbnf(pattern):
    return constraint_gbnf(GuidedDecoding(kind="regex", value=pattern))


@pytest.mark.parametrize(
    ("pattern", "texts"),
    [
        ("", ["", "a"]),
        ("abc", ["abc", "ab", "abcd"]),
        ("a|b*|", ["", "a", "bbb", "ab"]),
        ("^(a|bc)+?d{2}$", ["add", "abcadd", "ad", "addd"]),
        ("^ab$|c", ["ab", "c", "abc"]),
        ("(^a|b$)", ["a", "b", "ab"]),
        ("[^a-z]{2,}", ["12", "A中", "1", "1a"]),
        (r"[\w.-]+@[a-z]+\.(com|org)", ["a.b-c@x.org", "a@x.de", "@x.com"]),
        (r"\d{3}-\d{4}", ["123-4567", "12-4567"]),
        (r"\s*\S\s?", [" \t\nx ", "x", "", "xx"]),
        (r"\x41\u00e9\t[\]\\\-^]", ["Aé\t]", "Aé\t-", "Aé\t^", "Aé\t\\", "Aé\t[", "Aé\ta"]),
        (r"[a\-z]|[-+]|[+-]", ["a", "-", "z", "+", "b", "]"]),
        ("(a*)*(b?c?)+", ["", "aaa", "bcbb", "cab"]),
        ("((a?){0,3}(b*|c)?){2}", ["", "aaab", "bcaa", "cc", "d"]),
        ("(?:a(?P<name>b)?){3}", ["aaa", "abaab", "ab"]),
        ("a{0}b{,x}c{1}", ["b{,x}c"]),
        ("x{600,700}", ["x" * 600, "x" * 700, "x" * 599, "x" * 701]),
        ("(ab){1000}", ["ab" * 1000, "ab" * 999]),
        ("a.c", ["abc", "a\nc", 'a"c', "ac"]),
        ("a{", ["a{", "a"]),
    ],
)
def test_it_allows_what_the_pattern_matches(grammar_texts, pattern, texts):
    # A repetition without a lower limit is refused: Python and JavaScript read it otherwise.
    if "{," in pattern:
        with pytest.raises(InvalidArgument, match="a repetition without a lower limit"):
            _gbnf(pattern)
        return
    grammar = _gbnf(pattern)
    matching = [text for text in texts if re.fullmatch(f"(?:{pattern})", text)]
    assert [text for text in texts if grammar_texts.takes(grammar, text)] == matching


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("a(?=b)", "a lookahead at character 2, which the llama-cpp engine does not have"),
        ("(?<!a)b", "a lookbehind at character 1"),
        (r"(a)\1", r"a reference to a group, \1, at character 5"),
        (r"(?P<x>a)(?P=x)", "a reference to a group at"),
        (r"\bword", r"a word border, \b, at character 2"),
        ("(?i)a", "a flag at character 1"),
        ("(?>a)", "an atomic group"),
        ("a++", "a possessive quantifier"),
        (r"\p{L}", r"a class of Unicode, \p,"),
        ("a^b", "an anchor, ^ or $, that is not at its beginning or end"),
        ("(a", "a '(' that is not closed, at character 2: it is not valid"),
        ("a)", "a ')' that closes nothing"),
        ("[a", "a '[' that is not closed"),
        ("[z-a]", "a range that is none"),
        ("*a", "a '*' that repeats nothing"),
        ("a{3,2}", "a repetition of 3 to 2"),
        ("a{70000}", "more than 65536 repetitions"),
        ("^*", "an anchor that is repeated"),
        ("a\\", "a '\\' at its end"),
        ("[^\\d\\D]", "a class of characters that matches none"),
        ("(" * 200 + ")" * 200, "more than 100 groups in each other"),
        ("((a{1,99}){1,99}){1,99}", "the grammar is too ambiguous"),
        ("a" * 30000, "20000 is the limit"),
    ],
)
def test_what_a_grammar_cannot_say_is_named(pattern, message):
    with pytest.raises(InvalidArgument) as caught:
        _gbnf(pattern)
    assert str(caught.value).startswith("guided_decoding.regex: ")
    assert message in str(caught.value)
