"""Count the rooms of the package, the imports between them, and what is too large or goes in a circle.

    python benchmarks/import_graph.py                # this checkout
    python benchmarks/import_graph.py OTHER --list   # another checkout, with every arrow

A *room* is a file or a folder directly under `tempocli/`; `__init__.py` and `__main__.py` are no rooms. There
is an *arrow* from one room to another if any module of the first imports any module of the second, however
often. Imports within functions count; those under `if TYPE_CHECKING` do not, and have a line of their own.
Rooms that import no room are on floor 1, and every other room is one floor above the highest that it imports.
A *circle* is a set of modules that import each other, directly or through others, in one room or across
several. `--within training` counts the rooms of a folder in the same way.
"""

from __future__ import annotations

import argparse
import ast
import sys
from pathlib import Path

Graph = dict[str, set[str]]

FRONT = frozenset({"__init__", "__main__"})


def imports(path: Path, *, typing: bool = False) -> set[str]:
    """Return the dotted names of all imports of a file, lazy ones too.

    Parameters
    ----------
    path : Path
        A Python file.
    typing : bool
        Whether imports under ``if TYPE_CHECKING`` are among them.

    Raises
    ------
    ValueError
        If the file has a relative import.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        if not typing
        and isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
        for statement in node.body
        for inner in ast.walk(statement)
    }
    found = set()
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(f"{path}: relative import")
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def module_graph(package: Path, *, typing: bool = False) -> Graph:
    """Map each module to the modules of the package that it imports, lazily or not; see `imports`."""
    names = {
        ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__"): path
        for path in sorted(package.rglob("*.py"))
    }
    graph = {}
    for name, path in names.items():
        # "from a.b import c" is of the module a.b.c if there is one, and of a.b otherwise.
        targets = {
            other if other in names else other.rpartition(".")[0] for other in imports(path, typing=typing)
        }
        graph[name] = (targets & names.keys()) - {name}
    return graph


def room_graph(modules: Graph, folder: str) -> Graph:
    """Map each room of a folder to the rooms of it that it imports.

    Parameters
    ----------
    modules : dict of str to set of str
        As by `module_graph`.
    folder : str
        Dotted name, such as ``"tempocli"`` or ``"tempocli.training"``.
    """

    def room(name: str) -> str | None:
        found = name.removeprefix(f"{folder}.").partition(".")[0]
        return found if name.startswith(f"{folder}.") and found not in FRONT else None

    graph: Graph = {found: set() for name in sorted(modules) if (found := room(name))}
    for name, targets in modules.items():
        if source := room(name):
            graph[source] |= {target for each in targets if (target := room(each))} - {source}
    return graph


def arrows(graph: Graph) -> list[tuple[str, str]]:
    """List the pairs of a room and a room that it imports."""
    return sorted((source, target) for source, targets in graph.items() for target in targets)


def reachable(graph: Graph, start: str) -> set[str]:
    """Return all that a module or room imports, directly or through others."""
    found: set[str] = set()
    left = [start]
    while left:
        new = graph[left.pop()] - found
        found |= new
        left.extend(new)
    return found


def circles(graph: Graph) -> list[list[str]]:
    """List the sets of modules or rooms that import each other, each sorted by name."""
    reach = {name: reachable(graph, name) for name in graph}
    found = {
        frozenset(other for other in targets if name in reach[other])
        for name, targets in reach.items()
        if name in targets
    }
    return sorted(map(sorted, found))


def floors(graph: Graph) -> list[list[str]]:
    """Sort rooms into floors, the lowest first; rooms of one circle share a floor."""
    reach = {name: reachable(graph, name) for name in graph}
    left = set(graph)
    found = []
    while left:
        floor = sorted(
            name for name in left if all(name in reach[other] for other in (graph[name] | reach[name]) & left)
        )
        found.append(floor)
        left -= set(floor)
    return found


def lengths(folder: Path) -> dict[str, int]:
    """Count the lines of all Python files below a folder, by their paths in it."""
    return {
        path.relative_to(folder).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in sorted(folder.rglob("*.py"))
    }


def files_by_folder(package: Path) -> dict[str, int]:
    """Count the Python files directly in each folder of the package, by its path in the package's parent."""
    folders = sorted({path.parent for path in package.rglob("*.py")})
    return {
        folder.relative_to(package.parent).as_posix(): len(list(folder.glob("*.py"))) for folder in folders
    }


def entries(package: Path) -> tuple[list[str], list[str]]:
    """List the folders with Python in them, and the Python files, directly under the package."""
    folders = [each.name for each in sorted(package.iterdir()) if each.is_dir() and any(each.rglob("*.py"))]
    return folders, [path.name for path in sorted(package.glob("*.py"))]


def report(checkout: Path, within: str | None, *, listed: bool) -> list[str]:
    """Write the counts of a checkout as lines."""
    package = checkout / "tempocli"
    folder = "tempocli" if within is None else f"tempocli.{within}"
    modules = module_graph(package)
    graph = room_graph(modules, folder)
    with_typing = room_graph(module_graph(package, typing=True), folder)
    stories = floors(graph)
    folders, files = entries(package)
    crowded = {folder: n for folder, n in files_by_folder(package).items() if n > 12}
    long = {path: n for path, n in lengths(package).items() if n > 400}
    lines = [
        f"rooms: {len(graph)}",
        f"arrows between rooms: {len(arrows(graph))}",
        f"arrows with imports for type checkers: {len(arrows(with_typing))}",
        f"floors: {len(stories)}",
        f"circles of rooms: {len(circles(graph))}",
        f"circles of modules: {len(circles(modules))}",
        f"directly under tempocli/: {len(folders)} folders, {len(files)} files",
        f"folders of more than 12 Python files: {len(crowded)}",
        f"files of more than 400 lines: {len(long)}",
    ]
    if listed:
        lines += ["", *(f"{path}: {n}" for path, n in (crowded | long).items())]
        lines += [f"circle: {', '.join(circle)}" for circle in [*circles(graph), *circles(modules)]]
        lines += ["", *(f"floor {number}: {', '.join(floor)}" for number, floor in enumerate(stories, 1))]
        lines += ["", *(f"{source} -> {', '.join(sorted(graph[source]))}" for source in sorted(graph))]
    return lines


def main() -> None:
    """Print the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("checkout", nargs="?", type=Path, default=Path(__file__).resolve().parents[1])
    parser.add_argument("--within", metavar="FOLDER", help="count the rooms of tempocli/FOLDER instead")
    parser.add_argument("--list", action="store_true", dest="listed", help="name them all")
    arguments = parser.parse_args()
    if not (arguments.checkout / "tempocli").is_dir():
        sys.exit(f"{arguments.checkout}: no tempocli/ here")
    within = arguments.within and arguments.within.strip("/").replace("/", ".")
    print("\n".join(report(arguments.checkout, within, listed=arguments.listed)))


if __name__ == "__main__":
    main()
