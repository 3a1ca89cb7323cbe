"""Guided decoding, as vLLM gets it."""

import json
from typing import Any

import pytest

from dynamo_backend_common.exceptions import InvalidArgument

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
TAG = {"type": "structural_tag", "format": {"type": "json_schema", "json_schema": SCHEMA}}


def guided(**given: Any) -> Any:
    return {"sampling_options": {"guided_decoding": given}}


@pytest.mark.parametrize(
    ("given", "name", "told"),
    [
        ({"json": SCHEMA}, "json", SCHEMA),
        ({"json": json.dumps(SCHEMA)}, "json", json.dumps(SCHEMA)),
        ({"regex": "w1[0-9]"}, "regex", "w1[0-9]"),
        ({"grammar": 'root ::= "w10"'}, "grammar", 'root ::= "w10"'),
        ({"choice": ["w10", "w11"]}, "choice", ["w10", "w11"]),
        ({"structural_tag": TAG}, "structural_tag", json.dumps(TAG)),
        ({"structural_tag": json.dumps(TAG)}, "structural_tag", json.dumps(TAG)),
        ({"json": SCHEMA, "whitespace_pattern": " ?"}, "whitespace_pattern", " ?"),
        ({"json": SCHEMA, "backend": "auto", "regex": None}, "json", SCHEMA),
    ],
)
def test_constraints(admit: Any, read: Any, given: Any, name: Any, told: Any) -> None:
    assert getattr(read(**guided(**given)).params.structured_outputs, name) == told
    assert admit(**guided(**given)).sampling_params.structured_outputs is not None


@pytest.mark.parametrize("given", [{}, {"json": None}, {"choice": []}, {"backend": "xgrammar"}])
def test_no_constraint(admit: Any, given: Any) -> None:
    assert admit(**guided(**given)).sampling_params.structured_outputs is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"json": SCHEMA, "regex": "a"}, "guided_decoding has json and regex"),
        ({"json": 5}, "guided_decoding.json is 5; it must be str or dict"),
        ({"json": "{"}, "(?i)json"),
        ({"json": {"type": "nothing"}}, "(?i)schema|unsupported|type"),
        ({"regex": "("}, "(?i)regex"),
        ({"grammar": "root := ("}, "(?i)grammar"),
        ({"choice": [5]}, "guided_decoding.choice has what is no str"),
        ({"choice": "ab"}, "guided_decoding.choice is 'ab'; it must be list"),
        ({"structural_tag": "{"}, "Invalid grammar specification"),
        ({"regex": "a", "backend": "outlines"}, "guided_decoding.backend is 'outlines'"),
        ({"regex": "a", "xpath": "//a"}, "guided_decoding.xpath is not known"),
    ],
)
def test_wrong_constraints_are_refused(admit: Any, given: Any, message: Any) -> None:
    with pytest.raises(InvalidArgument, match=message) as refused:
        admit(**guided(**given))
    # The log gets no traceback of what a client wrote.
    assert refused.value.__cause__ is None
