"""The manager's side of remote access, as upstream answers it.

Register, the list of agents (page 1 of limit 2 by default, unsorted, capped,
searched within the page only), one agent, health. relay.py serves it on its
own port with --http-register; started alone it needs the relays' Redis.
"""

import asyncio
import json
from urllib.parse import parse_qs, urlsplit

import websockets

from http_door import IDENTITY_HEADER, PRIVATE, HttpDoor, json_answer
from peer import emit, parser, run, say_listening, server_tls
from store import open_store

BASE = PRIVATE + "tunnel"
RECORD_SECONDS = 120


class Manager:
    def __init__(self, store, fallback_url):
        self._store = store
        self.fallback_url = fallback_url
        #: What a test has ordered for the next of these questions.
        self.next_answers = {"register": [], "agents": []}

    async def answer(self, method, path, headers, body, peer):
        """None for what is not the manager's."""
        parts = urlsplit(path)
        if not parts.path.startswith(BASE):
            return None
        tail = parts.path[len(BASE):]
        about = tail.partition("/")[2].partition("/")[0]
        if about == "register":
            emit("register", body=body.decode(errors="replace"),
                 subject=headers.get(IDENTITY_HEADER, ""))
        if self.next_answers.get(about):
            return self.next_answers[about].pop(0)
        try:
            if method == "POST" and tail == "/register":
                return await self._register(headers, body, peer)
            if method == "GET" and tail == "/agents":
                return await self._list(parse_qs(parts.query))
            if method == "GET" and tail.startswith("/agents/"):
                return await self._one(tail.removeprefix("/agents/"))
            if method == "GET" and tail == "/health":
                health = {"status": "healthy", "api": "ok", "redis": "ok"}
                return json_answer(200, health)
        except OSError:
            return json_answer(503, {"detail": "Service Unavailable"})
        return json_answer(404, {"detail": "Not Found"})

    async def _register(self, headers, body, peer):
        subject = headers.get(IDENTITY_HEADER, "")
        if subject and "OU=COMPUTERS" not in subject:
            detail = "Forbidden: Invalid Client Certificate"
            return json_answer(403, {"detail": detail})
        try:
            asked = json.loads(body)
            record = {
                "id": int(asked["id"]),
                "name": asked["name"],
                "services": list(asked["services"]),
                "mode": asked.get("mode", "tcp_tunnel"),
            }
        except (ValueError, KeyError, TypeError) as error:
            return json_answer(422, {"detail": str(error)})
        relays = await self._store.scan("tunnel:")
        relays.sort(key=lambda relay: relay["load"])
        relay = relays[0]["url"] if relays else self.fallback_url
        record |= {"relay": relay, "server_ip": peer}
        await self._store.put(f"agent:{record['id']}", record, RECORD_SECONDS)
        return json_answer(200, {"relay": relay})

    async def _list(self, query):
        try:
            page = int(query.get("page", ["1"])[0])
            limit = int(query.get("limit", ["2"])[0])
            if page < 1 or limit < 1:
                raise ValueError("Input should be greater than 0")
        except ValueError as error:
            return json_answer(422, {"detail": str(error)})
        agents = await self._store.scan("agent:")
        shown = agents[(page - 1) * limit:page * limit]
        wanted = query.get("q", [""])[0].lower()
        shown = [one for one in shown if wanted in str(one["name"]).lower()]
        emit("agents_listed", query={key: value[0] for key, value in
                                     query.items()}, count=len(shown))
        return json_answer(200, {"agents": shown, "total": len(agents),
                                 "page": page, "limit": limit})

    async def _one(self, text):
        if not text.isdecimal():
            return json_answer(422, {"detail": "Input should be an integer"})
        emit("agent_asked", id=int(text))
        record = await self._store.get(f"agent:{int(text)}")
        if record is None:
            return json_answer(404, {"detail": f"Agent {int(text)} not found"})
        return json_answer(200, record)

    async def obey(self, order):
        """Answers the next `count` questions otherwise, until told to stop."""
        if order["do"] == "answer_as_usual":
            return [answers.clear() for answers in self.next_answers.values()]
        extra = list(order.get("headers", {}).items())
        answer = (order["status"], extra, order.get("body", "").encode())
        about = order["do"].removeprefix("answer_")
        self.next_answers[about].extend([answer] * order.get("count", 1))


async def main():
    flags = parser(__doc__)
    flags.add_argument("--port", type=int, default=0)
    flags.add_argument("--redis", required=True, help="redis://HOST:PORT/0")
    flags.add_argument("--fallback-url", default="wss://localhost/tunnel")
    options = flags.parse_args()
    manager = Manager(open_store(options.redis), options.fallback_url)

    class Door(HttpDoor):
        is_guarded = bool(options.cert and options.ca)

        @staticmethod
        async def answer(*request):
            none = json_answer(404, {"detail": "Not Found"})
            return await manager.answer(*request) or none

    async def nobody(_socket):
        return None

    async with websockets.serve(nobody, options.host, options.port,
                                create_protocol=Door,
                                ssl=server_tls(options)) as server:
        say_listening(server)
        await asyncio.Future()


if __name__ == "__main__":
    run(main)
