"""Points: names that go to the debug log, and nowhere else."""

from __future__ import annotations

import logging

import pytest

from ceremony.points import log_point


def test_point_is_a_line_in_the_debug_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="ceremony.points"):
        log_point("generated")
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [("DEBUG", "reached generated")]
