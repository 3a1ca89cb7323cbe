"""A test that is skipped is a test that failed, unless it is listed here with the reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

MAY_BE_SKIPPED = {
    "test_section_12_3_the_last_words_are_kubernetes_termination_message": (
        "it mounts a /dev, which a user without rights may not"
    ),
    "test_a_worker_of_a_cluster_has_productions_defaults": (
        "it makes a network of its own, which a user without rights may not"
    ),
    "test_ipv6_for_the_frontend_the_system_server_and_the_request_plane": (
        "a machine may have no IPv6"
    ),
    "test_discovery_is_etcd_on_this_machine": (
        "it makes a network of its own, which a user without rights may not"
    ),
}


class NoSkips:
    """The plugin: it turns skips of tests, and of whole modules, into failures."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        name = item.name.partition("[")[0]
        if not hasattr(report, "wasxfail") and name not in MAY_BE_SKIPPED:
            _refuse(report)
        return report

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self,
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        report = yield
        _refuse(report)
        return report


def _refuse(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.skipped and isinstance(report.longrepr, tuple):
        path, line, why = report.longrepr
        report.outcome = "failed"
        report.longrepr = (
            f"{path}:{line}: {why}\nWhat is skipped tests nothing. Install what is missing (`make"
            " setup`), or list the test with its reason in tests/support/skips.py."
        )
