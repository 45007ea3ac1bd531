"""How the documentation site is made: settings of Sphinx, read by ``python -m docs.site.build``.

The source directory is the repository, and pages are its markdown files where they lie. So no file
is copied or rewritten, and a relative link means the same here and on a code host.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

_told = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

project = _told["name"]
version = release = _told["version"]
project_copyright = f"the authors of {project}; {_told['license']}"
language = "en"

extensions = ["myst_parser", "sphinx.ext.autodoc", "docs.site.extension"]
root_doc = "docs/index"
source_suffix = {".md": "markdown"}
include_patterns = [
    "docs/**.md",
    "bench/results/**.md",
    "deploy/trust/README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
]
# What is not walked through: thousands of files without a page.
exclude_patterns = [".*", "*/.venv", "artifacts", "gameserver", "tests", "web"]

# A reference to a name of ours that has no page is an error; those of others are not looked up.
nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"(?!gameserver\.|gameclient\.).*"),
    ("py:class", r"gameserver\.game\.contract\.(State|Input|View|Data)T|gameclient\.timeline\.F"),
]
default_role = "code"

myst_heading_anchors = 6
myst_enable_extensions = ["strikethrough"]

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
add_module_names = False
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 80
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = project
html_favicon = html_logo = str(ROOT / "web" / "shared" / "icon.svg")
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_domain_indices = False
html_last_updated_fmt = None
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"
html_theme_options = {
    "light_css_variables": {
        "color-brand-primary": "#1f5fd6",
        "color-brand-content": "#1f5fd6",
        "color-brand-visited": "#1f5fd6",
        "font-stack": 'system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif',
        "font-stack--monospace": 'ui-monospace, "SFMono-Regular", Menlo, Consolas, monospace',
    },
    "dark_css_variables": {
        "color-brand-primary": "#6ea3ff",
        "color-brand-content": "#6ea3ff",
        "color-brand-visited": "#6ea3ff",
    },
}
