"""Bodies that are files: read as far as is taken, and no further."""

from fastapi import HTTPException, Request


async def read_body(request: Request, most: int) -> bytes:
    """The body of a request. Raises 413 as soon as it has more than `most` bytes."""
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > most:
            raise HTTPException(413, f"at most {most / 1e6:.0f} MB are taken")
    return bytes(data)
