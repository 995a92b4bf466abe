#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Puts the figures of the committed reports (docs/benchmarks/NAME.json) into docs/benchmarks.md, between the lines `<!-- report: NAME -->` and
`<!-- end -->`.

    tests/bench/tables.py [--check]

--check changes nothing, and ends with 1 where the page does not say what the reports do. A place whose report is not there stays empty.
"""
import argparse
import json
import pathlib
import re
import sys

from report import ROOT, cell, groups_of, head_of, names_of

PLACE = re.compile(r"(<!-- report: (\w+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def table_of(told):
    groups = groups_of(told)
    rows = [["", *groups], ["---"] * (len(groups) + 1), *([name, *(cell(told, group, name) for group in groups)] for name in names_of(told))]
    return f"{head_of(told)}\n\n" + "".join("| " + " | ".join(row) + " |\n" for row in rows)


def filled(page, reports):
    def fill(place):
        path = reports / f"{place[2]}.json"
        return place[1] + (f"\n{table_of(json.loads(path.read_text()))}\n" if path.exists() else "") + place[4]

    return PLACE.sub(fill, page)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--page", type=pathlib.Path, default=ROOT / "docs/benchmarks.md")
    options = parser.parse_args()
    reports = options.page.with_suffix("")
    page = options.page.read_text()
    unshown = {path.stem for path in reports.glob("*.json")} - {place[1] for place in PLACE.findall(page)}
    if unshown:
        sys.exit(f"{options.page}: no place for {', '.join(sorted(unshown))}. Add <!-- report: NAME --> and <!-- end -->")
    now = filled(page, reports)
    if not options.check:
        options.page.write_text(now)
    elif now != page:
        sys.exit(f"{options.page} does not say what the reports beside it do. Run tests/bench/tables.py")


main()
