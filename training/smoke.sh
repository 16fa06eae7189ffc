#!/usr/bin/env bash
# The tests of training/ and every stage of it once, tiny, in a Python environment of its own. Where there is no Python
# or its packages cannot be had, it says so and is left out.
set -euo pipefail
cd "$(dirname "$0")/.."
environment=target/training-python

if ! python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
  echo "· training: left out, for want of Python 3.11 or later with its venv module."
  exit 0
fi
echo "· training: installing training/requirements.txt in $environment."
python3 -m venv "$environment"
if ! "$environment/bin/pip" install --quiet --disable-pip-version-check -r training/requirements.txt; then
  echo "· training: left out, since its Python packages could not be installed."
  exit 0
fi
SECONDS=0
"$environment/bin/python" -m unittest discover --quiet --start-directory training --top-level-directory .
"$environment/bin/python" -m training.smoke
echo "· training: checked in $SECONDS s."
