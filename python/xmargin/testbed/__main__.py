"""`python -m xmargin.testbed`: fetch the chains' packages ahead of use and say where they lie."""

from xmargin.testbed.packages import fetch_all

for name, folder in fetch_all().items():
    print(f"{name}\t{folder}")
