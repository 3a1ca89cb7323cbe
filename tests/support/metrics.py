"""Prometheus' text format, as a scrape sees it."""

from __future__ import annotations

import re
import subprocess

_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def samples(text: str, name: str) -> list[tuple[dict[str, str], float]]:
    """Labels and value of each sample of that name."""
    found = re.findall(rf"^{name}(?:{{(.*)}})? (\S+)$", text, re.MULTILINE)
    return [(dict(_LABEL.findall(labels)), float(value)) for labels, value in found]


def sample(text: str, name: str, **labels: str) -> float:
    """The value of the one sample of that name with these labels."""
    [value] = [value for own, value in samples(text, name) if labels.items() <= own.items()]
    return value


def lint(text: str) -> str:
    """What ``promtool check metrics`` has to say; empty where all is well."""
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    said = checked.stdout + checked.stderr
    return said or (f"status {checked.returncode}" if checked.returncode else "")
