"""What every member could say is said by few, and what the certificate says better by nobody."""

from __future__ import annotations

from dataclasses import dataclass, field

import trio
from trio.testing import MockClock

from consensus.committee import Committee
from consensus.gossip_rules import Seen
from consensus.messages import Message
from p2pavs.echo import LONGEST_SPREAD, Echo
from tests.unit.consensus import factory

MEMBERS = 32
DELAY = 0.01  # seconds a message takes


@dataclass
class Hall:
    """Members that hear each other after a while."""

    committee: Committee
    seen: list[Seen] = field(default_factory=lambda: [Seen() for _ in range(MEMBERS)])
    said: int = 0
    decided: bool = False

    async def publish(self, message: Message) -> None:
        self.said += 1
        await trio.sleep(DELAY)
        for each in self.seen:
            each.remember(message, self.committee)

    async def all_say(self, message: Message) -> int:
        before = self.said
        with trio.fail_after(LONGEST_SPREAD + 1):
            async with trio.open_nursery() as nursery:
                for number in range(MEMBERS):
                    echo = Echo(
                        self.committee,
                        lambda number=number: self.seen[number],
                        lambda: self.decided,
                        self.publish,
                    )
                    nursery.start_soon(echo.say, message)
        return self.said - before


def hall() -> Hall:
    return Hall(factory.committee([1] * MEMBERS))


async def test_one_or_two_speak_for_all(autojump_clock: MockClock) -> None:
    place = hall()
    commit = factory.commit(place.committee, range(22))
    assert 1 <= await place.all_say(commit) < MEMBERS // 2
    assert await place.all_say(commit) == 0  # it has been said
    place.seen = [Seen() for _ in range(MEMBERS)]  # the next period
    assert 1 <= await place.all_say(commit) < MEMBERS // 2


async def test_after_the_decision_only_the_certificate_is_of_use(autojump_clock: MockClock) -> None:
    place = hall()
    place.decided = True
    assert await place.all_say(factory.proposal(place.committee)) == 0
    assert await place.all_say(factory.commit(place.committee, range(22))) >= 1
