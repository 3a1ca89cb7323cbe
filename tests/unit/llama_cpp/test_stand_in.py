"""What stands in for `Steps` in these tests says what `Steps` says."""

from support.engines.steps_rules import EXPECTED, REQUESTS, told_by


async def test_the_stand_in_keeps_the_rules_of_steps(direct_steps, make_context):
    contexts = [make_context() for _ in range(REQUESTS)]

    async def last_leaves():
        contexts[-1].stopped = True

    steps = direct_steps()
    assert await told_by(steps, contexts, last_leaves) == EXPECTED
