"""The tagged cache against a model."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from reactor_auth.cache import TaggedCache

KEYS = st.sampled_from("abcdef")
TAGS = st.sets(st.sampled_from(["user:1", "user:2", "org:1"]), min_size=1)
SIZE, TTL = 4, 30.0


class Cache(RuleBasedStateMachine):
    @initialize()
    def start(self):
        self.now = 0.0
        self.cache = TaggedCache(SIZE, TTL, lambda: self.now)
        self.model = {}
        self.reads = []

    @rule(key=KEYS, tags=TAGS, value=st.integers())
    def put(self, key, tags, value):
        self.cache.put(key, value, tags, self.cache.generation)
        self.model.pop(key, None)
        self.model[key] = (self.now + TTL, value, tags)
        while len(self.model) > SIZE:
            del self.model[next(iter(self.model))]

    @rule(key=KEYS)
    def get(self, key):
        entry = self.model.get(key)
        if entry is not None and entry[0] <= self.now:
            del self.model[key]
            entry = None
        elif entry is not None:
            self.model[key] = self.model.pop(key)
        assert self.cache.get(key) == (None if entry is None else entry[1])

    @rule(key=KEYS, tags=TAGS)
    def read_begins(self, key, tags):
        self.reads.append((key, tags, self.cache.generation, False))

    @rule(value=st.integers())
    def read_ends(self, value):
        if not self.reads:
            return
        key, tags, generation, stale = self.reads.pop()
        before = self.model.get(key)
        self.cache.put(key, value, tags, generation)
        if not stale:
            self.put(key, tags, value)
        elif before is None:
            assert self.cache.get(key) is None

    @rule(tag=st.sampled_from(["user:1", "user:2", "org:1", "nobody"]))
    def forget(self, tag):
        self.cache.forget(tag)
        self.model = {key: entry for key, entry in self.model.items() if tag not in entry[2]}
        self.reads = [(key, tags, generation, True) for key, tags, generation, _ in self.reads]

    @rule()
    def clear(self):
        self.cache.clear()
        self.model = {}
        self.reads = [(key, tags, generation, True) for key, tags, generation, _ in self.reads]

    @rule(seconds=st.floats(0, 40))
    def wait(self, seconds):
        self.now += seconds

    @invariant()
    def bounded(self):
        if hasattr(self, "cache"):
            assert len(self.cache) <= SIZE
            assert set(self.cache._tags) == {tag for entry in self.cache._entries.values() for tag in entry[2]}


TestCache = Cache.TestCase
TestCache.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
