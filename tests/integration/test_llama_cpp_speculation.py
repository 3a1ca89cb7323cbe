"""What a client sees of speculative decoding: nothing but the speed."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from dynamo_backend_common.engines.llama_cpp.files.model_file import ModelFile
from support.api import finish_reasons, read_text, text_of
from support.launcher import Launcher, Server

pytestmark = pytest.mark.model

REPEATING = "one two three four " * 8


@pytest.fixture(scope="module")
def server(shared: Launcher) -> Iterator[Server]:
    """The model drafts for itself, where the text does not repeat itself."""
    served = shared.serve(
        "llama-cpp",
        "--",
        "--model-draft",
        str(ModelFile().path),
        "--spec-type",
        "ngram-simple,draft-simple",
        "--context-length",
        "512",
        "--max-num-seqs",
        "2",
        env={"XDG_CACHE_HOME": str(shared.folder / "cache")},
    )
    yield served
    assert served.process.terminate() == 0
    assert "Traceback" not in served.process.output


@pytest.mark.parametrize("sampling", [{"temperature": 0}, {"temperature": 1.0, "seed": 3}])
def test_a_stream_has_as_many_tokens_as_asked_for_in_fewer_chunks(
    server: Server, sampling: dict[str, float]
) -> None:
    options = {"max_tokens": 24, "ignore_eos": True, "logprobs": 1, **sampling}
    usage = {"stream_options": {"include_usage": True}}
    with server.api.stream_completion(REPEATING, **options, **usage) as stream:
        text, chunks = read_text(stream)
    assert finish_reasons(chunks) == ["length"]
    assert chunks[-1]["usage"]["completion_tokens"] == 24
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    told = [choice["logprobs"]["tokens"] for choice in choices if choice.get("logprobs")]
    assert sum(map(len, told)) == 24
    assert max(map(len, told)) > 1
    again = server.api.complete(REPEATING, **options)
    assert text_of(again.json) == text


def test_a_text_that_ends_the_output_ends_it_within_a_draft(server: Server) -> None:
    options = {"max_tokens": 24, "temperature": 0}
    whole = text_of(server.api.complete(REPEATING, **options).json)
    end = whole.split()[4]
    answer = server.api.complete(REPEATING, stop=[end], **options)
    assert answer.json["choices"][0]["finish_reason"] == "stop"
    assert text_of(answer.json) == whole[: whole.index(end)]


def test_two_at_once_are_each_as_if_alone(server: Server) -> None:
    prompts = [REPEATING, "Once upon a time, there was a"]
    options = {"temperature": 0, "max_tokens": 24}
    alone = [text_of(server.api.complete(prompt, **options).json) for prompt in prompts]
    with ExitStack() as stack:
        streams = [
            stack.enter_context(server.api.stream_completion(prompt, **options))
            for prompt in prompts
        ]
        assert [read_text(stream)[0] for stream in streams] == alone


def test_who_leaves_frees_the_slot(server: Server) -> None:
    endless = {"max_tokens": 400, "ignore_eos": True}
    for _ in range(3):
        with server.api.stream_completion(REPEATING, **endless) as stream:
            assert stream.first_text()
            stream.leave()
    assert server.api.complete("The moon is", max_tokens=4).status == 200
