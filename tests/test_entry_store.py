from __future__ import annotations

from random import Random

from stretto.caching.entries_in_memory import CacheEntry, EntryStore


def entry(value: object, at: float = 0.0, size: int = 0) -> CacheEntry:
    return CacheEntry(value, stored=at, seconds=1.0, size=size)


def test_the_least_recently_used_leaves_first() -> None:
    """Of three entries in room for three, the one not read since leaves for a fourth."""
    store = EntryStore(3, None, None)
    for key in "abc":
        assert store.write_entry(key, entry(key)) == 0
    assert store.read_entry("a") is not None
    assert store.write_entry("d", entry("d")) == 1
    assert [key for key, _ in store.list_entries()] == ["a", "c", "d"]


def test_bytes_are_bounded_too() -> None:
    """Of 3 + 4 + 3 bytes in 10, an entry of 5 evicts two; one above 10 is not stored."""
    store = EntryStore(100, 10, None)
    for key, size in (("a", 3), ("b", 4), ("c", 3)):
        store.write_entry(key, entry(key, size=size))
    assert store.write_entry("d", entry("d", size=5)) == 2
    assert (store.bytes, len(store)) == (8, 2)
    assert store.write_entry("c", entry("c", size=11)) == 0
    assert store.read_entry("c") is None, "the earlier result of the key is gone, since it was replaced"
    assert store.bytes == 5


def test_the_expired_leave_before_the_used() -> None:
    """An entry past its age makes room, so that no valid entry is evicted."""
    store = EntryStore(2, None, 10)
    store.write_entry("old", entry(1, at=0))
    store.write_entry("new", entry(2, at=9))
    store.read_entry("old")
    assert store.write_entry("third", entry(3, at=10)) == 0
    assert [key for key, _ in store.list_entries()] == ["new", "third"]
    assert store.remove_expired(19) == 1


def test_a_cache_without_room_keeps_nothing() -> None:
    """A bound of 0 entries stores nothing and evicts nothing."""
    store = EntryStore(0, None, None)
    assert store.write_entry("a", entry(1)) == 0
    assert store.read_entry("a") is None


def test_the_sum_of_bytes_is_that_of_the_entries() -> None:
    """After random writes, removals and expiry the running sum equals the entries' sizes."""
    random, store = Random(5), EntryStore(50, 300, 40)
    for now in range(5_000):
        key = random.randrange(80)
        if random.random() < 0.7:
            store.write_entry(key, entry(key, at=now, size=random.randrange(30)))
        else:
            store.remove_entry(key)
        assert store.bytes == sum(each.size for _, each in store.list_entries()) <= 300
        assert len(store) <= 50
    assert store.remove_where(lambda key, _: key % 2 == 0) > 0
    assert all(key % 2 for key, _ in store.list_entries())  # type: ignore[operator]  # keys are numbers here
