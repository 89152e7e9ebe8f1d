import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.jobs import Part, in_batches


@given(st.lists(st.text(), unique=True), st.integers(1, 5), st.integers(1, 4))
def test_every_item_is_done_by_one_process_once(items: list[str], size: int, processes: int) -> None:
    done: list[str] = []
    counts = [in_batches(items, size, done.extend, lambda n, of: None, Part(n, processes)) for n in range(processes)]
    assert sorted(done) == sorted(items)
    assert sum(counts) == len(items)


def test_what_was_done_before_it_broke_is_told() -> None:
    told: list[tuple[int, int]] = []

    def work(batch: object) -> None:
        if len(told) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        in_batches(range(10), 3, work, lambda done, of: told.append((done, of)))
    assert told == [(3, 10), (6, 10)]
