"""What an operator does with the bundled engine: a model of a hub, sleep, metrics, Ctrl-C."""

import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dynamo_backend_common.engines.llama_cpp.files.model_file import ModelFile
from support.api import text_of
from support.hub import Hub
from support.launcher import Launcher, Server
from support.metrics import lint
from support.processes import until
from support.system import System

pytestmark = pytest.mark.model

NAME = "someone/SmolLM2-135M-Instruct-GGUF"
FILE = "SmolLM2-135M-Instruct-Q4_1.gguf"
QUESTION = "What is the capital of France? Answer with one word."


@dataclass(frozen=True)
class Served:
    server: Server
    system: System
    hub: Hub
    folder: Path

    def ask(self) -> str:
        answer = self.server.api.chat(("user", QUESTION), temperature=0, max_tokens=32)
        assert answer.status == 200, answer.text
        return text_of(answer.json)

    def metric(self, name: str) -> float:
        text = self.system.get("/metrics").text
        found = re.findall(rf'^llamacpp:{name}{{.*model="[^"]+".*}} (\S+)$', text, re.MULTILINE)
        assert len(found) == 1, text
        return float(found[0])

    def resident_bytes(self) -> int:
        status = Path(f"/proc/{self.server.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) * 1024


def repository(folder: Path) -> Path:
    folder.mkdir()
    (folder / FILE).symlink_to(ModelFile().path)
    return folder


def environment(folder: Path, hub: Hub) -> dict[str, str]:
    return {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(folder / "hf"),
        "HF_HUB_OFFLINE": "0",
        "XDG_CACHE_HOME": str(folder / "cache"),
    }


@pytest.fixture(scope="module")
def served(shared: Launcher) -> Iterator[Served]:
    system = System(shared.ports.reserve())
    with Hub(repository(shared.folder / "repository"), NAME) as hub:
        env = environment(shared.folder, hub) | {"DYN_SYSTEM_PORT": str(system.port)}
        server = shared.serve("llama-cpp", "--", "--model", NAME, env=env)
        yield Served(server, system, hub, shared.folder)
    # It also ends while it sleeps.
    assert system.control("sleep").json["status"] == "ok"
    server.process.send(signal.SIGINT)
    assert server.process.wait() == 0
    assert "Traceback" not in server.process.output


def test_a_model_of_a_hub_is_served(served: Served) -> None:
    assert "Paris" in served.ask()
    assert served.server.model == "SmolLM2-135M-Instruct"
    assert served.hub.asked == {FILE}
    assert [path.name for path in (served.folder / "hf" / "hub").rglob("*.gguf")] == [FILE]


def test_metrics_tell_what_was_computed(served: Served) -> None:
    before = served.metric("prompt_tokens_total"), served.metric("tokens_predicted_total")
    served.ask()
    assert served.metric("prompt_tokens_total") > before[0]
    assert served.metric("tokens_predicted_total") > before[1]
    until(lambda: served.metric("requests_processing") == 0, "no request runs")
    # The names are llama.cpp's own, and promtool minds nothing else.
    said = lint(served.system.get("/metrics").text).splitlines()
    assert [line for line in said if not line.endswith("should not contain ':'")] == []


def test_asleep_it_gives_memory_back_and_serves_nobody(served: Served) -> None:
    answer, before = served.ask(), served.resident_bytes()
    assert served.system.control("sleep", {"level": 3}).json["status"] == "error"
    slept = served.system.control("sleep").json
    assert (slept["status"], slept["is_sleeping"]) == ("ok", True)
    assert before - served.resident_bytes() > ModelFile().path.stat().st_size / 2
    assert not served.system.is_ready()
    model = served.server.model
    refused = served.server.api.chat(("user", QUESTION), model=model, max_tokens=2)
    assert refused.status in (404, 503), refused.text
    assert served.system.control("is_sleeping").json["is_sleeping"] is True
    assert served.system.control("wake_up").json["is_sleeping"] is False
    until(served.system.is_ready, "the worker is ready")
    until(lambda: served.server.api.models() == [model], "the frontend knows it again")
    assert served.ask() == answer


def test_ctrl_c_ends_a_download(launcher: Launcher) -> None:
    with Hub(repository(launcher.folder / "repository"), NAME) as hub:
        hub.goes_on.clear()
        process = launcher.command(
            *("serve", "llama-cpp", "--discovery-backend", "file", "--", "--model", NAME),
            env=environment(launcher.folder, hub),
        )
        blobs = launcher.folder / "hf" / "hub"
        until(lambda: any(blobs.rglob("*.incomplete")), "it downloads")
        process.send(signal.SIGINT)
        assert process.wait() == 0
    assert "Traceback" not in process.output
    assert not any(blobs.rglob("*.incomplete"))
