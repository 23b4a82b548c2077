"""Reads a rendering from standard input, and tells what is wrong with it on standard error."""

import sys

from deploy.kubernetes.lint import problems

if len(sys.argv) > 1:
    sys.exit("it takes no arguments: kubectl kustomize OVERLAY | python -m deploy.kubernetes.lint")
found = problems(sys.stdin.read())
sys.stderr.writelines(f"{problem}\n" for problem in found)
sys.exit(1 if found else 0)
