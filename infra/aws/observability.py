"""Alarms, and who is told.

Rules:
    * Silence is an alarm where something must happen: a list of revocations every hour, listings twice a day. Clients
      refuse what is out of date, so this is the most important thing to watch.
    * What the workers log is counted; a test holds the patterns against what they really write.
    * A CRL is good for 48 hours: without one for 2 hours somebody looks, without one for a day somebody gets up.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_aws import budgets, cloudwatch, kms, sns

from infra.aws.database import AwsDatabase
from infra.aws.dns import AwsDnsTls
from infra.aws.place import own
from infra.aws.registry import AwsRegistryService
from infra.aws.services import AwsWorkerService
from infra.edge import Observability, ObservabilityArgs, ObservabilityOutputs

NAMESPACE = "skreg"
HOUR = 3600
DAY = 24 * HOUR
GIB = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class LogCount:
    """Lines of a worker's log that are counted.

    Attributes:
        worker: Whose log.
        metric: What the number is called.
        pattern: All these words, in CloudWatch's language.
    """

    worker: str
    metric: str
    pattern: str


CRLS = LogCount(worker="sign", metric="crls", pattern='"worker: crl " ": done"')
LISTINGS = LogCount(worker="sign", metric="listings", pattern='"worker: listing " ": done"')
SIGN_FAILURES = LogCount(worker="sign", metric="sign-failures", pattern='"WARNING worker:" ": attempt " " failed: "')
VET_FAILURES = LogCount(worker="vet", metric="vet-failures", pattern='"WARNING worker:" ": attempt " " failed: "')
SCANNER_ERRORS = LogCount(worker="vet", metric="scanner-errors", pattern='"WARNING worker:" "VET-SCANNER"')
NO_STAMPS = LogCount(worker="stamp", metric="no-stamps", pattern='"ERROR worker.stamp: no time-stamp"')

COUNTS = (CRLS, LISTINGS, SIGN_FAILURES, VET_FAILURES, SCANNER_ERRORS, NO_STAMPS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """When somebody is told.

    Attributes:
        name: Its name.
        namespace: Whose metric.
        metric: Which.
        statistic: How the numbers of a period become one.
        limit: From which number on.
        below: Below it, instead of from it on.
        period: Seconds.
        periods: So many after each other.
        words: For who is told.
        silence: What no numbers at all mean: ``notBreaching``, ``breaching``, ``missing``.
    """

    name: str
    namespace: str
    metric: str
    statistic: str
    limit: int
    below: bool = False
    period: int = 900
    periods: int = 1
    words: str
    silence: str = "notBreaching"


class AwsObservability(Observability):
    """Alarms and budget."""

    def __init__(self, name: str, args: ObservabilityArgs, *, key: kms.Key, opts: pulumi.ResourceOptions) -> None:
        """Make them.

        Args:
            name: Their name.
            args: What is wanted.
            key: Encrypts what is told.
            opts: Pulumi's options.
        """
        super().__init__("aws", name, opts)
        self._name = name
        self._child = pulumi.ResourceOptions(parent=self)
        self._alarms: list[str] = []
        self._topic = self._tell(args.email, key)
        for count in COUNTS:
            self._count(count, own(args.workers[count.worker], AwsWorkerService))
        self._watch_lists()
        self._watch_failures()
        self._watch_registry(own(args.registry, AwsRegistryService))
        self._watch_database(own(args.database, AwsDatabase))
        self._watch_certificate(own(args.name, AwsDnsTls))
        self._budget(args)
        self.finish()

    @property
    def outputs(self) -> ObservabilityOutputs:
        """What others may know."""
        return ObservabilityOutputs(alarms=tuple(self._alarms))

    def _tell(self, email: str, key: kms.Key) -> sns.Topic:
        name = f"{self._name}-alarms"
        topic = sns.Topic(name, kms_master_key_id=key.arn, opts=self._child)
        sns.TopicSubscription(name, topic=topic.arn, protocol="email", endpoint=email, opts=self._child)
        return topic

    def _count(self, count: LogCount, worker: AwsWorkerService) -> None:
        cloudwatch.LogMetricFilter(
            f"{self._name}-{count.metric}",
            log_group_name=worker.log_group.name,
            pattern=count.pattern,
            metric_transformation=cloudwatch.LogMetricFilterMetricTransformationArgs(
                name=count.metric, namespace=NAMESPACE, value="1"
            ),
            opts=self._child,
        )

    def _watch_lists(self) -> None:
        for name, count, period, periods, words in (
            ("crl-age", CRLS, HOUR, 2, "no CRL for 2 hours; one is due every hour"),
            ("crl-horizon", CRLS, HOUR, 24, "no CRL for a day: in one more clients refuse every package"),
            ("listing-age", LISTINGS, DAY, 1, "no listing for a day; each is due twice a day"),
        ):
            self._alarm(
                Alarm(
                    name=name,
                    namespace=NAMESPACE,
                    metric=count.metric,
                    statistic="Sum",
                    limit=1,
                    below=True,
                    period=period,
                    periods=periods,
                    words=words,
                    silence="breaching",
                )
            )

    def _watch_failures(self) -> None:
        for name, count, limit, words in (
            ("failed-releases", SIGN_FAILURES, 3, "signing fails again and again; after five attempts it waits"),
            ("failed-vetting", VET_FAILURES, 10, "vetting fails again and again; after five attempts it waits"),
            ("scanner", SCANNER_ERRORS, 3, "clamd does not answer, or its signatures are old: nothing is vetted"),
            ("time-stamps", NO_STAMPS, 3, "no time-stamps are made: nothing is signed"),
        ):
            self._alarm(
                Alarm(name=name, namespace=NAMESPACE, metric=count.metric, statistic="Sum", limit=limit, words=words)
            )

    def _watch_registry(self, registry: AwsRegistryService) -> None:
        load = {"LoadBalancer": registry.balancer.arn_suffix}
        both = {**load, "TargetGroup": registry.targets.arn_suffix}
        for name, metric, statistic, limit, dimensions, words in (
            ("errors", "HTTPCode_Target_5XX_Count", "Sum", 10, load, "the web service answers with errors"),
            ("no-answer", "HTTPCode_ELB_5XX_Count", "Sum", 10, load, "the web service does not answer"),
            ("unhealthy", "UnHealthyHostCount", "Maximum", 1, both, "a task of the web service is ill"),
        ):
            alarm = Alarm(
                name=name,
                namespace="AWS/ApplicationELB",
                metric=metric,
                statistic=statistic,
                limit=limit,
                period=300,
                words=words,
            )
            self._alarm(alarm, dimensions)

    def _watch_database(self, database: AwsDatabase) -> None:
        which = {"DBInstanceIdentifier": database.instance.identifier}
        busy = Alarm(
            name="database-cpu",
            namespace="AWS/RDS",
            metric="CPUUtilization",
            statistic="Average",
            limit=80,
            words="the database is busy",
        )
        full = Alarm(
            name="database-storage",
            namespace="AWS/RDS",
            metric="FreeStorageSpace",
            statistic="Minimum",
            limit=5 * GIB,
            below=True,
            words="the database is nearly full",
            silence="missing",
        )
        self._alarm(busy, which)
        self._alarm(full, which)

    def _watch_certificate(self, name: AwsDnsTls) -> None:
        ending = Alarm(
            name="tls-certificate",
            namespace="AWS/CertificateManager",
            metric="DaysToExpiry",
            statistic="Minimum",
            limit=20,
            below=True,
            period=DAY,
            words="the TLS certificate ends within 20 days: it is not renewed by itself",
            silence="missing",
        )
        # CloudFront's has the same name, the same proof and the same age, and lies in a region without our topic.
        self._alarm(ending, {"CertificateArn": name.regional.arn})

    def _alarm(self, alarm: Alarm, dimensions: dict[str, pulumi.Output[str]] | None = None) -> None:
        name = f"{self._name}-{alarm.name}"
        cloudwatch.MetricAlarm(
            name,
            alarm_description=alarm.words,
            namespace=alarm.namespace,
            metric_name=alarm.metric,
            dimensions=dimensions,
            statistic=alarm.statistic,
            comparison_operator="LessThanThreshold" if alarm.below else "GreaterThanOrEqualToThreshold",
            threshold=alarm.limit,
            period=alarm.period,
            evaluation_periods=alarm.periods,
            treat_missing_data=alarm.silence,
            alarm_actions=[self._topic.arn],
            ok_actions=[self._topic.arn],
            opts=self._child,
        )
        self._alarms.append(name)

    def _budget(self, args: ObservabilityArgs) -> None:
        budgets.Budget(
            self._name,
            budget_type="COST",
            time_unit="MONTHLY",
            limit_amount=str(args.monthly_budget),
            limit_unit="USD",
            cost_filters=[budgets.BudgetCostFilterArgs(name="TagKeyValue", values=["user:project$skreg"])],
            notifications=[
                budgets.BudgetNotificationArgs(
                    comparison_operator="GREATER_THAN",
                    threshold=threshold,
                    threshold_type="PERCENTAGE",
                    notification_type=kind,
                    subscriber_email_addresses=[args.email],
                )
                for threshold, kind in ((80, "ACTUAL"), (100, "FORECASTED"))
            ],
            opts=self._child,
        )
