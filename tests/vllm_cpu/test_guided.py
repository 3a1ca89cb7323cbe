"""Guided decoding: what the output must be."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from support.vllm_worker import PROMPTS

if TYPE_CHECKING:
    from support.vllm_worker import Served


def said(served: Served, **guided: Any) -> str:
    # Not greedy: without a guide, no two of these would be alike.
    answer = served.api.complete(PROMPTS[1], max_tokens=24, temperature=2.0, **guided)
    assert answer.status == 200, answer.text
    [choice] = answer.json["choices"]
    assert choice["finish_reason"] == "stop", answer.text
    text: str = choice["text"]
    return text.strip()


def test_a_choice(served: Served) -> None:
    assert {said(served, guided_choice=["w20", "w21"]) for _ in range(8)} <= {"w20", "w21"}


def test_a_regular_expression(served: Served) -> None:
    assert re.fullmatch("w2[0-9]", said(served, guided_regex="w2[0-9]"))


def test_a_grammar(served: Served) -> None:
    # The model's words are decoded with spaces between them, which a grammar does not know of.
    words = said(served, guided_grammar='root ::= "w20" ("w21" | "w22") "w23"').split()
    assert words in (["w20", "w21", "w23"], ["w20", "w22", "w23"])


def test_json(served: Served) -> None:
    schema = {"type": "array", "items": {"enum": [1, 2]}, "minItems": 3, "maxItems": 3}
    answer = json.loads(said(served, guided_json=schema))
    assert len(answer) == 3
    assert set(answer) <= {1, 2}


def test_a_chat_with_a_schema(served: Served) -> None:
    schema = {"type": "array", "items": {"enum": [7]}, "minItems": 2, "maxItems": 2}
    asked = {"type": "json_schema", "json_schema": {"name": "sevens", "schema": schema}}
    answer = served.api.chat(("user", "w20 w21"), max_tokens=24, response_format=asked)
    assert answer.status == 200, answer.text
    assert json.loads(answer.json["choices"][0]["message"]["content"]) == [7, 7]


def test_what_is_no_guide_is_the_clients_fault(served: Served) -> None:
    for wrong in ({"guided_regex": "w2["}, {"guided_grammar": "no grammar"}):
        answer = served.api.complete(PROMPTS[1], max_tokens=4, **wrong)
        assert answer.status == 400, answer.text
