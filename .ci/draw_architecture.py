"""Draws the picture in docs/architecture.md from the code: its imports, and the reads of the asset graph.

`make docs` writes it between the two markers in the page. An arrow that follows from others is left out.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import dagster as dg
import grimp

from assets.definitions import definitions
from intelligence.catalog.layers import LAYERS
from resources.config.settings import settings
from resources.platform import Platform

PAGE = Path(__file__).resolve().parents[1] / "docs" / "architecture.md"
BEGIN, END = "<!-- drawn by `make docs`: begin -->\n", "<!-- drawn by `make docs`: end -->\n"
RINGS = ("intelligence", "resources", "assets", "sensors")
DOORS, DOMAIN = "intelligence.interfaces", "intelligence."
LAYERS_OF = {"intelligence": "intelligence.layers", "assets": "assets.layers"}
UNTIL_YESTERDAY = "_until_yesterday"

Arrow = tuple[str, str]


def picture(defs: dg.Definitions) -> str:
    """Return the block for the page: rings as boxes, rooms in them, imports and the flow of data as arrows."""
    return "\n".join(["```mermaid", *_lines(defs), "```", ""])


def drawn_into(page: str, block: str) -> str:
    """Return the page with this block between its markers."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{block}{END}{after}"


def _lines(defs: dg.Definitions) -> Iterator[str]:
    arrows = _without_shortcuts(_imports())
    rooms = sorted({room for arrow in arrows for room in arrow} - {DOORS, *LAYERS_OF.values()})
    flow, looks_back = _reads(defs)
    yield "flowchart TB"
    yield f'  {DOORS}(["intelligence/interfaces"])'
    yield '  sensors(["sensors"])'
    yield from _box("assets", rooms, [f'{LAYERS_OF["assets"]}["one module a layer"]'])
    yield from _box("resources", rooms, [])
    layers = [f"  {layer}[({layer})]" for layer in LAYERS]
    yield from _box(
        "intelligence", rooms, [f"subgraph {LAYERS_OF['intelligence']}[layers]", "  direction LR", *layers, "end"]
    )
    yield from (f"  {one} --> {other}" for one, other in sorted(_lifted(arrows)))
    yield from (f"  {one} ==> {other}" for one, other in sorted(_without_shortcuts(flow), key=_by_layer))
    yield from (f"  {one} -.-> {other}" for one, other in sorted(looks_back, key=_by_layer))


def _box(ring: str, rooms: Iterable[str], others: Iterable[str]) -> Iterator[str]:
    yield f"  subgraph {ring}"
    yield from (f"    {room}[{room.partition('.')[2]}]" for room in rooms if room.startswith(f"{ring}."))
    yield from (f"    {line}" for line in others)
    yield "  end"


def _lifted(arrows: set[Arrow]) -> set[Arrow]:
    """Return the arrows; those from rooms of another ring into the domain are one, from ring to ring."""
    crossing = {arrow for arrow in arrows if arrow[1].startswith(DOMAIN) and not arrow[0].startswith(DOMAIN)}
    return (arrows - crossing) | {(one.partition(".")[0], DOMAIN.rstrip(".")) for one, _ in crossing}


def _by_layer(arrow: Arrow) -> tuple[int, int]:
    return LAYERS.index(arrow[0]), LAYERS.index(arrow[1])


def _room(module: str) -> str | None:
    """Return the room of a module; None for the package of a ring itself. All layers of a ring are one room."""
    ring, _, rest = module.partition(".")
    room = rest.partition(".")[0]
    if ring == "sensors":
        return ring
    return LAYERS_OF[ring] if room in LAYERS else f"{ring}.{room}" if room else None


def _imports() -> set[Arrow]:
    """Return which room imports which other."""
    modules = grimp.build_graph(*RINGS, cache_dir=None)
    found = {
        (_room(module), _room(imported))
        for module in modules.modules
        for imported in modules.find_modules_directly_imported_by(module)
    }
    # The definitions import the module of each layer by its name, which is no import statement.
    by_name = ("assets.definitions", LAYERS_OF["assets"])
    return {(one, other) for one, other in found if one and other and one != other} | {by_name}


def _reads(defs: dg.Definitions) -> tuple[set[Arrow], set[Arrow]]:
    """Return from which layer to which data flows within a run, and which are read as they were before it."""
    graph = defs.resolve_asset_graph()
    flow, looks_back = set[Arrow](), set[Arrow]()
    for key in graph.get_all_asset_keys():
        for parent in graph.get(key).parent_keys:
            if parent.path[0] != key.path[0]:
                kind = looks_back if parent.path[-1].endswith(UNTIL_YESTERDAY) else flow
                kind.add((parent.path[0], key.path[0]))
    return flow, looks_back


def _without_shortcuts(arrows: set[Arrow]) -> set[Arrow]:
    """Return the arrows that do not follow from others: the transitive reduction of a graph without a circle."""
    after: dict[str, set[str]] = {}

    def reached(room: str) -> set[str]:
        if room not in after:
            direct = {other for one, other in arrows if one == room}
            after[room] = direct.union(*map(reached, direct))
        return after[room]

    return {
        (one, other)
        for one, other in arrows
        if not any(other in reached(between) for start, between in arrows if start == one)
    }


if __name__ == "__main__":
    PAGE.write_text(drawn_into(PAGE.read_text(), picture(definitions(Platform.of(settings())))))
