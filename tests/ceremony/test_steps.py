"""Plan and room speak of the same steps."""

from __future__ import annotations

import pytest

from ceremony.plan_file import parse_plan
from ceremony.steps import AFTERWARDS, CONFIRM, SIGN_OFF, steps
from tests.ceremony.test_readme import EXAMPLES


@pytest.mark.parametrize("title", EXAMPLES)
def test_each_thing_that_a_plan_makes_is_one_step(title: str) -> None:
    plan = parse_plan(EXAMPLES[title].encode())
    titles = steps(plan)
    assert (
        len(titles)
        == len(set(titles))
        == 4 + sum(map(len, (plan.task.generated(), plan.task.certificates, plan.task.crls)))
    )
    assert titles[0] == CONFIRM
    assert titles[-2:] == (AFTERWARDS, SIGN_OFF)
    for token in plan.tokens.values():
        assert token.serial in titles[1]
