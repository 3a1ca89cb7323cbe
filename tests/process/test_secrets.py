"""What a client sent, and what opens a door, is in no line at info level or above."""

import json
import runpy
from http.client import HTTPConnection

import pytest

from support.api import Api
from support.launcher import ENGINES, Launcher
from support.ports import LOOPBACK
from support.servers import Nats

PROMPT = "MARKEDPROMPT is what the client wrote"
KEY = "MARKEDKEY"
TOKEN = "MARKEDTOKEN"
PASSWORD = "MARKEDPASSWORD"
MARK = "MARKED"
CASES = ["fine", "raises", "typed", "no-terminal", "after-terminal"]


def bad_chunks() -> list[str]:
    """The names of the engine's bad chunks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ENGINES))
        patch.setenv("LATCHES", ".")
        engine = runpy.run_path(str(ENGINES / "talkative.py"))
    return list(engine["bad_chunks"]("", ""))


def marked(*lines: str) -> list[str]:
    return [line for line in lines if MARK in line]


@pytest.mark.parametrize("jsonl", ["", "1"], ids=["readable", "jsonl"])
def test_what_clients_send_is_in_no_line(launcher: Launcher, model_folder: str, jsonl: str) -> None:
    system = launcher.ports.reserve()
    server = launcher.serve(
        "talkative:Talkative",
        *("--model-name", model_folder),
        env={
            "DYN_LOGGING_JSONL": jsonl,
            "DYN_SYSTEM_PORT": str(system),
            "DYN_SYSTEM_TOKEN": TOKEN,
            "DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT": "2",
        },
    )
    api = Api(server.api.port, {"Authorization": f"Bearer {KEY}", "x-api-key": KEY})
    prompts = {"nvext": {"annotations": [f"mark:{MARK}"]}}
    cases = [*CASES, *bad_chunks()]
    assert len(cases) > 20
    for case in cases:
        prompts["nvext"]["annotations"] = [f"case:{case}", f"mark:{MARK}TEXT"]
        status = api.complete(PROMPT, **prompts).status
        assert (status == 200) is (case in {"fine", "after-terminal", "unknown-key"}), case
        api.chat(("user", PROMPT), **prompts)

    # Refused before the engine sees them.
    assert api.complete(PROMPT, max_tokens=-1).status >= 400
    assert api.complete(PROMPT, temperature=PROMPT).status >= 400
    assert api.complete(PROMPT, model=f"no-{MARK}").status >= 400
    assert api.complete(PROMPT * 5000, **prompts).status >= 400
    # The client leaves.
    prompts["nvext"]["annotations"] = ["case:waits", f"mark:{MARK}TEXT"]
    with api.stream_completion(PROMPT, **prompts) as stream:
        stream.first_text()
        launcher.latches.reached("waits")
        stream.leave()
    # Cut by the end.
    launcher.latches.withdraw("waits")
    left = api.hang_up("completions", api.body_of_completion(PROMPT, stream=True, **prompts))
    launcher.latches.reached("waits")
    assert control(system, TOKEN) < 500
    assert control(system, f"{TOKEN}-but-wrong") < 500
    assert server.process.terminate() == 3
    left.close()

    told = server.process.lines
    assert any("the cache is broken" in line for line in told)
    assert marked(*told) == []
    # It was looked for in the log of that many failures.
    assert sum("Talkative" in line for line in told) >= len(bad_chunks())


def control(port: int, token: str) -> int:
    connection = HTTPConnection(LOOPBACK, port)
    body = json.dumps({"password": PASSWORD})
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    connection.request("POST", "/engine/sleep", body, headers)
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.mark.parametrize(
    ("options", "variable", "url"),
    [
        (["--discovery-backend", "etcd"], "ETCD_ENDPOINTS", "http://user:{}@127.0.0.1:{}"),
        (["--request-plane", "nats"], "NATS_SERVER", "nats://user:{}@127.0.0.1:{}"),
        (["--request-plane", "nats"], "NATS_SERVER", "nats://{}@127.0.0.1:{}"),
    ],
    ids=["etcd", "nats", "nats-token"],
)
def test_passwords_of_servers_that_cannot_be_had_are_in_no_line(
    launcher: Launcher, options: list[str], variable: str, url: str
) -> None:
    worker = launcher.command(
        *("serve", "plain:Plain", "--discovery-backend", "file", *options),
        env={
            variable: url.format(PASSWORD, launcher.ports.reserve()),
            "DYN_CONNECT_TIMEOUT_SECS": "0",
            "ETCD_STARTUP_CONNECT_TIMEOUT_SECONDS": "1",
            "NATS_STARTUP_CONNECT_TIMEOUT_SECONDS": "1",
        },
    )
    assert worker.wait() == 1
    assert "error: connect: " in worker.stderr
    assert marked(*worker.lines) == []


@pytest.mark.parametrize(
    ("options", "user"),
    [(("--user", "user", "--pass", PASSWORD), "user:"), (("--auth", PASSWORD), "")],
    ids=["password", "token"],
)
def test_a_server_is_reached_by_the_password_in_its_address_which_is_in_no_line(
    launcher: Launcher, model_folder: str, options: tuple[str, ...], user: str
) -> None:
    nats = Nats(launcher, *options)
    nats.start()
    url = nats.url.replace("://", f"://{user}{PASSWORD}@")
    server = launcher.serve(
        "plain:Plain",
        *("--model-name", model_folder, "--request-plane", "nats"),
        env={"NATS_SERVER": url},
    )
    assert server.api.complete("alpha beta").status == 200
    assert server.process.terminate() == 0
    assert marked(*server.process.lines) == []
