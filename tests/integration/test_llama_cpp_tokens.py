"""What a client sees of a vocabulary: a SentencePiece model, served from its file alone."""

from collections.abc import Iterator

import pytest

from support.hub import Hub
from support.launcher import Launcher, Server
from support.llama_vocabulary import LlamaVocabulary, llama_vocabulary
from support.tiny_gguf import write_tiny_of
from support.vocabularies import TEXTS, metadata

pytestmark = pytest.mark.model

# It writes no beginning, though the model wants one.
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}<|im_start|>assistant"
)


@pytest.fixture(scope="module")
def files(shared: Launcher) -> Iterator[tuple[str, LlamaVocabulary]]:
    values = metadata("llama", **{"tokenizer.chat_template.default": TEMPLATE})
    path = write_tiny_of(shared.folder / "tiny-llama-f32.gguf", values)
    with llama_vocabulary(path) as own:
        yield str(path), own


@pytest.fixture(scope="module")
def server(shared: Launcher, files: tuple[str, LlamaVocabulary]) -> Iterator[Server]:
    cache = {"XDG_CACHE_HOME": str(shared.folder / "cache")}
    served = shared.serve("llama-cpp", "--", "--model-path", files[0], env=cache)
    yield served
    assert served.process.terminate() == 0
    assert "Traceback" not in served.process.output


@pytest.mark.parametrize("text", [*TEXTS, "<s>It begins already.", "<|im_start|>user\nHi"])
def test_a_prompt_has_the_tokens_of_llama_cpp(
    server: Server, files: tuple[str, LlamaVocabulary], text: str
) -> None:
    wanted = files[1].ids(text, add_special=not text.startswith("<s>"))
    answer = server.api.complete(text, max_tokens=1)
    assert answer.status == 200, answer.text
    assert answer.json["usage"]["prompt_tokens"] == len(wanted)


def test_a_chat_begins_once(server: Server, files: tuple[str, LlamaVocabulary]) -> None:
    rendered = "<|im_start|>user\nHello there<|im_end|>\n<|im_start|>assistant"
    wanted = files[1].ids(rendered, add_special=True)
    answer = server.api.chat(("user", "Hello there"), max_tokens=1)
    assert answer.status == 200, answer.text
    assert answer.json["usage"]["prompt_tokens"] == len(wanted)


def test_a_model_without_a_template_completes_texts(launcher: Launcher) -> None:
    path = write_tiny_of(launcher.folder / "base.gguf", metadata("llama"))
    cache = {"XDG_CACHE_HOME": str(launcher.folder / "cache")}
    server = launcher.serve("llama-cpp", "--", "--model-path", str(path), env=cache)
    assert server.api.complete("Hello", max_tokens=1).status == 200
    answer = server.api.chat(("user", "Hello"), max_tokens=1)
    assert 400 <= answer.status < 500, answer.text


def test_so_does_one_of_a_hub(launcher: Launcher) -> None:
    folder = launcher.folder / "repository"
    folder.mkdir()
    write_tiny_of(folder / "base-Q8_0.gguf", metadata("llama"))
    with Hub(folder, "someone/base-GGUF") as hub:
        env = {
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(launcher.folder / "hf"),
            "HF_HUB_OFFLINE": "0",
            "XDG_CACHE_HOME": str(launcher.folder / "cache"),
        }
        server = launcher.serve("llama-cpp", "--", "--model", "someone/base-GGUF", env=env)
    assert server.api.complete("Hello", max_tokens=1).status == 200
    answer = server.api.chat(("user", "Hello"), max_tokens=1)
    assert answer.status == 400, answer.text
    assert "it has completions, and every chat is refused" in server.process.output


def test_a_template_of_the_operator_s_gives_it_a_chat(launcher: Launcher) -> None:
    path = write_tiny_of(launcher.folder / "base.gguf", metadata("llama"))
    template = launcher.folder / "chat.jinja"
    template.write_text(TEMPLATE)
    server = launcher.serve(
        *("llama-cpp", "--custom-jinja-template", str(template), "--", "--model-path", str(path)),
        env={"XDG_CACHE_HOME": str(launcher.folder / "cache")},
    )
    answer = server.api.chat(("user", "Hello"), max_tokens=1)
    assert answer.status == 200, answer.text
