"""An agent that behaves as migasfree's does on the wire, its faults included.

One loop takes message after message, with the local connect and the drain of a
local socket inside it: a service that does not read stops everything. A normal
end of the link is followed by the next attempt at once, an error by one after
5 s. Anything that is no JSON object ends the link. Commands are read by line,
and a line over 64 KiB ends the reading.
"""

import argparse
import asyncio
import json
import os
import shlex
import socket as network
import urllib.request

import websockets

from peer import (MESSAGE_MAX_BYTES, READ_BYTES, client_tls, compression, emit,
                  parser, run, say, trace)

ALLOWED_COMMANDS = ("migasfree",)
LINE_MAX_BYTES = 64 * 1024
PROBE_SECONDS = 0.5
REGISTER_SECONDS = 5
#: Which behaviour belongs to which release.
VERSIONS = {
    "1.0.7": {"heartbeat": False, "shell": True},
    "1.0.13": {"heartbeat": False, "shell": False},
    "1.1.0": {"heartbeat": True, "shell": False},
}


class Agent:
    def __init__(self, options):
        self._options = options
        self._version = VERSIONS[options.as_version]
        self._services = dict(options.service)
        self._link = None
        #: Tunnel id => writer. They outlive a link: bytes go to the next one.
        self._tunnels = {}
        self._tasks = set()

    async def work(self):
        while True:
            try:
                await self._connect_once()
                wait = self._options.normal_seconds
            except Exception as error:  # Whatever it is: later again.
                emit("failed", error=f"{type(error).__name__}: {error}")
                wait = self._options.error_seconds
            await asyncio.sleep(wait)

    async def _connect_once(self):
        url = self._options.relay
        if self._options.manager:
            url = await asyncio.to_thread(self._ask_manager)
        emit("dialing", url=url)
        async with websockets.connect(
                url, extra_headers={"X-Agent-ID": str(self._options.id)},
                compression=compression(self._options),
                ssl=client_tls(self._options, url, verify_name=False),
                max_size=MESSAGE_MAX_BYTES, ping_interval=20, ping_timeout=60,
                close_timeout=10) as link:
            self._link = link
            await self._register(link)
            emit("connected", url=url, subprotocol=link.subprotocol)
            beating = None
            if self._version["heartbeat"]:
                beating = asyncio.ensure_future(self._beat(link))
            try:
                async for text in link:
                    trace(self._options, "relay", text)
                    await self._take(json.loads(text))
            finally:
                if beating:
                    beating.cancel()
                emit("closed", code=link.close_code, reason=link.close_reason)

    def _ask_manager(self):
        body = json.dumps({"id": self._options.id, "name": self._options.name,
                           "services": self._open_services()}).encode()
        base = self._options.manager.rstrip("/")
        url = base + "/manager/v1/private/tunnel/register"
        request = urllib.request.Request(
            url, data=body, headers={"Content-Type": "application/json"})
        tls = client_tls(self._options, url, verify_name=True)
        with urllib.request.urlopen(request, timeout=REGISTER_SECONDS,
                                    context=tls) as answer:
            return json.load(answer)["relay"]

    def _open_services(self):
        """Probes the ports, on the event loop when the link registers."""
        return [name for name, port in self._services.items()
                if port and self._is_open(port)]

    @staticmethod
    def _is_open(port):
        with network.socket() as probe:
            probe.settimeout(PROBE_SECONDS)
            return probe.connect_ex(("127.0.0.1", port)) == 0

    async def _register(self, link):
        id = self._options.id
        await self._send(link, type="register_agent", id=id,
                         name=f"{self._options.name} [CID-{id}]",
                         services=self._open_services(), mode="tcp_tunnel")

    async def _beat(self, link):
        while True:
            await asyncio.sleep(self._options.heartbeat_seconds)
            await self._register(link)

    async def _take(self, message):
        kind = message.get("type")  # No object has it: that ends the link.
        if kind == "start_tcp_tunnel":
            await self._start(message)
        elif kind == "tunnel_data":
            await self._write(message)
        elif kind == "close_tcp_tunnel":
            await self._close(message.get("tunnel_id"))
        elif kind == "execute_command":
            self._go(self._execute(message))
        elif kind == "registration_ok":
            emit("registered")

    def _go(self, coroutine):
        task = asyncio.ensure_future(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _start(self, message):
        tunnel, service = message["tunnel_id"], message.get("service", "ssh")
        fields = {"tunnel": tunnel, "service": service,
                  "client_cn": message.get("client_cn")}
        try:
            # Port 0 for exec, and for what nobody knows: an error, and no word.
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", self._services.get(service, 0))
        except OSError as error:
            return emit("start_failed", **fields, error=str(error))
        self._tunnels[tunnel] = writer
        emit("tunnel_started", **fields)
        self._go(self._read(tunnel, reader))

    async def _read(self, tunnel, reader):
        try:
            while data := await reader.read(READ_BYTES):
                await self._send(self._link, type="tunnel_data",
                                 tunnel_id=tunnel, origin="agent",
                                 data=data.hex())
        except (OSError, websockets.ConnectionClosed) as error:
            emit("tunnel_failed", tunnel=tunnel, error=type(error).__name__)
        if await self._close(tunnel):
            try:
                await self._send(self._link, type="tunnel_closed",
                                 tunnel_id=tunnel)
            except websockets.ConnectionClosed:
                emit("unsent", type="tunnel_closed")

    async def _write(self, message):
        writer = self._tunnels.get(message.get("tunnel_id"))
        if writer is None:
            return
        try:
            writer.write(bytes.fromhex(message["data"]))
            await writer.drain()  # In the loop: all others wait.
        except (OSError, ValueError) as error:
            emit("write_failed", error=str(error))

    async def _close(self, tunnel):
        writer = self._tunnels.pop(tunnel, None)
        if writer is None:
            return False
        emit("tunnel_closed", tunnel=tunnel)
        writer.close()
        try:
            await writer.wait_closed()
        except OSError as error:
            emit("close_failed", error=str(error))
        return True

    async def _execute(self, message):
        execution, command = message["exec_id"], message.get("command", "")
        emit("exec", exec=execution, command=command,
             client_cn=message.get("client_cn"))
        answer = {"exec_id": execution}
        try:
            process = await self._spawn(command)
        except (ValueError, OSError) as error:
            return await self._tell(type="exec_error", **answer,
                                    error=str(error))
        await asyncio.gather(
            self._lines(execution, "stdout", process.stdout),
            self._lines(execution, "stderr", process.stderr))
        code = await process.wait()
        emit("exec_done", exec=execution, code=code)
        await self._tell(type="exec_complete", **answer, exit_code=code)

    async def _spawn(self, command):
        pipes = {"stdout": asyncio.subprocess.PIPE,
                 "stderr": asyncio.subprocess.PIPE, "limit": LINE_MAX_BYTES,
                 # What is inherited wins, so that nothing is forced.
                 "env": {"TERM": "xterm-256color", **os.environ}}
        if self._version["shell"]:
            first = (command.split() or [""])[0]
            if first in ALLOWED_COMMANDS:
                return await asyncio.create_subprocess_shell(command, **pipes)
            raise ValueError(f'Command "{first}" not allowed. Allowed: '
                             + ", ".join(ALLOWED_COMMANDS))
        try:
            words = shlex.split(command)
        except ValueError as error:
            raise ValueError(f"Invalid command syntax: {error}") from error
        if not words:
            raise ValueError("Empty command")
        if words[0] not in ALLOWED_COMMANDS:
            raise ValueError(f'Command "{words[0]}" not allowed. Allowed: '
                             + ", ".join(ALLOWED_COMMANDS))
        return await asyncio.create_subprocess_exec(*words, **pipes)

    async def _lines(self, execution, stream, reader):
        try:
            while line := await reader.readline():
                await self._tell(type="exec_output", exec_id=execution,
                                 stream=stream,
                                 data=line.decode("utf-8", "replace"))
        except ValueError as error:
            # Nobody reads on: the program blocks on its pipe for ever.
            emit("line_too_long", exec=execution, error=str(error))

    async def _tell(self, **message):
        try:
            await self._send(self._link, **message)
        except websockets.ConnectionClosed:
            emit("unsent", type=message["type"])

    @staticmethod
    async def _send(link, /, **message):
        await link.send(json.dumps(message))


def service(text):
    name, _, port = text.partition("=")
    if not port.isdecimal():
        raise argparse.ArgumentTypeError("expected NAME=PORT")
    return name, int(port)


async def main():
    flags = parser(__doc__)
    flags.add_argument("--id", type=int, required=True, help="the CID")
    flags.add_argument("--name", default="python-agent")
    flags.add_argument("--manager", help="URL that register is posted to")
    flags.add_argument("--relay", help="relay's URL, without a manager")
    flags.add_argument("--service", type=service, action="append", default=[],
                       help="NAME=PORT; upstream: ssh 22, vnc 5900, rdp 3389")
    flags.add_argument("--as-version", choices=VERSIONS, default="1.1.0")
    flags.add_argument("--heartbeat-seconds", type=float, default=60)
    flags.add_argument("--error-seconds", type=float, default=5)
    flags.add_argument("--normal-seconds", type=float, default=0)
    options = flags.parse_args()
    if not (options.manager or options.relay):
        flags.error("one of --manager and --relay is needed")
    say("ready")
    await Agent(options).work()


if __name__ == "__main__":
    run(main)
