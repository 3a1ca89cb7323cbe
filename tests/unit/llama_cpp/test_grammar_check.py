"""Grammars as they come: what llama.cpp can use, and what would end it or keep it busy."""

import pytest

from dynamo_backend_common.engines.llama_cpp.grammar.constraint import constraint_gbnf
from dynamo_backend_common.exceptions import InvalidArgument
from dynamo_backend_common.guided_decoding import GuidedDecoding

DOUBLING = "\n".join(f"a{at} ::= a{at + 1} | a{at + 1}" for at in range(60))


def _gbnf(text):
    return constraint_gbnf(GuidedDecoding(kind="grammar", value=text))


@pytest.mark.parametrize(
    ("grammar", "yes", "no"),
    [
        ('root ::= "yes" | "no" # one of them', "no", "noo"),
        ('# first\nroot ::= (\n  item ("," item)*\n)\nitem ::= [a-c]{1,3}', "a,bcb", "a,"),
        ('root ::= "a" | ( "b" | ) "c"\r\n', "c", "b"),
        (r'root ::= "\"\\\n" [\x41-\u0043\]\-] .', '"\\\nB-', '"\\\nDx'),
        ('root ::= [^"\\\\] "x"?', "é", '"'),
        (
            'root ::= expr\nexpr ::= term ("+" term)*\nterm ::= "(" expr ")" | [0-9]+',
            "(1+2)+3",
            "(1",
        ),
        ('root ::= ("a" | "b"){2} "c"{0,2} "d"{1,}', "abccd", "aadc"),
        ("root ::= <[504]>\n", "The", "the"),
        ('root ::= "x"\nunused-rule ::= root root', "x", "xx"),
    ],
)
def test_a_grammar_is_taken_as_it_is(grammar_texts, grammar, yes, no):
    assert _gbnf(grammar) == grammar
    if "<[" not in grammar:
        assert grammar_texts.takes(grammar, yes)
    assert not grammar_texts.takes(grammar, no)


def test_names_may_have_an_underscore_as_in_other_notations_of_grammars(grammar_texts):
    grammar = _gbnf('root ::= a_b a-b a-b- # a_b\na_b ::= "x_y"\na-b ::= [_]\na-b- ::= "z"')
    assert grammar == 'root ::= a-b-- a-b a-b- # a_b\na-b-- ::= "x_y"\na-b ::= [_]\na-b- ::= "z"'
    assert grammar_texts.takes(grammar, "x_y_z")


@pytest.mark.parametrize(
    ("grammar", "message"),
    [
        ("", "no rule 'root'"),
        ('start ::= "a"', "no rule 'root'"),
        ("root ::= missing", "rule 'root' refers to 'missing', which is not defined"),
        ('root ::= "a', "line 1, column 10 there must be a literal that ends"),
        ("root ::= [a", "a class of characters that ends"),
        ('root ::= ("a"', "there must be ')' not ''"),
        ('root = "a"', "line 1, column 6 there must be '::=' not '= \"a\"'"),
        ('root ::= "a"\nb.c ::= "d"', "line 2, column 2 there must be '::='"),
        ('root ::= * "a"', "something to repeat"),
        (r'root ::= "\q"', "a literal that ends, with escapes that are known"),
        ('root ::= "a"{3,2}', "a count whose second number is not below the first"),
        ('root ::= "a"{2000}', "a count below 2000"),
        ('root ::= "a" }', "the end of the line"),
        ('root ::= root "a" | "b"', "rule 'root' begins with itself"),
        ('root ::= b root "x" | "y"\nb ::= c\nc ::= "z"?', "rule 'root' begins with itself"),
        ('root ::= a "x"\na ::= b\nb ::= a | "y"', "begins with itself"),
        ('root ::= ("a"*)*', "repeats, without a limit, what may be empty"),
        (f'root ::= a0\n{DOUBLING}\na60 ::= "x"', "can begin in more than 100000 ways"),
        (f"root ::= {'(' * 5000}{')' * 5000}", "at most 200 groups in each other"),
        (f'root ::= "{"a" * 9000}"{{1999}}', "more than 1000000 elements"),
        (f'root ::= "{"a" * 300000}"', "262144 is the limit"),
        ('root ::= s\ns ::= "a" s s s | "a" s s | "a" s | "a"', "the grammar is too ambiguous"),
        ('root ::= x{1,500}\nx ::= y{1,500}\ny ::= "b"{1,500}', "the grammar is too ambiguous"),
        ('root ::= "a\0"', "a character NUL"),
    ],
)
def test_a_bad_grammar_never_reaches_llama_cpp(grammar, message):
    with pytest.raises(InvalidArgument) as caught:
        _gbnf(grammar)
    assert str(caught.value).startswith("guided_decoding.grammar: ")
    assert message in str(caught.value)


def test_choices_are_texts_and_no_patterns(grammar_texts):
    choices = ["a.b", 'say "hi"\n', "é|中", "a.b", "a.", *(f"a.number {at}" for at in range(2000))]
    grammar = constraint_gbnf(GuidedDecoding(kind="choice", value=choices))
    assert all(grammar_texts.takes(grammar, choice) for choice in choices[:40])
    assert not any(grammar_texts.takes(grammar, text) for text in ["axb", "é", ""])


@pytest.mark.parametrize(
    ("guided", "message"),
    [
        ({"kind": "choice", "value": ["\0"]}, "guided_decoding.choice: a choice has a character"),
        ({"kind": "structural_tag", "value": {}}, "guided_decoding.structural_tag: "),
        ({"kind": "regex", "value": "a", "whitespace_pattern": " "}, "goes with JSON only"),
    ],
)
def test_what_there_is_not_is_named(guided, message):
    with pytest.raises(InvalidArgument, match=message):
        constraint_gbnf(GuidedDecoding(**guided))
