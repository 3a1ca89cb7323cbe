"""How a prompt begins: by the chat's template, or by the engine."""

import pytest

from dynamo_backend_common.engines.llama_cpp.files.chat_template import chat_template
from dynamo_backend_common.engines.llama_cpp.request.beginning import with_beginning
from dynamo_backend_common.engines.llama_cpp.tokenizer.vocabulary import read_vocabulary
from support.vocabularies import metadata


@pytest.mark.parametrize(
    ("tokens", "begin", "wanted"),
    [
        ([5, 6], 1, [1, 5, 6]),
        ([1, 5], 1, [1, 5]),
        ([5], None, [5]),
        ([5], 0, [0, 5]),
        ([], 1, []),
        (None, 1, None),
        ("text", 1, "text"),
        (b"text", 1, b"text"),
    ],
)
def test_a_prompt_begins_once(tokens, begin, wanted):
    request = {"token_ids": tokens, "model": "m"}
    assert with_beginning(request, begin) == {"token_ids": wanted, "model": "m"}
    assert request["token_ids"] is tokens


async def test_the_model_says_whether(client, tokenize):
    assert client.engine._loaded.model.begin_token is None
    assert client.engine._loaded.model.bos_token == 1


_CHAT = "{% for message in messages %}{{ message.content }}{% endfor %}"


@pytest.mark.parametrize(
    ("templates", "wanted"),
    [
        ({}, None),
        ({"": ""}, None),
        ({"": _CHAT}, "{{ bos_token }}" + _CHAT),
        ({"": "{{ bos_token }}" + _CHAT}, "{{ bos_token }}" + _CHAT),
        ({"": "<s>" + _CHAT}, "<s>" + _CHAT),
        ({"": "<s>plain", ".tool_use": "<s>tools"}, "<s>plain"),
        ({".tool_use": "<s>tools", ".default": "<s>plain"}, "<s>plain"),
        ({".rag": "<s>rag", ".tool_use": "<s>tools"}, "<s>rag"),
    ],
)
def test_the_template_of_several(templates, wanted):
    named = {f"tokenizer.chat_template{name}": text for name, text in templates.items()}
    named["tokenizer.chat_templates"] = [name.removeprefix(".") for name in templates if name]
    values = metadata("llama", **named)
    assert chat_template(values, read_vocabulary(values)) == wanted


def test_a_model_without_a_beginning_keeps_its_template():
    values = metadata("llama", add_bos_token=False) | {"tokenizer.chat_template": _CHAT}
    assert chat_template(values, read_vocabulary(values)) == _CHAT
