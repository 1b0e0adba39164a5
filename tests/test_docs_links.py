"""Links between README, docs and other pages lead somewhere, and every page can be reached."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "models/*.md", "benchmarks/*.md", "plugins/*/*.md")
    for path in ROOT.glob(pattern)
)


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as a forge makes them."""
    without_code = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", without_code, re.MULTILINE)
    plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower() for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading).strip().replace(" ", "-") for heading in plain}


def links(text: str) -> list[str]:
    """Return the targets of a page's links that are no URLs."""
    found = re.findall(r"\]\(([^)\s]+)\)", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL))
    return [link for link in found if not re.match(r"[a-z]+:", link)]


def test_anchors_are_those_of_a_forge() -> None:
    text = "# One: `two` (three)\n\n```bash\n# no heading\n```\n## [Link](x.md), no\n"
    assert anchors(text) == {"one-two-three", "link-no"}


@pytest.mark.skipif(not (ROOT / "tempocli").is_dir(), reason="pages lead to the package's files: no checkout")
@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for link in links(text):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), f"{page.name} leads to {link}, which is not here"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target.read_text(encoding="utf-8")), f"{page.name}: no heading of {link}"


def test_the_index_has_every_page() -> None:
    index = ROOT / "docs" / "index.md"
    listed = {
        (index.parent / link.partition("#")[0]).resolve() for link in links(index.read_text(encoding="utf-8"))
    }
    pages = {path for path in PAGES if path.parent.name in {"docs", "models"}}
    assert {path.resolve() for path in pages} - listed - {index} == set()
