"""A lean bucket: a folder, served as S3 serves one to those who only read, each answer late.

    python benchmarks/bucket.py FOLDER SECONDS

prints its address, and serves until its standard input ends. Files go from the disk's cache to the
socket without a copy (`sendfile`), keys and signatures are not looked at, and of the answers there
is what s3fs, boto3 and obstore look at. So it takes little of the processor that it shares with
those who are measured. `tests/fakes/s3.py` is moto's, which checks everything and takes more than
they do.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, Popen
from xml.sax.saxutils import escape

from aiohttp import web

BUCKET = "releases"

_PAGE = 1_000
"""Keys of one answer to a question for a list."""

_WRITTEN = "2026-01-01T00:00:00.000Z"


@contextmanager
def served(folder: Path, latency: float) -> Iterator[str]:
    """Serve a folder from another process; gives the address for `endpoint_url`."""
    command = [sys.executable, __file__, str(folder), str(latency)]
    with Popen(command, text=True, stdin=PIPE, stdout=PIPE) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        yield server.stdout.readline().strip()
        server.stdin.close()


def application(folder: Path, latency: float) -> web.Application:
    """The server. Everything below the folder is an object of the bucket `releases`."""
    sizes = {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }

    @web.middleware
    async def late(request: web.Request, handler: object) -> web.StreamResponse:
        await asyncio.sleep(latency)
        return await handler(request)  # type: ignore[operator]

    async def listed(request: web.Request) -> web.Response:
        return web.Response(text=_listing(sizes, **request.query), content_type="application/xml")

    async def sent(request: web.Request) -> web.StreamResponse:
        key = request.match_info["key"]
        return web.FileResponse(folder / key) if key in sizes else _refused(404, "NoSuchKey")

    async def refused(_: web.Request) -> web.Response:
        return _refused(403, "AccessDenied")

    server = web.Application(middlewares=[late])
    server.router.add_get(f"/{BUCKET}", listed)
    server.router.add_get(f"/{BUCKET}/", listed)
    server.router.add_get(f"/{BUCKET}/{{key:.+}}", sent)
    server.router.add_route("*", "/{other:.*}", refused)
    return server


def _listing(sizes: dict[str, int], prefix: str = "", delimiter: str = "", **asked: str) -> str:
    """An answer to ListObjectsV2. The next page begins after the name that is its token."""
    after = asked.get("continuation-token", "")
    names: Iterable[str] = (key for key in sizes if key.startswith(prefix))
    if delimiter:
        names = (_cut(name, len(prefix), delimiter) for name in names)
    rest = sorted(name for name in set(names) if name > after)
    page = rest[: int(asked.get("max-keys", _PAGE))]
    more = len(page) < len(rest)
    parts = [f"<Name>{BUCKET}</Name><IsTruncated>{str(more).lower()}</IsTruncated>"]
    if more:
        parts.append(f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>")
    parts += (_entry(name, sizes.get(name)) for name in page)
    return f"<ListBucketResult>{''.join(parts)}</ListBucketResult>"


def _cut(key: str, start: int, delimiter: str) -> str:
    """A key up to the first delimiter from some place on, with it."""
    name, found, _ = key[start:].partition(delimiter)
    return key[:start] + name + found


def _entry(name: str, size: int | None) -> str:
    """One name of a list; no size: what many keys begin with."""
    if size is None:
        return f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>"
    return (
        f"<Contents><Key>{escape(name)}</Key><LastModified>{_WRITTEN}</LastModified>"
        f"<ETag>&quot;{size:x}&quot;</ETag><Size>{size}</Size></Contents>"
    )


def _refused(status: int, code: str) -> web.Response:
    text = f"<Error><Code>{code}</Code><Message>{code}</Message></Error>"
    return web.Response(status=status, text=text, content_type="application/xml")


def main() -> None:
    """Serve until the standard input ends."""
    asyncio.run(_serve(Path(sys.argv[1]), float(sys.argv[2])))


async def _serve(folder: Path, latency: float) -> None:
    runner = web.AppRunner(application(folder, latency), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


if __name__ == "__main__":
    main()
