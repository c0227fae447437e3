"""What migasfree's manager does to a relay for its web console and sync queue.

No headers, path /, no pings. A command is preceded by start_tcp_tunnel for the
service "exec", which no agent can connect, and is waited for without a limit.
Without --exec each local connection becomes one tunnel.
"""

import asyncio
import uuid
from urllib.parse import urlsplit

import websockets

from connect import STARTED_SECONDS, Operator, operator_flags, send, serve
from peer import (MESSAGE_MAX_BYTES, READ_BYTES, client_tls, compression, emit,
                  run, say)

OPEN_SECONDS = 10


class WebConsole(Operator):
    def link(self, agent, headers):
        parts = urlsplit(agent["relay"])
        url = f"{parts.scheme}://{parts.netloc}/"
        return websockets.connect(
            url, open_timeout=OPEN_SECONDS, ping_interval=None,
            compression=compression(self._options), max_size=MESSAGE_MAX_BYTES,
            ssl=client_tls(self._options, url, verify_name=True))

    async def _join(self, link, agent, tunnel):
        if self._options.connect_client:
            await send(link, type="connect_client")
            emit("first_answer", message=await self.heard(link))
        await send(link, type="start_tcp_tunnel", id=agent["id"],
                   tunnel_id=tunnel, service=self._options.service,
                   client_cn=self._options.client_cn)
        answer = await self.heard(link, STARTED_SECONDS)
        if answer.get("type") != "tunnel_started":
            raise ValueError(f"Expected tunnel_started, got {answer}")

    async def tunnel(self, agent, reader, writer):
        """Ends when either side does, unlike connect's."""
        tunnel = f"web-{uuid.uuid4()}"
        emit("accepted", tunnel=tunnel)
        try:
            async with self.link(agent, {}) as link:
                await self._join(link, agent, tunnel)
                emit("tunnel_started", tunnel=tunnel)
                ways = [asyncio.ensure_future(way) for way in (
                    self._up(link, tunnel, reader),
                    self._down(link, tunnel, writer))]
                done, left = await asyncio.wait(
                    ways, return_when=asyncio.FIRST_COMPLETED)
                for way in left:
                    way.cancel()
                for way in done:
                    way.result()
                await send(link, type="close_tunnel", tunnel_id=tunnel)
        except (OSError, ValueError, asyncio.TimeoutError,
                websockets.WebSocketException) as error:
            emit("tunnel_failed", tunnel=tunnel,
                 error=f"{type(error).__name__}: {error}")
        finally:
            writer.close()
            emit("tunnel_ended", tunnel=tunnel)

    async def execute(self, agent, command):
        execution = f"web-{uuid.uuid4()}"
        async with self.link(agent, {}) as link:
            self._options.service = "exec"
            await self._join(link, agent, f"web-{uuid.uuid4()}")
            emit("tunnel_started")
            await send(link, type="execute_command", id=agent["id"],
                       exec_id=execution, command=command,
                       client_cn=self._options.client_cn)
            return await self.output(link, execution)


async def main():
    flags = operator_flags(__doc__)
    flags.add_argument("--connect-client", action="store_true",
                       help="say connect_client first")
    options = flags.parse_args()
    if not options.relay:
        flags.error("--relay is needed")
    console = WebConsole(options)
    agent = await console.find()
    if options.exec is not None:
        say("ready")
        return await console.execute(agent, options.exec)
    await serve(options, lambda reader, writer: console.tunnel(
        agent, reader, writer))


if __name__ == "__main__":
    run(main)
