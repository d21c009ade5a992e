"""WAF: how often one address may ask for something to be changed.

Only requests that change something are counted: reads come from the cache and cost nothing. A body is never looked
into here: packages are binary, and the registry judges them itself.
"""

from __future__ import annotations

import pulumi
from pulumi_aws import wafv2

from infra.aws.place import GLOBAL_REGION

WINDOW_SECONDS = 300


def firewall(name: str, writes_per_address: int, opts: pulumi.ResourceOptions) -> wafv2.WebAcl:
    """Make the web ACL.

    Args:
        name: Its name.
        writes_per_address: Requests that are let through in five minutes.
        opts: Pulumi's options.
    """
    rate = wafv2.WebAclRuleStatementRateBasedStatementArgs(
        aggregate_key_type="IP",
        limit=writes_per_address,
        evaluation_window_sec=WINDOW_SECONDS,
        scope_down_statement=_changes_something(),
    )
    return wafv2.WebAcl(
        name,
        scope="CLOUDFRONT",
        region=GLOBAL_REGION,
        description="how often one address may write",
        default_action=wafv2.WebAclDefaultActionArgs(allow=wafv2.WebAclDefaultActionAllowArgs()),
        rules=[
            wafv2.WebAclRuleArgs(
                name="writes",
                priority=1,
                action=wafv2.WebAclRuleActionArgs(block=wafv2.WebAclRuleActionBlockArgs()),
                statement=wafv2.WebAclRuleStatementArgs(rate_based_statement=rate),
                visibility_config=wafv2.WebAclRuleVisibilityConfigArgs(
                    cloudwatch_metrics_enabled=True, metric_name=f"{name}-writes", sampled_requests_enabled=True
                ),
            )
        ],
        visibility_config=wafv2.WebAclVisibilityConfigArgs(
            cloudwatch_metrics_enabled=True, metric_name=name, sampled_requests_enabled=True
        ),
        opts=opts,
    )


_Method = wafv2.WebAclRuleStatementRateBasedStatementScopeDownStatementRegexMatchStatementFieldToMatchMethodArgs


def _changes_something() -> wafv2.WebAclRuleStatementRateBasedStatementScopeDownStatementArgs:
    method = wafv2.WebAclRuleStatementRateBasedStatementScopeDownStatementRegexMatchStatementFieldToMatchArgs(
        method=_Method()  # type: ignore[no-untyped-call] # types without fields come without annotations
    )
    as_it_is = wafv2.WebAclRuleStatementRateBasedStatementScopeDownStatementRegexMatchStatementTextTransformationArgs(
        priority=0, type="NONE"
    )
    return wafv2.WebAclRuleStatementRateBasedStatementScopeDownStatementArgs(
        regex_match_statement=wafv2.WebAclRuleStatementRateBasedStatementScopeDownStatementRegexMatchStatementArgs(
            regex_string="^(POST|PUT|PATCH|DELETE)$", field_to_match=method, text_transformations=[as_it_is]
        )
    )
