"""Lines: the connections of a client of aiobotocore, and the shortest way of a call over them.

For each call botocore works out anew where the service is, how parameters are written and who listens to each step.
For Amazon SWF that comes to the same every time, and it is half of what a call costs. So only the first call of a
client goes that way. From the request that comes of it, which the client shows in its event ``before-send``, a
:class:`Line` learns the address, the headers and what to sign for; the others are written here, signed by botocore's
signer with the credentials of the session, which renew themselves, and sent over the connections of the client, with
its timeouts, certificates and proxies. A request that is signed in another way teaches nothing: then all calls go on
as the first.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from aiobotocore.httpsession import AIOHTTPSession
from aiobotocore.session import AioSession
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSPreparedRequest
from botocore.exceptions import ClientError

from .encode import Parameters
from .parsing import parse_error

__all__ = ["Line"]

_SCOPE = re.compile(r"AWS4-HMAC-SHA256 Credential=[^/]+/\d{8}/([^/]+)/([^/]+)/aws4_request,")
_KEPT_HEADERS = ("Content-Type", "User-Agent")


class _Way(NamedTuple):
    """What all requests have in common."""

    url: str
    headers: dict[str, str]
    targets: str
    region: str
    signing_name: str


class Line:
    """Makes calls over the connections of one client.

    Args:
        session: Whose credentials calls are signed with.
    """

    def __init__(self, session: AioSession) -> None:
        self._session = session
        self._connections: AIOHTTPSession | None = None
        self._way: _Way | None = None

    @property
    def is_known(self) -> bool:
        """Whether it can make calls by itself."""
        return self._way is not None

    def make_connections(self, **settings: Any) -> AIOHTTPSession:
        """Make the connections of the client; what its config has as ``http_session_cls``."""
        self._connections = AIOHTTPSession(**settings)
        return self._connections

    def learn(self, request: AWSPreparedRequest, **_: object) -> None:
        """Take note of how the client makes a call; a handler of its event ``before-send``."""
        headers = {name: _text(value) for name, value in request.headers.items()}
        scope = _SCOPE.match(headers.get("Authorization", ""))
        if scope is not None:
            self._way = _Way(
                url=request.url,
                headers={name: headers[name] for name in _KEPT_HEADERS},
                targets=headers["X-Amz-Target"].rpartition(".")[0] + ".",
                region=scope[1],
                signing_name=scope[2],
            )

    async def __call__(self, call: str, parameters: Parameters) -> bytes:
        """Make one call, once; as :class:`aioworkflow.backends.swf.clients.Transport`."""
        assert self._connections is not None
        response = await self._connections.send(await self._signed(call, parameters))
        body: bytes = await response.content
        if response.status_code == 200:
            return body
        reply = {"status_code": response.status_code, "headers": response.headers, "body": body}
        raise ClientError(parse_error(reply), call)

    async def _signed(self, call: str, parameters: Parameters) -> AWSPreparedRequest:
        way = self._way
        assert way is not None
        credentials = await (await self._session.get_credentials()).get_frozen_credentials()
        body = json.dumps(parameters).encode()
        request = AWSPreparedRequest("POST", way.url, {**way.headers, "X-Amz-Target": way.targets + call}, body, False)
        request.params = {}
        request.context = {}
        SigV4Auth(credentials, way.signing_name, way.region).add_auth(request)
        return request


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
