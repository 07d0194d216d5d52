#!/usr/bin/env bash
# What a build server does with a performance gate: measure, save a baseline, measure again, compare.
# Run it in any empty folder with stretto on the PATH. It measures a small program in ten processes, makes the
# program slower, and ends with 0 if the gate has let the unchanged program pass and stopped the slower one.
set -uo pipefail

measure() { # a folder for the reports, and how much work the program does
  mkdir -p "$1"
  for run in 1 2 3 4 5 6 7 8 9 10; do
    python3 - "$2" > "$1/$run.json" <<'PROGRAM'
import json, sys, time

def work(amount):
    begun = time.process_time()
    sum(number * number % 7 for number in range(amount))
    return time.process_time() - begun

rounds = [work(int(sys.argv[1])) for _ in range(9)]
print(json.dumps({"benchmarks": [{"name": "work", "stats": {"data": rounds}}]}))
PROGRAM
  done
}

measure before 100000
stretto gate before --save .stretto/baselines/main.json || exit 1

measure unchanged 100000
stretto gate unchanged --baseline main
unchanged=$?

measure slower 200000
stretto gate slower --baseline main --on-regression "touch rolled-back"
slower=$?

echo "unchanged program: exit code $unchanged; slower program: exit code $slower"
[ "$unchanged" -ne 1 ] && [ "$slower" -eq 1 ] && [ -e rolled-back ]
