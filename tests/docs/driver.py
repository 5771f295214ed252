"""Runs the steps of a page in one namespace, one after another, and compares what they print.

    python driver.py STEPS.json

A step is a snippet of Python or the words of a `cxr` command, and may say what it prints. The name
of each is printed before it runs, so that the last one is the one that failed.
"""

import contextlib
import io
import json
import sys
from pathlib import Path

from cxr_datasets.cli import main

names = {"__name__": "__main__"}
for step in json.loads(Path(sys.argv[1]).read_text()):
    print("##", step["place"], flush=True)
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        if "code" in step:
            code = "\n" * (step["line"] - 1) + step["code"]  # errors then give the page's lines
            exec(compile(code, step["place"], "exec"), names)
        elif main(step["cxr"]):
            sys.exit(1)
    if "prints" in step and out.getvalue().strip() != step["prints"].strip():
        sys.exit(f"It printed\n{out.getvalue()}\nand the page says\n{step['prints']}")
