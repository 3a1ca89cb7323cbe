"""The examples that need torch, in the environment that has it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.api import Api, text_of
from support.vllm_worker import LOADING, MODEL

if TYPE_CHECKING:
    from support.launcher import Launcher

EXAMPLES = Path(__file__).parents[2] / "examples"
PROMPT = list(range(4, 20))
# Of transformers itself: what the model says to the prompt.
GENERATE = """
import json, sys, torch
from transformers import AutoModelForCausalLM
model = AutoModelForCausalLM.from_pretrained(sys.argv[1])
prompt = json.loads(sys.argv[2])
made = model.generate(torch.tensor([prompt]), max_new_tokens=12, do_sample=False, eos_token_id=-1)
print(" ".join(f"w{token}" for token in made[0][len(prompt):].tolist()))
"""


def test_the_engine_of_transformers_keeps_the_contract(launcher: Launcher) -> None:
    checked = launcher.command(
        *["check", "transformers_engine:Transformers", "--requests", "100", "--timeout", "60"],
        *["--", "--model", str(MODEL)],
        cwd=EXAMPLES,
    )
    assert checked.wait() == 0, checked.output
    assert "passed  cancellation_at_every_point" in checked.output
    assert "passed  probe" in checked.output


def test_the_engine_of_transformers_says_what_transformers_says(launcher: Launcher) -> None:
    asked = launcher.start(sys.executable, "-P", "-c", GENERATE, str(MODEL), json.dumps(PROMPT))
    assert asked.wait() == 0, asked.output
    server = launcher.serve(
        "transformers_engine:Transformers", "--", "--model", str(MODEL), cwd=EXAMPLES
    )

    def answer(**options: Any) -> str:
        reply = server.api.complete(PROMPT, max_tokens=12, ignore_eos=True, **options)
        assert reply.status == 200, reply.text
        return text_of(reply.json).strip()

    said = answer(temperature=0)
    assert said == asked.stdout.strip()
    # By chance, and by the same chance where the seed is the same; of one candidate the likeliest.
    assert answer(seed=3) == answer(seed=3) != said
    assert answer(top_p=1e-9) == said
    assert server.process.terminate() == 0


def test_vllm_is_served_from_python(launcher: Launcher) -> None:
    port = launcher.ports.reserve()
    process = launcher.start(
        *[sys.executable, str(EXAMPLES / "vllm_worker.py"), str(MODEL), str(port)],
        cwd=launcher.folder,
    )
    process.wait_for_line("Serving .* on dynamo.backend.generate", patience=LOADING)
    assert Api(port).complete(PROMPT).status == 200
    assert process.terminate() == 0
