"""A websockets server that also answers plain HTTP requests on its port.

With a CA it decides as migasfree's HAProxy does who may ask for what, by the
subject of the client's certificate, and passes that subject on.
"""

import http
import json

from websockets.exceptions import AbortHandshake
from websockets.legacy.http import read_headers
from websockets.legacy.server import WebSocketServerProtocol

BODY_MAX_BYTES = 1_000_000
PRIVATE = "/manager/v1/private/"
REGISTER = PRIVATE + "tunnel/register"
IDENTITY_HEADER = "X-SSL-Client-CN"


def slash_form(certificate):
    """`/O=mf.test/OU=ADMINS/CN=maria`, or nothing without a certificate."""
    short = {"organizationName": "O", "organizationalUnitName": "OU",
             "commonName": "CN", "countryName": "C", "localityName": "L",
             "stateOrProvinceName": "ST"}
    parts = [part for rdn in (certificate or {}).get("subject", ())
             for part in rdn]
    return "".join(f"/{short.get(name, name)}={value}" for name, value in parts)


def may(path, subject):
    """HAProxy's table: a role is a substring of the subject."""
    subject = subject.lower()
    is_admin = "ou=admins" in subject
    is_computer = "ou=computers" in subject
    if path.startswith(REGISTER) or path.startswith("/tunnel"):
        return is_admin or is_computer
    return is_admin or not path.startswith(PRIVATE)


def json_answer(status, value):
    body = (json.dumps(value) + "\n").encode()
    return status, [("Content-Type", "application/json")], body


def abort(status, headers, body):
    raise AbortHandshake(http.HTTPStatus(status), headers, body)


class HttpDoor(WebSocketServerProtocol):
    """Needs `answer`: a coroutine function of (method, path, headers, body,
    peer) that returns status, headers and body, or None for a WebSocket."""

    answer = None
    is_guarded = False

    async def read_http_request(self):
        line = (await self.reader.readline()).decode("latin-1")
        method, _, rest = line.partition(" ")
        path = rest.partition(" ")[0]
        headers = await read_headers(self.reader)
        if self.is_guarded:
            tls = self.transport.get_extra_info("ssl_object")
            subject = slash_form(tls.getpeercert())
            if IDENTITY_HEADER in headers:
                del headers[IDENTITY_HEADER]
            headers[IDENTITY_HEADER] = subject
            if not may(path, subject):
                page = b"<html><body><h1>403 Forbidden</h1></body></html>\n"
                abort(403, [("Content-Type", "text/html")], page)
        body = b""
        length = int(headers.get("Content-Length", "0"))
        if 0 < length <= BODY_MAX_BYTES:
            body = await self.reader.readexactly(length)
        peer = self.transport.get_extra_info("peername")[0]
        found = await type(self).answer(method, path, headers, body, peer)
        if found is not None:
            abort(*found)
        self.path = path
        self.request_headers = headers
        return path, headers
