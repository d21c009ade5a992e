"""What every test here needs: Pulumi. Without it none is collected; ``./dev test`` brings it for these tests alone."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

collect_ignore_glob = [] if find_spec("pulumi") and find_spec("pulumi_aws") else ["*"]

OLD_NAMES = r"ignore:[\w./]+ has been deprecated in favor of:DeprecationWarning"
"""The SDK says so of old classes when it is imported; that we use none of them has a test."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let these tests import the SDK."""
    for item in items:
        if "tests/infra/" in item.nodeid:
            item.add_marker(pytest.mark.filterwarnings(OLD_NAMES))
