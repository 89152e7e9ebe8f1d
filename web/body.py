"""Bodies that are files: read as far as is taken, and no further."""

from typing import Any

from fastapi import HTTPException, Request


def described(*types: str) -> dict[str, Any]:
    """How OpenAPI tells of a body that is a file of one of the media types."""
    content = {name: {"schema": {"type": "string", "format": "binary"}} for name in types}
    return {"requestBody": {"required": True, "content": content}}


async def read_body(request: Request, most: int) -> bytes:
    """The body of a request. Raises 413 as soon as it has more than `most` bytes."""
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > most:
            raise HTTPException(413, f"at most {most / 1e6:.0f} MB are taken")
    return bytes(data)
