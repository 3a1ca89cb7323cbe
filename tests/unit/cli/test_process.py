"""The command in a process of its own, by both of its names."""

import shutil
import subprocess
import sys

import pytest

NAMES = [[sys.executable, "-m", "dynamo_backend_common"]]
if script := shutil.which("dynamo-backend"):
    NAMES.append([script])


@pytest.mark.parametrize("name", NAMES, ids=len)
def test_help_and_usage(name: list[str]) -> None:
    shown = subprocess.run([*name, "serve", "--help"], capture_output=True, text=True, check=True)
    assert "--discovery-backend {etcd,kubernetes,file,mem}" in shown.stdout
    wrong = subprocess.run([*name, "serve", "ecko"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("dynamo-backend: error: unknown engine 'ecko'")


def test_importing_the_package_changes_nothing_of_the_process() -> None:
    code = (
        "import logging, os, signal, sys, threading\n"
        "before = dict(os.environ), signal.getsignal(signal.SIGINT), logging.root.handlers[:]\n"
        "import dynamo_backend_common\n"
        "after = dict(os.environ), signal.getsignal(signal.SIGINT), logging.root.handlers[:]\n"
        "assert before == after\n"
        "assert threading.active_count() == 1\n"
        "assert not {'rich', 'argparse', 'llama_cpp'} & sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
