"""An operator's client that behaves as migasfree-connect does on the wire.

It asks for agents without parameters (and so sees two), opens one link per
local connection, takes one message as the answer to connect_client and expects
the next one to be tunnel_started. It knows tunnel_data and tunnel_closed, says
nothing at the end of a local connection, and does not close that connection
when the other side has ended.

With --exec it runs one command, prints its output and ends with its status.
"""

import argparse
import asyncio
import json
import sys
import urllib.request
import uuid

import websockets

from peer import (MESSAGE_MAX_BYTES, READ_BYTES, client_tls, compression, emit,
                  parser, run, say, say_listening, trace)

AGENTS = "/manager/v1/private/tunnel/agents"
ASK_SECONDS = 5
OPEN_SECONDS = 5
STARTED_SECONDS = 10


class NotFound(Exception):
    """The device is not among those that the manager has shown."""


class Operator:
    def __init__(self, options):
        self._options = options

    async def find(self):
        """The relay's URL, the agent's id and its server_ip."""
        options = self._options
        if options.relay:
            return {"id": options.agent, "relay": options.relay,
                    "server_ip": "127.0.0.1"}
        agents = (await asyncio.to_thread(self._ask_manager))["agents"]
        emit("agents", ids=[agent["id"] for agent in agents])
        for agent in agents:
            if agent["id"] == options.agent:
                return agent
        raise NotFound(f"Agent CID-{options.agent} not found")

    def _ask_manager(self):
        url = self._options.manager.rstrip("/") + AGENTS
        tls = client_tls(self._options, url, verify_name=True)
        with urllib.request.urlopen(url, timeout=ASK_SECONDS,
                                    context=tls) as answer:
            return json.load(answer)

    def link(self, agent, headers):
        url = agent["relay"]
        return websockets.connect(
            url, extra_headers=headers, open_timeout=OPEN_SECONDS,
            compression=compression(self._options), ping_interval=20,
            ping_timeout=60, close_timeout=10, max_size=MESSAGE_MAX_BYTES,
            ssl=client_tls(self._options, url, verify_name=True))

    async def heard(self, link, seconds=None):
        text = await asyncio.wait_for(link.recv(), seconds)
        trace(self._options, "relay", text)
        return json.loads(text)

    async def tunnel(self, agent, reader, writer):
        """One local connection, to the end of both of its directions."""
        tunnel = f"cli-{uuid.uuid4()}"
        emit("accepted", tunnel=tunnel)
        headers = {"X-Agent-ID": str(agent["id"]),
                   "X-Server-IP": str(agent["server_ip"])}
        try:
            async with self.link(agent, headers) as link:
                await self._join(link, agent, tunnel)
                emit("tunnel_started", tunnel=tunnel)
                await asyncio.gather(self._up(link, tunnel, reader),
                                     self._down(link, tunnel, writer))
                if self._options.close_tunnel:
                    await send(link, type="close_tunnel", tunnel_id=tunnel)
        except (OSError, ValueError, asyncio.TimeoutError,
                websockets.WebSocketException) as error:
            emit("tunnel_failed", tunnel=tunnel,
                 error=f"{type(error).__name__}: {error}")
        finally:
            writer.close()
            emit("tunnel_ended", tunnel=tunnel)

    async def _join(self, link, agent, tunnel):
        await send(link, type="connect_client", mode="tcp_tunnel")
        emit("first_answer", message=await self.heard(link))
        await send(link, type="start_tcp_tunnel", id=agent["id"],
                   tunnel_id=tunnel, service=self._options.service,
                   client_cn=self._options.client_cn)
        answer = await self.heard(link, STARTED_SECONDS)
        if answer.get("type") != "tunnel_started":
            raise ValueError(f"Expected tunnel_started, got {answer}")

    async def _up(self, link, tunnel, reader):
        while data := await reader.read(READ_BYTES):
            await send(link, type="tunnel_data", tunnel_id=tunnel,
                       data=data.hex())
        emit("local_end", tunnel=tunnel)  # And nobody is told.

    async def _down(self, link, tunnel, writer):
        async for text in link:
            trace(self._options, "relay", text)
            message = json.loads(text)
            if message.get("tunnel_id") != tunnel:
                continue
            if message["type"] == "tunnel_data":
                writer.write(bytes.fromhex(message["data"]))
                await writer.drain()
            elif message["type"] == "tunnel_closed":
                emit("tunnel_closed", tunnel=tunnel)
                break  # The local connection stays as it is.

    async def execute(self, agent, command):
        """Runs a command and prints what it says. Returns its status."""
        execution = f"exec-{uuid.uuid4()}"
        async with self.link(agent, {}) as link:  # No X-Agent-ID here.
            await send(link, type="connect_client", mode="exec")
            emit("first_answer", message=await self.heard(link))
            await send(link, type="execute_command", id=agent["id"],
                       exec_id=execution, command=command,
                       client_cn=self._options.client_cn)
            return await self.output(link, execution)

    async def output(self, link, execution):
        """Events for what a command says; its status, or 1 with a reason."""
        async for text in link:
            trace(self._options, "relay", text)
            message = json.loads(text)
            if message.get("exec_id") != execution:
                if message.get("type") == "error":
                    emit("exec_failed", error=message.get("message"))
                    return 1
                continue
            kind = message["type"]
            if kind == "exec_output":
                emit("output", stream=message["stream"], data=message["data"])
            elif kind == "exec_complete":
                emit("exit", code=message["exit_code"])
                return message["exit_code"]
            elif kind == "exec_error":
                emit("exec_failed", error=message["error"])
                return 1
        emit("exec_failed", error="The link has ended")
        return 1


async def send(link, /, **message):
    await link.send(json.dumps(message))


def device(text):
    digits = text.removeprefix("CID-")
    if not digits.isdecimal():
        raise argparse.ArgumentTypeError("expected N or CID-N")
    return int(digits)


def operator_flags(description):
    flags = parser(description)
    flags.add_argument("-a", "--agent", type=device, required=True,
                       help="N or CID-N")
    flags.add_argument("--relay", help="relay's URL, without a manager")
    flags.add_argument("--service", default="ssh")
    flags.add_argument("--client-cn", help="what it says of itself")
    flags.add_argument("-p", "--port", type=int, default=0)
    flags.add_argument("-e", "--exec", help="a command, instead of a tunnel")
    return flags


async def serve(options, accept):
    """Listens until told to end; `accept` gets each local connection."""
    server = await asyncio.start_server(accept, options.host, options.port)
    say_listening(server)
    async with server:
        await asyncio.Future()


async def main():
    flags = operator_flags(__doc__)
    flags.add_argument("-m", "--manager", help="URL of the manager")
    flags.add_argument("--as-version", choices=("1.0.5", "1.0.6"),
                       default="1.0.5")
    flags.add_argument("--close-tunnel", action="store_true",
                       help="send close_tunnel at the end, as with an old "
                       "websockets library")
    options = flags.parse_args()
    if not (options.manager or options.relay):
        flags.error("one of --manager and --relay is needed")
    operator = Operator(options)
    if options.exec is not None:
        if options.as_version == "1.0.6":
            sys.exit("exec crashes in 1.0.6: its relay is None")
        say("ready")
    try:
        agent = await operator.find()
    except NotFound as error:
        sys.exit(str(error))
    if options.exec is not None:
        return await operator.execute(agent, options.exec)
    await serve(options, lambda reader, writer: operator.tunnel(
        agent, reader, writer))


if __name__ == "__main__":
    run(main)
