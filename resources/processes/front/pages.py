"""The server of the Evidently pages: the files of one folder, and no file outside of it."""

from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

LIST = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body{{font:15px/1.6 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;color:#1b1f24}}
</style></head><body><h1>{title}</h1><ul>{items}</ul></body></html>
"""


def file_in(folder: Path, path: str) -> Path | None:
    """Return the file or folder that a path names; None where there is none in the folder, or it is hidden.

    Links are resolved first, so that a link to a place outside of the folder counts as missing.

    Args:
        folder: The folder that is served.
        path: The path of the request, decoded.
    """
    root = folder.resolve()
    try:
        found = (root / path.strip("/")).resolve()
        is_inside = found.is_relative_to(root) and found.exists()
    except (OSError, ValueError):
        return None
    hidden = any(part.startswith(".") for part in found.relative_to(root).parts) if is_inside else True
    return found if is_inside and not hidden else None


def pages_app(folder: Path) -> Any:
    """Return the Starlette application that serves the folder."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, RedirectResponse, Response
    from starlette.routing import Route

    def page(request: Request) -> Response:
        path = request.path_params["path"]
        found = file_in(folder, path)
        if found is None:
            return PlainTextResponse("There is no such page. The list of pages is at /.\n", status_code=404)
        if found.is_file():
            return FileResponse(found)
        if path and not path.endswith("/"):
            return RedirectResponse(f"/{quote(path)}/")
        index = file_in(folder, f"{path}index.html")
        return FileResponse(index) if index and index.is_file() else HTMLResponse(listing(folder, found))

    return Starlette(routes=[Route("/{path:path}", page, methods=["GET"])])


def listing(folder: Path, shown: Path) -> str:
    """Return an HTML page that lists the visible content of a folder.

    Args:
        folder: The folder that is served.
        shown: The folder to list, inside of `folder`, with links resolved.
    """
    names = sorted(each.name + ("/" if each.is_dir() else "") for each in shown.iterdir())
    seen = [name for name in names if file_in(folder, str(shown.relative_to(folder.resolve()) / name))]
    items = "".join(f'<li><a href="./{quote(name)}">{escape(name)}</a></li>' for name in seen)
    return LIST.format(title="Evidently pages", items=items or "<li>None yet.</li>")
