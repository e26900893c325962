#!/usr/bin/env bash
# Runs the demonstration with Debian's Python, which has the modules that it needs.
set -euo pipefail
cd "$(dirname "$0")/../.."
exec /usr/bin/python3 tests/demo/demo.py
