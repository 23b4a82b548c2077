"""Reads a rendering from standard input, and tells what is wrong with it on standard error."""

import sys

from deploy.kubernetes.lint import problems

found = problems(sys.stdin.read())
sys.stderr.writelines(f"{problem}\n" for problem in found)
sys.exit(1 if found else 0)
