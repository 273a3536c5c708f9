# SPDX-License-Identifier: MIT
"""Every link of the pages below a folder leads to a file in it, and to a heading of that file. links.py FOLDER"""
import re
import sys
from pathlib import Path

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.*?) *$", re.M)


def text_of(page):
    """Without what is code: there is no link in it."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    return re.sub(r"^( {4}|\t).*$", "", text, flags=re.M)


def anchors(page):
    """As GitHub makes them."""
    plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "") for heading in HEADING.findall(text_of(page))]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in plain}


def why_dead(page, link, root):
    """None if the link is alive."""
    name, _, anchor = link.partition("#")
    if re.match(r"[a-z]+:", name):
        return None
    target = (page.parent / name).resolve() if name else page
    if not target.is_relative_to(root) or not target.is_file():
        return "no such file"
    if anchor and anchor not in anchors(target):
        return "no such heading"
    return None


def main():
    root = Path(sys.argv[1]).resolve()
    pages = sorted(root.rglob("*.md"))
    links = [(page, link) for page in pages for link in LINK.findall(text_of(page))]
    dead = [(page, link, why) for page, link in links if (why := why_dead(page, link, root))]
    for page, link, why in dead:
        print(f"{page.relative_to(root)}: {link}: {why}", file=sys.stderr)
    if len(pages) < 10 or len(links) < 50:
        dead.append(print(f"{len(pages)} pages and {len(links)} links: is this the right folder?", file=sys.stderr))
    return 1 if dead else 0


if __name__ == "__main__":
    sys.exit(main())
