"""What the protocol 1 peers of these tests share: events, orders, flags, TLS.

A peer writes one line of text first ("listening HOST:PORT", or "ready" if it
listens to nobody), then one JSON object a line on stdout: what has happened.
Nothing here is written from upstream's sources: only its wire behaviour is
followed, faults included, as far as a test leans on it.
"""

import argparse
import asyncio
import json
import ssl
import sys
import time

MESSAGE_MAX_BYTES = 10_000_000
READ_BYTES = 8192


def say(line):
    """Writes a line at once: a test waits for it."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def say_listening(server):
    """The first line of a peer that listens; returns the port."""
    host, port = server.sockets[0].getsockname()[:2]
    say(f"listening {host}:{port}")
    return port


def emit(event, **fields):
    """One event: its name, when (monotonic), and what belongs to it."""
    at_ms = round(time.monotonic() * 1000, 1)
    say(json.dumps({"event": event, "at_ms": at_ms, **fields}))


def parser(description):
    """Flags that every peer takes."""
    flags = argparse.ArgumentParser(description=description)
    flags.add_argument("--host", default="127.0.0.1")
    flags.add_argument("--cert", help="certificate that is shown, PEM")
    flags.add_argument("--key", help="its key, PEM")
    flags.add_argument("--ca", help="CA of the other side, PEM")
    flags.add_argument("--tls-old", action="store_true",
                       help="a server takes nothing newer than TLS 1.2")
    flags.add_argument("--no-deflate", action="store_true",
                       help="neither offer nor take permessage-deflate")
    flags.add_argument("--trace", action="store_true",
                       help="an event for each message that comes in")
    return flags


def compression(options):
    return None if options.no_deflate else "deflate"


def client_tls(options, url, verify_name):
    """As upstream's agent (only the CA, any name) or operator (name checked).

    None for a plain URL. Without a CA nothing is verified.
    """
    if not url.startswith(("wss:", "https:")):
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = bool(verify_name and options.ca)
    if options.ca:
        context.load_verify_locations(options.ca)
    else:
        context.verify_mode = ssl.CERT_NONE
    if options.cert:
        context.load_cert_chain(options.cert, options.key)
    return context


def server_tls(options):
    """None without a certificate; with a CA, clients may show one of their own."""
    if not options.cert:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if options.tls_old:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(options.cert, options.key)
    # The proxy only says http/1.1: this is to see who would take h2.
    context.set_alpn_protocols(["h2", "http/1.1"])
    if options.ca:
        context.load_verify_locations(options.ca)
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def trace(options, side, text):
    """Tells a test what came, without the bytes of a tunnel."""
    if not options.trace:
        return
    fields = {"side": side, "length": len(text)}
    try:
        message = json.loads(text)
    except ValueError:
        return emit("message", **fields, type=None)
    if not isinstance(message, dict):
        return emit("message", **fields, type=None)
    data = message.get("data")
    if message.get("type") == "tunnel_data" and isinstance(data, str):
        message = {**message, "data": None, "bytes": len(data) // 2,
                   "lower_hex": not set(data) - set("0123456789abcdef")}
    emit("message", **fields, type=message.get("type"), message=message)


async def orders(handle):
    """Awaits `handle` with each JSON object that a test writes on stdin."""
    reader = asyncio.StreamReader(limit=2 * MESSAGE_MAX_BYTES)
    loop = asyncio.get_running_loop()
    try:
        await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    except (ValueError, OSError):
        return  # Not a pipe: nobody gives orders.
    while line := await reader.readline():
        await handle(json.loads(line))


def run(main):
    """Runs to the end. The exit status is what `main` returns.

    SIGTERM kills on the spot, as it does upstream's programs.
    """
    sys.exit(asyncio.run(main()))
