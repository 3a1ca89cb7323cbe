"""Constraints on outputs, read and checked."""

from typing import Any

import pytest

from dynamo_backend_common import GuidedDecoding, InvalidArgument


@pytest.mark.parametrize(
    ("given", "kind", "value"),
    [
        ({"json": {"type": "object"}}, "json", {"type": "object"}),
        ({"json": "{}", "regex": None, "choice": []}, "json", "{}"),
        ({"regex": "a", "backend": "b"}, "regex", "a"),
        ({"choice": ["a", "b"]}, "choice", ["a", "b"]),
        ({"grammar": "root ::= "}, "grammar", "root ::= "),
        ({"structural_tag": {"format": {}}}, "structural_tag", {"format": {}}),
    ],
)
def test_a_constraint_is_of_one_kind(given: Any, kind: str, value: Any) -> None:
    guided = GuidedDecoding.read(given)
    assert guided is not None
    assert (guided.kind, guided.value) == (kind, value)
    assert guided.backend == given.get("backend")


@pytest.mark.parametrize("given", [None, {}, {"json": None}, {"choice": []}, {"backend": "x"}])
def test_there_may_be_none(given: Any) -> None:
    assert GuidedDecoding.read(given) is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "guided_decoding is []; it must be an object"),
        (
            {"json": {}, "regex": "a"},
            "guided_decoding has json and regex; an output is held to one",
        ),
        ({"json": 5}, "guided_decoding.json is 5; it must be str or dict"),
        ({"choice": [5]}, "guided_decoding.choice has what is no str"),
        ({"regex": "a", "xpath": "b"}, "guided_decoding.xpath is not known; it has one of json,"),
        ({"json_object": True}, "guided_decoding.json_object is not known; it has one of json,"),
        ({"json": {}, "whitespace_pattern": 1}, "guided_decoding.whitespace_pattern is 1"),
    ],
)
def test_what_is_wrong_is_named(given: Any, message: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        GuidedDecoding.read(given)
    assert str(caught.value).startswith(message)
