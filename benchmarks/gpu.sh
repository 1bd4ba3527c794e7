#!/usr/bin/env bash
# Ten minutes of one GPU; benchmarks/gpu.py says what is measured and trained.
#
#   ./run_all.sh views megc2019_flow DATA.npz        # where the data are
#   bash benchmarks/gpu.sh DATA.npz OUT              # where the GPU is; once more: goes on
#   bash benchmarks/gpu.sh DATA.npz OUT --rehearse   # on a CPU, in some minutes
#
# PYTHON names an interpreter other than .venv's: 3.11 to 3.13 with torch for the GPU, numpy, pandas,
# scipy, scikit-learn, joblib, PyYAML, tqdm and geoopt.
set -euo pipefail

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
export PYTHONPATH="$ROOT${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1
usual="$ROOT/.venv/bin/python"
[ -x "$usual" ] || usual=python3
exec "${PYTHON:-$usual}" "$ROOT/benchmarks/gpu.py" "$@"
