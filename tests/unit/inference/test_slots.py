from hypothesis import given
from hypothesis import strategies as st

from inference.slots import Slots


class Cells:
    """What a context's caches hold, kept by the calls alone."""

    def __init__(self, count, parts=True):
        self.held = [[] for _ in range(count)]
        self.parts = parts
        self.copies = 0

    def forget(self, slot, position=0):
        if position and not self.parts:
            return False
        del self.held[slot][position:]
        return True

    def copy(self, source, target):
        assert not self.held[target], "llama.cpp copies into an empty sequence"
        self.held[target] = list(self.held[source])
        self.copies += 1


def run(slots, cells, line, more=()):
    """A request: its prompt is read, then more tokens; returns its slot and what was kept of the prompt."""
    slot = slots.take(line)
    kept = slots.length(slot)
    assert cells.held[slot] == list(line[:kept]) and kept < len(line)
    for part in (line[kept:], more):
        slots.feed(slot, part)
        cells.held[slot] += part
    return slot, kept


def test_a_free_slot_that_knows_the_beginning_is_taken_and_cut_back():
    cells = Cells(2)
    slots = Slots(cells, 2)
    slot, kept = run(slots, cells, [1, 2, 3, 4], [9, 9])
    assert kept == 0
    slots.give_back(slot)
    assert run(slots, cells, [1, 2, 3, 5]) == (slot, 3)
    assert slots.reused == 3 and cells.copies == 0


def test_the_last_token_of_a_prompt_is_read_again():
    cells = Cells(1)
    slots = Slots(cells, 1)
    slots.give_back(run(slots, cells, [1, 2, 3])[0])
    assert run(slots, cells, [1, 2, 3]) == (0, 2)


def test_a_busy_slots_cache_is_copied_where_that_saves_enough():
    cells = Cells(2)
    slots = Slots(cells, 2)
    long = list(range(40))
    assert run(slots, cells, long) == (0, 0)
    assert run(slots, cells, [*long[:30], 99]) == (1, 30)
    assert cells.copies == 1
    cells = Cells(2)
    slots = Slots(cells, 2)
    run(slots, cells, long)
    assert run(slots, cells, [*long[:5], 99]) == (1, 0)
    assert cells.copies == 0


def test_the_slot_unused_for_longest_makes_room():
    cells = Cells(3)
    slots = Slots(cells, 3)
    taken = [run(slots, cells, [first, 1])[0] for first in (10, 20, 30)]
    for slot in (taken[1], taken[2], taken[0]):
        slots.give_back(slot)
    assert run(slots, cells, [40, 1])[0] == taken[1]
    assert not slots.full


def test_where_no_part_can_be_kept_all_is_read_again():
    cells = Cells(1, parts=False)
    slots = Slots(cells, 1)
    slots.give_back(run(slots, cells, [1, 2, 3, 4])[0])
    assert run(slots, cells, [1, 2, 9]) == (0, 0)
    assert slots.reused == 0


LINES = st.lists(st.integers(0, 2), min_size=1, max_size=60)


@given(st.lists(st.tuples(LINES, LINES, st.integers(0, 3)), max_size=20), st.booleans())
def test_slots_never_lose_track_of_what_a_cache_holds(requests, parts):
    cells = Cells(3, parts)
    slots = Slots(cells, 3)
    busy = []
    for line, more, ended in requests:
        if slots.full or (busy and ended == 0):
            slots.give_back(busy.pop(0))
        slot, _ = run(slots, cells, line, more)
        busy.append(slot)
        if ended == 1:
            slots.cut(slot, len(line))
            assert cells.held[slot] == (line if parts or not more else [])
            slots.feed(slot, line[slots.length(slot) :])
            cells.held[slot] += line[len(cells.held[slot]) :]
        assert [slots.length(s) for s in range(3)] == [len(held) for held in cells.held]
