"""The site: the repository's pages, and the API from the sources, which are not imported."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

from docutils import nodes
from sphinx.util import logging
from sphinx.util.nodes import make_refnode

if TYPE_CHECKING:
    from sphinx.addnodes import pending_xref
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

project = html_title = "dynamo-backend-common"
extensions = ["autoapi.extension", "myst_parser", "sphinx.ext.napoleon"]

# The folder that is read is the repository: pages link to each other as they do on GitHub.
root_doc = "README"
include_patterns = ["*.md", "benches/results/*.md", "deploy/*.md", "docs/**.md", "examples/**.md"]
exclude_patterns = ["docs/index.md"]  # the contents, which the front page gets
myst_heading_anchors = 3

autoapi_dirs = [str(Path(__file__).parents[1] / "python")]
autoapi_add_toctree_entry = False
autoapi_generate_api_docs = False  # docs/api.md has the public names only, in an order for readers
autodoc_default_options = {"members": True, "member-order": "bysource"}
add_module_names = False
maximum_signature_line_length = 80
python_use_unqualified_type_names = True
default_role = "py:obj"
nitpicky = True
# Names of Python's own, and of types that have no entry of their own.
nitpick_ignore_regex = [
    ("py:.*", r"(asyncio|enum|json|logging|typing)\b.*"),
    ("py:class", r"Buffer|Registry|RequestT|.*\.MetricsCore"),
]
suppress_warnings = ["autoapi.python_import_resolution"]  # stubs may import each other in a circle

html_theme = "furo"
html_copy_source = False
html_show_copyright = False


def setup(app: Sphinx) -> None:
    """Sphinx calls this."""
    app.connect("autodoc-process-docstring", keep_first_line, priority=400)  # before Napoleon
    app.connect("builder-inited", give_attributes_their_words, priority=600)  # behind AutoAPI
    app.connect("source-read", add_contents)
    app.connect("missing-reference", find_by_name)
    app.connect("env-check-consistency", find_forgotten)


def add_contents(_app: Sphinx, page: str, source: list[str]) -> None:
    """Gives the front page the contents of the site, which GitHub would show as code."""
    if page == "README":
        source[0] += "\n" + Path(__file__).with_name("index.md").read_text(encoding="utf-8")


def keep_first_line(_app: Sphinx, what: str, *args: Any) -> None:
    """Puts a comment first: Napoleon would take what precedes a colon there for a type."""
    if what in ("attribute", "data", "property"):
        args[-1][:0] = ["..", ""]


def give_attributes_their_words(app: Sphinx) -> None:
    """Moves what a class says of its attributes to them: they have the types and the defaults."""
    for owner in app.env.autoapi_all_objects.values():
        if owner.type in ("class", "exception"):
            owner.docstring, *told = re.split(r"(?m)^\.\. attribute:: (\w+)\n", owner.docstring)
            words = dict(zip(told[::2], map(dedent, told[1::2]), strict=True))
            for attribute in owner.children:
                attribute.docstring = words.pop(attribute.name, attribute.docstring)
            assert not words, f"{owner.id} has no {', '.join(words)}"


def find_by_name(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.TextElement
) -> nodes.Element | None:
    """Finds what the sources name by another module than the one that readers import it from."""
    if node["reftarget"].startswith("collections.abc."):
        return nodes.inline("", node["reftarget"].rpartition(".")[2])
    ending = re.sub(r"^.*?((?:[A-Z]\w*\.)?\w+)$", r".\1", node["reftarget"])
    known = env.domains.python_domain.objects.items()
    match [entry for path, entry in known if path.endswith(ending)]:
        case [entry]:
            to = (node["refdoc"], entry.docname, entry.node_id)
            return make_refnode(app.builder, *to, content)
    return None


def find_forgotten(_app: Sphinx, env: BuildEnvironment) -> None:
    """Warns of public names that the page of the API does not have."""
    shown = {path.rpartition(".")[2] for path in env.domains.python_domain.objects}
    for name in env.autoapi_all_objects["dynamo_backend_common"].obj["all"]:
        if name not in shown:
            logging.getLogger(__name__).warning("docs/api.md lacks %s", name)
