"""How Sphinx makes the documentation site: ``make docs``."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from generated import setup_django  # noqa: E402 - found through the line above

setup_django()

import dasf_broker  # noqa: E402 - Django must be ready first

project = "dasf_broker"
author = "The dasf_broker founders"
project_copyright = author
release = version = dasf_broker.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
# What it needs beside this folder: `generated` fills in what would grow stale by hand.
extensions += ["generated"]
root_doc = "index"
exclude_patterns: list[str] = []

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
myst_links_external_new_tab = False

nitpicky = True
# The documentation of others is not here to be linked to; ours is checked.
nitpick_ignore_regex = [
    ("py:.*", r"(?!dasf_broker\.).*"),
    ("py:class", r"dasf_broker\.api\.\w+\.T"),  # a type variable
    ("py:.*", r"dasf_broker\.(models|operations|domain|permissions|database|schema|testing)\..*"),
]
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
napoleon_google_docstring = False

html_theme = "furo"
html_title = f"dasf_broker {release}"
html_show_sphinx = False
# Prompts and answers are not copied, only what is to be typed.
copybutton_exclude = ".linenos, .gp, .go"
