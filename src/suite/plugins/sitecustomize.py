"""Takes a project that is installed from the user's tree out of the workspace instead.

Python imports this by itself at every start, also in processes that tests start, after `site` has read the path files.
An editable install (`pip install -e .`) names the user's tree in a path file or in a finder; a plain one
(`pip install .`) is a copy of it and says in `direct_url.json` (PEP 610) where it came from. With either, tests that run
in a workspace would import what was there before the patch. The names of both trees stand in the file `trees` beside
this one: nothing of it is in the environment.
"""
import os
import sys


def _trees():
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "trees"), encoding="utf-8", errors="surrogateescape") as lines:
        user, workspace = lines.read().split("\0")
    return here, user, workspace


class _Turn:
    """From a path in the user's tree to the same place in the workspace."""

    def __init__(self, user, workspace):
        self.user, self.workspace = user, workspace
        # an environment inside of the user's tree that was not carried over is used where it is
        self.kept = [os.path.realpath(p) + os.sep for p in {sys.prefix, sys.exec_prefix, sys.base_prefix}]

    def path(self, path):
        """The place in the workspace, or None when `path` does not lead into the user's tree."""
        if not isinstance(path, str) or not os.path.isabs(path):
            return None
        real = os.path.realpath(path)
        if real != self.user and not real.startswith(self.user + os.sep):
            return None
        if any((real + os.sep).startswith(kept) for kept in self.kept if kept.startswith(self.user + os.sep)):
            return None
        return self.workspace + real[len(self.user):]

    def values(self, table):
        """Turns paths that are values of `table`, or in lists that are."""
        for key, value in list(table.items()):
            if isinstance(value, list):
                table[key] = [self.path(path) or path for path in value]
            else:
                table[key] = self.path(value) or value


def _turn_paths(turn):
    for at, path in enumerate(sys.path):
        sys.path[at] = turn.path(path) or path


def _turn_finders(turn):
    """Finders of editable installs: of setuptools (`MAPPING`, `NAMESPACES`), and of the package `editables`."""
    for name, module in list(sys.modules.items()):
        if name.startswith("__editable__"):
            for table in ("MAPPING", "NAMESPACES"):
                if isinstance(getattr(module, table, None), dict):
                    turn.values(getattr(module, table))
    for finder in sys.meta_path:
        for table in ("_redirections", "known_source_files"):
            if isinstance(getattr(finder, table, None), dict):
                turn.values(getattr(finder, table))


class _Copies:
    """Finds packages that were installed as a copy of the user's tree in the workspace; what only the copy has (built
    extensions, a generated version) is still found in it."""

    def __init__(self, places):
        self.places = places

    def find_spec(self, name, path=None, target=None):
        if name not in self.places:
            return None
        from importlib.util import spec_from_file_location

        file, folders = self.places[name]
        return spec_from_file_location(name, file, submodule_search_locations=folders)

    def invalidate_caches(self):
        pass


def _source_of(turn, dist):
    """Where in the workspace the source of an installed distribution lies; None unless it is a copy of the user's tree."""
    try:
        with open(os.path.join(dist, "direct_url.json"), encoding="utf-8") as file:
            text = file.read()
    except OSError:
        return None
    if "file://" not in text:
        return None
    import json
    from urllib.parse import unquote

    said = json.loads(text)
    if said.get("dir_info", {}).get("editable") or not said.get("url", "").startswith("file://"):
        return None
    return turn.path(unquote(said["url"][len("file://"):]))


def _copies_of(turn, site, dist, places):
    source = _source_of(turn, dist)
    if source is None:
        return
    with open(os.path.join(dist, "RECORD"), encoding="utf-8") as file:
        paths = [line.split(",")[0] for line in file]
    built = {path.split("/")[0] for path in paths if path.endswith((".so", ".pyd")) and path.count("/") > 1}
    for path in paths:
        name, _, rest = path.partition("/")
        if name in built or rest not in ("", "__init__.py") or not path.endswith(".py"):
            continue
        for folder in ("src", "", "lib", "python"):
            file = os.path.join(source, folder, path)
            if os.path.isfile(file):
                folders = [os.path.dirname(file), os.path.join(site, name)] if rest else None
                places[name if rest else name[: -len(".py")]] = (file, folders)
                break


def _turn_copies(turn):
    places = {}
    for site in list(sys.path):
        if not site.endswith("-packages") or not os.path.isdir(site):
            continue
        for entry in os.listdir(site):
            if entry.endswith(".dist-info"):
                _copies_of(turn, site, os.path.join(site, entry), places)
    if places:
        sys.meta_path.insert(0, _Copies(places))


def _next_one(here):
    """What this file hides: a `sitecustomize` of the machine or the environment."""
    from importlib.machinery import PathFinder
    from importlib.util import module_from_spec

    spec = PathFinder.find_spec("sitecustomize", [path for path in sys.path if os.path.abspath(path) != here])
    if spec is not None and spec.loader is not None:
        module = module_from_spec(spec)
        sys.modules["sitecustomize"] = module
        spec.loader.exec_module(module)


def _main():
    here, user, workspace = _trees()
    turn = _Turn(user, workspace)
    for step in (_turn_paths, _turn_finders, _turn_copies):
        try:
            step(turn)
        except Exception:  # a broken install is for the tests to tell, not for us to stop Python
            pass
    _next_one(here)


_main()
