"""A relay that behaves as migasfree's does on the wire, its faults included.

JSON text frames, no roles and no ownership: the last socket that
registers an id has it, every register_agent raises the load, the cleanup of an
old socket removes the new one's entry, tunnel_closed from an agent is ignored,
and messages are forwarded one after the other, so that one operator who does
not read stops the agent for all. Each of these can be mended with --fix.

Orders on stdin, as {"do": …}: close (id, code), drop (id), send (id, text),
stats, answer_register and answer_agents (status, headers, body, count),
answer_as_usual.
"""

import asyncio
import json
import uuid

import websockets

from http_door import HttpDoor
from manager import Manager
from peer import (MESSAGE_MAX_BYTES, compression, emit, orders, parser, run,
                  say_listening, server_tls, trace)
from store import open_store

FIXES = ("load", "cleanup", "tunnel-closed", "head-of-line", "exec-end")
LISTED_MAX_COUNT = 1000
AGENT_SECONDS = 300
RELAY_SECONDS = 10


class Relay:
    def __init__(self, options, store):
        self._options = options
        self._store = store
        self._fixes = set(options.fix)
        self._uuid = str(uuid.uuid4())
        self._tasks = set()
        self.url = ""
        self.load = 0
        self.agents = {}    # id => socket
        self.tunnels = {}   # tunnel id => (operator, agent, agent's id)
        self.execs = {}     # exec id => (operator, agent)

    async def serve(self, socket, path="/"):
        """One connection, from handshake to cleanup. A path is not looked at."""
        headers = socket.request_headers
        tls = socket.transport.get_extra_info("ssl_object")
        emit("handshake", tls=tls and tls.version(),
             alpn=tls and tls.selected_alpn_protocol(), path=socket.path, agent=headers.get("X-Agent-ID"),
             server_ip=headers.get("X-Server-IP"),
             asked_subprotocols=headers.get("Sec-WebSocket-Protocol"),
             subject=headers.get("X-SSL-Client-CN", ""),
             deflate=bool(socket.extensions))
        registered = []
        try:
            async for text in socket:
                try:
                    message = json.loads(text)
                except ValueError:
                    message = None
                is_known = isinstance(message, dict)
                is_agent = registered or (
                    is_known and message.get("type") == "register_agent")
                trace(self._options, "agent" if is_agent else "operator", text)
                if is_known:
                    await self._take(socket, message, registered)
        except websockets.ConnectionClosed:
            pass  # How is said below.
        finally:
            emit("closed", agent=headers.get("X-Agent-ID"),
                 role="agent" if registered else "operator",
                 code=socket.close_code, reason=socket.close_reason)
            await self._clean_up(socket, registered)

    async def _take(self, socket, message, registered):
        kind = message.get("type")
        if kind == "register_agent":
            await self._register(socket, message, registered)
        elif kind == "tunnel_data":
            await self._forward(message)
        elif kind == "connect_client":
            await self._send(socket, type="connection_ok",
                             message="Client connected")
        elif kind == "list_agents":
            found = await self._store.scan("agent:")
            found = found[:LISTED_MAX_COUNT]
            await self._send(socket, type="agent_list", agents=found,
                             total=len(found))
        elif kind == "start_tcp_tunnel":
            await self._start(socket, message)
        elif kind == "close_tunnel":
            await self._close_tunnel(message)
        elif kind == "tunnel_closed" and "tunnel-closed" in self._fixes:
            await self._close_tunnel(message)
        elif kind == "execute_command":
            await self._execute(socket, message)
        elif kind in ("exec_output", "exec_complete", "exec_error"):
            await self._exec_answer(kind, message)

    async def _register(self, socket, message, registered):
        id = message.get("id")
        is_first = id not in registered
        if self.load >= self._options.max_connections:
            limit = self._options.max_connections
            emit("refused", id=id, load=self.load)
            await self._send(socket, type="error",
                             message=f"Connection limit reached ({limit})")
            return await socket.close()
        if is_first:
            registered.append(id)
        self.agents[id] = socket
        if is_first or "load" not in self._fixes:
            self.load += 1
        said = {key: message.get(key) for key in ("name", "services", "mode")}
        record = {"id": id, **said, "relay": self.url,
                  "server_ip": socket.local_address[0]}
        await self._store.put(f"agent:{id}", record, AGENT_SECONDS)
        await self._send(socket, type="registration_ok",
                         message="Agent registered successfully")
        emit("registered", id=id, **said, load=self.load)

    async def _start(self, operator, message):
        id, tunnel = message.get("id"), message.get("tunnel_id")
        service = message.get("service", "ssh")
        agent = self.agents.get(id)
        if agent is None:
            emit("not_found", id=id)
            return await self._send(operator, type="error", message=(
                f"Agent {id} not found on this server"))
        self.tunnels[tunnel] = (operator, agent, id)
        await self._send(agent, type="start_tcp_tunnel", tunnel_id=tunnel,
                         service=service, client_cn=message.get("client_cn"))
        # Before the agent has done anything.
        await self._send(operator, type="tunnel_started", tunnel_id=tunnel,
                         id=id, service=service)
        emit("tunnel_started", tunnel=tunnel, id=id, service=service)

    async def _forward(self, message):
        entry = self.tunnels.get(message.get("tunnel_id"))
        if entry is None:
            return
        operator, agent, _ = entry
        target = operator if message.get("origin") == "agent" else agent
        await self._pass_on(target, message)

    async def _close_tunnel(self, message):
        tunnel = message.get("tunnel_id")
        operator, agent, _ = self.tunnels.pop(tunnel, (None, None, None))
        if operator is None:
            return
        emit("tunnel_closed", tunnel=tunnel)
        await self._send(operator, type="tunnel_closed", tunnel_id=tunnel)
        await self._send(agent, type="close_tcp_tunnel", tunnel_id=tunnel)

    async def _execute(self, operator, message):
        id, execution = message.get("id"), message.get("exec_id")
        agent = self.agents.get(id)
        if agent is None:
            emit("not_found", id=id)
            return await self._send(operator, type="exec_error",
                                    exec_id=execution, error=(
                                        f"Agent {id} not found on this server"))
        await self._send(agent, type="execute_command", exec_id=execution,
                         command=message.get("command"),
                         client_cn=message.get("client_cn"))
        await self._send(operator, type="exec_started", exec_id=execution,
                         id=id, command=message.get("command"))
        # Only now: an answer that is very fast is lost.
        self.execs[execution] = (operator, agent)

    async def _exec_answer(self, kind, message):
        execution = message.get("exec_id")
        if execution not in self.execs:
            return
        operator, _ = self.execs[execution]
        if kind != "exec_output":
            del self.execs[execution]
        await self._pass_on(operator, message)

    async def _clean_up(self, socket, registered):
        if registered:
            self.load -= 1
        for id in registered:
            if "cleanup" in self._fixes and self.agents.get(id) is not socket:
                continue
            # Whoever has the id now: the fault that hides a new socket.
            self.agents.pop(id, None)
            await self._store.remove(f"agent:{id}")
            emit("unregistered", id=id, load=self.load)
        for tunnel, (operator, agent, _) in list(self.tunnels.items()):
            if agent is socket:
                del self.tunnels[tunnel]
                await self._send(operator, type="tunnel_closed",
                                 tunnel_id=tunnel)
            elif operator is socket:
                del self.tunnels[tunnel]
                await self._send(
                    agent, type="close_tcp_tunnel", tunnel_id=tunnel)
        if "exec-end" in self._fixes:
            for execution, (operator, agent) in list(self.execs.items()):
                if socket in (operator, agent):
                    del self.execs[execution]
                    await self._send(operator, type="exec_error",
                                     exec_id=execution, error="Agent is gone")

    async def _pass_on(self, socket, message):
        """The whole object, as text again, extra keys included."""
        if "head-of-line" in self._fixes:
            task = asyncio.ensure_future(self._send(socket, **message))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            return
        await self._send(socket, **message)

    async def _send(self, socket, /, **message):
        try:
            await socket.send(json.dumps(message))
        except websockets.ConnectionClosed:
            emit("unsent", type=message.get("type"))

    async def publish(self):
        """The relay's record every 5 s, the life of the agents' every 30 s."""
        for turn in range(10 ** 9):
            record = {"id": self._uuid, "url": self.url,
                      "internal_url": "ws://tunnel:8080", "load": self.load,
                      "max_connections": self._options.max_connections,
                      "hostname": "relay"}
            await self._store.put(f"tunnel:{self._uuid}", record, RELAY_SECONDS)
            if turn % 6 == 5:
                for id in list(self.agents):
                    await self._store.extend(f"agent:{id}", AGENT_SECONDS)
            await asyncio.sleep(5)

    async def obey(self, order):
        if order["do"] == "stats":
            return emit("stats", load=self.load, agents=list(self.agents),
                        tunnels=list(self.tunnels), execs=list(self.execs))
        socket = self.agents[order["id"]]
        if order["do"] == "close":
            await socket.close(order.get("code", 1000), order.get("reason", ""))
        elif order["do"] == "drop":
            socket.transport.abort()
        elif order["do"] == "send":
            await socket.send(order["text"])


def read_flags():
    flags = parser(__doc__)
    flags.add_argument("--port", type=int, default=0)
    flags.add_argument("--redis", help="redis://HOST:PORT/0; default: memory")
    flags.add_argument("--http-register", action="store_true",
                       help="serve the manager's paths too")
    flags.add_argument("--public-url", help="what register answers")
    flags.add_argument("--max-connections", type=int, default=50_000)
    flags.add_argument("--ping-seconds", type=float, default=30)
    flags.add_argument("--pong-seconds", type=float, default=60)
    flags.add_argument("--fix", action="append", default=[], choices=FIXES)
    return flags.parse_args()


async def main():
    options = read_flags()
    store = open_store(options.redis)
    relay = Relay(options, store)
    manager = Manager(store, "")

    async def answer(method, path, headers, body, peer):
        if path == "/health" and method == "GET":
            return 200, [("Content-Type", "text/plain")], b"OK\n"
        if options.http_register:
            return await manager.answer(method, path, headers, body, peer)
        return None

    async def obey(order):
        is_answer = order["do"].startswith("answer_")
        target = manager if is_answer else relay
        try:
            await target.obey(order)
        except (KeyError, websockets.ConnectionClosed) as error:
            emit("disobeyed", order=order["do"], error=repr(error))
    door = type("Door", (HttpDoor,), {
        "answer": staticmethod(answer),
        "is_guarded": bool(options.cert and options.ca)})
    async with websockets.serve(
            relay.serve, options.host, options.port, create_protocol=door,
            compression=compression(options), max_size=MESSAGE_MAX_BYTES,
            max_queue=100, ping_interval=options.ping_seconds,
            ping_timeout=options.pong_seconds, close_timeout=10,
            ssl=server_tls(options)) as server:
        port = server.sockets[0].getsockname()[1]
        scheme = "wss" if options.cert else "ws"
        relay.url = options.public_url or f"{scheme}://127.0.0.1:{port}/tunnel"
        manager.fallback_url = relay.url
        say_listening(server)
        await asyncio.gather(relay.publish(), orders(obey), asyncio.Future())


if __name__ == "__main__":
    run(main)
