"""vLLM's metrics where ``prometheus_client`` keeps them in files, one for each process."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from support.metrics import samples
from support.processes import until
from support.vllm_worker import NAME, VllmWorker

if TYPE_CHECKING:
    from support.launcher import Launcher


def test_each_family_is_there_once_with_what_all_processes_count(launcher: Launcher) -> None:
    folder = launcher.folder / "metrics"
    worker = VllmWorker(launcher, env={"PROMETHEUS_MULTIPROC_DIR": str(folder)})
    worker.wait()
    assert list(folder.glob("*.db"))

    def text() -> str:
        return worker.system.get("/metrics").text

    # It is on its way for half a second at most.
    until(lambda: "vllm:generation_tokens_total" in text(), "vLLM's metrics are shown")
    families = Counter(re.findall(r"^# TYPE (vllm:\S+)", text(), re.MULTILINE))
    assert len(families) > 20
    assert set(families.values()) == {1}
    for labels, _ in samples(text(), "vllm:generation_tokens_total"):
        assert labels["dynamo_component"] == "backend"
        assert labels["model_name"] == NAME
        assert "pid" not in labels
    assert worker.process.terminate() == 0
