"""Alarms: they count what the workers really write, and tell somebody."""

from __future__ import annotations

import inspect
import logging
import re
from datetime import timedelta
from typing import Any

import pytest

from infra.aws.observability import COUNTS, CRLS, LISTINGS, NO_STAMPS, SCANNER_ERRORS, SIGN_FAILURES, LogCount
from pki.crl_lint import ONLINE_LIFETIME
from pki.errors import TransportError
from tests.infra.deployments import deployed
from worker import cli, loop, stamp
from worker.crls import REISSUE_AFTER
from worker.listings import RESIGN_AFTER
from worker.loop import Handler
from worker.queue import Job


class Queue:
    """A queue that notes nothing: what is looked at is the log."""

    lease = timedelta(seconds=60)

    def __getattr__(self, name: str) -> Any:
        return lambda *_arguments, **_words: True


def line(record: logging.LogRecord) -> str:
    """A record as the workers write it."""
    layout = re.search(r'format="([^"]+)"', inspect.getsource(cli))
    assert layout is not None
    return logging.Formatter(layout[1]).format(record)


def matches(count: LogCount, text: str) -> bool:
    """Whether CloudWatch counts a line: it holds every quoted term."""
    terms = re.findall(r'"([^"]+)"', count.pattern)
    assert terms
    return all(term in text for term in terms)


def written(kind: str, caplog: pytest.LogCaptureFixture, error: Exception | None = None) -> str:
    """What a worker writes about a job of a kind."""

    def work(_job: Job) -> None:
        if error is not None:
            raise error

    job = Job(id=1, kind=kind, subject="a/b", fence=1, wanted=1, attempts=1)
    with caplog.at_level(logging.INFO, logger="worker"):
        loop._run_job(Queue(), {kind: Handler(run=work)}, job)  # type: ignore[arg-type] # stands in for a queue
    return line(caplog.records[-1])


@pytest.mark.parametrize(("count", "kind"), [(CRLS, "crl"), (LISTINGS, "listing")])
def test_finished_list_is_counted(count: LogCount, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    assert matches(count, written(kind, caplog))


@pytest.mark.parametrize("count", [CRLS, LISTINGS])
def test_other_work_is_not_counted_as_a_list(count: LogCount, caplog: pytest.LogCaptureFixture) -> None:
    assert not matches(count, written("sign", caplog))


def test_failed_attempt_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    text = written("sign", caplog, TransportError("no answer", code="VET-SCANNER"))
    assert matches(SIGN_FAILURES, text)
    assert matches(SCANNER_ERRORS, text)


def test_failed_list_is_not_counted_as_one(caplog: pytest.LogCaptureFixture) -> None:
    assert not matches(CRLS, written("crl", caplog, TransportError("no answer", code="REG-STORE")))


def test_missing_time_stamp_is_counted() -> None:
    text = inspect.getsource(stamp)
    assert 'logging.getLogger("worker.stamp")' in text
    assert '_log.error("no time-stamp: %s"' in text
    record = logging.LogRecord("worker.stamp", logging.ERROR, "", 0, "no time-stamp: x", None, None)
    assert matches(NO_STAMPS, line(record))


def test_silence_about_lists_is_an_alarm_in_time() -> None:
    alarms = {alarm.name: alarm.inputs for alarm in deployed().all("cloudwatch:MetricAlarm")}
    for name, least, most in (
        ("skreg-crl-age", REISSUE_AFTER, ONLINE_LIFETIME / 12),
        ("skreg-crl-horizon", ONLINE_LIFETIME / 4, ONLINE_LIFETIME / 2),
        ("skreg-listing-age", RESIGN_AFTER, 2 * RESIGN_AFTER),
    ):
        alarm = alarms[name]
        assert alarm["treatMissingData"] == "breaching"
        assert alarm["comparisonOperator"] == "LessThanThreshold"
        assert least < timedelta(seconds=alarm["period"] * alarm["evaluationPeriods"]) <= most, name


def test_every_alarm_tells_somebody_and_says_what() -> None:
    (topic,) = deployed().all("sns:Topic")
    # CloudWatch may use our own key, and not the one that AWS keeps for SNS.
    assert topic.inputs["kmsMasterKeyId"].endswith("key/skreg-data")
    for alarm in deployed().all("cloudwatch:MetricAlarm"):
        assert [action.endswith(topic.name) for action in alarm.inputs["alarmActions"]] == [True]
        assert alarm.inputs["alarmDescription"]
    subscriptions = deployed().all("sns:TopicSubscription")
    assert {one.inputs["endpoint"] for one in subscriptions} == {"oncall@skills.example.org"}


def test_every_counted_metric_has_an_alarm() -> None:
    filters = {one.inputs["metricTransformation"]["name"] for one in deployed().all("cloudwatch:LogMetricFilter")}
    watched = {one.inputs["metricName"] for one in deployed().all("cloudwatch:MetricAlarm")}
    assert filters == {count.metric for count in COUNTS}
    assert filters <= watched


def test_budget_tells_before_it_is_spent() -> None:
    budget = deployed().one("budgets:Budget", "skreg").inputs
    assert budget["limitAmount"] == "400"
    assert {(one["notificationType"], one["threshold"]) for one in budget["notifications"]} == {
        ("ACTUAL", 80),
        ("FORECASTED", 100),
    }
