"""Where a relay and a manager keep their records: Redis, or memory alike.

Keys and lives as upstream's: `tunnel:<uuid>` (10 s), `agent:<id>` (120 s from
the manager, 300 s from the relay).
"""

import hashlib
import json
import time

SCAN_MAX_COUNT = 5001


class MemoryStore:
    """For a relay that serves the manager's paths itself."""

    def __init__(self):
        self._records = {}

    async def put(self, key, value, seconds):
        self._records[key] = (value, time.monotonic() + seconds)

    async def get(self, key):
        value, until = self._records.get(key, (None, 0))
        return value if until > time.monotonic() else None

    async def extend(self, key, seconds):
        value = await self.get(key)
        if value is not None:
            await self.put(key, value, seconds)

    async def remove(self, key):
        self._records.pop(key, None)

    async def scan(self, prefix):
        """The values below a prefix, in an order that means nothing."""
        keys = [key for key in self._records if key.startswith(prefix)]
        keys.sort(key=lambda key: hashlib.sha256(key.encode()).digest())
        found = [await self.get(key) for key in keys[:SCAN_MAX_COUNT]]
        return [value for value in found if value is not None]


class RedisStore:
    """For several relays and a manager of their own."""

    def __init__(self, url):
        import redis.asyncio
        self._redis = redis.asyncio.from_url(url)

    async def put(self, key, value, seconds):
        await self._redis.set(key, json.dumps(value), ex=seconds)

    async def get(self, key):
        text = await self._redis.get(key)
        return None if text is None else json.loads(text)

    async def extend(self, key, seconds):
        await self._redis.expire(key, seconds)

    async def remove(self, key):
        await self._redis.delete(key)

    async def scan(self, prefix):
        found = []
        async for key in self._redis.scan_iter(prefix + "*", count=100):
            value = await self.get(key)
            if value is not None:
                found.append(value)
            if len(found) == SCAN_MAX_COUNT:
                break
        return found


def open_store(url):
    return RedisStore(url) if url else MemoryStore()
