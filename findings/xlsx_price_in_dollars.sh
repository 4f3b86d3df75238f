#!/usr/bin/env bash
# xlsx2csv 0.8.6 throws away a price whose cell format names the unit, and ends with 0.
#
# One would guess: a number is written as a number, or as Excel shows it. Its format is decoration.
# What happens: a letter d, h, m, s or y in the format makes the cell a date, also between quotes. The CSV then holds the
#   format itself with parts of a date in it. All prices in `"U$S" #,##0.00` (dollars, as Argentina writes them) become one
#   and the same text, and the amounts are nowhere. A stock of 12 in `0 "unidades"` becomes `0 "uni11a11es"`.
#   A price in `"$" #,##0.00` is right, so a list in pesos passes every trial.
# Who is hurt: whoever imports a shop owner's price list or stock through CSV. No error and no empty cell tells of it.
# Way out: `--ignore-formats date` keeps the numbers, and then real dates come as numbers too; or read with openpyxl.
# Versions: xlsx2csv 0.8.6; the workbook is written by XlsxWriter 3.3.1. Seen 2026-11-30.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
{ python3 -m venv env && env/bin/pip install --quiet --no-deps xlsx2csv==0.8.6 XlsxWriter==3.3.1; } \
  || { echo "cannot install the packages"; exit 2; }

env/bin/python - <<'PY'
import xlsxwriter

book = xlsxwriter.Workbook("prices.xlsx")
sheet = book.add_worksheet()
rows = [
    ("in pesos", 1500.5, '"$" #,##0.00'),
    ("in dollars", 1500.5, '"U$S" #,##0.00'),
    ("in dollars, another price", 320, '"U$S" #,##0.00'),
    ("in stock", 12, '0 "unidades"'),
]
for number, (label, value, cell_format) in enumerate(rows):
    sheet.write_string(number, 0, label)
    sheet.write_number(number, 1, value, book.add_format({"num_format": cell_format}))
book.close()
PY

echo "xlsx2csv $(env/bin/xlsx2csv --version)"
env/bin/xlsx2csv prices.xlsx prices.csv
echo "exit $?"
cat prices.csv
echo "-- with --ignore-formats date"
env/bin/xlsx2csv prices.xlsx numbers.csv --ignore-formats date
cat numbers.csv

env/bin/python - <<'PY'
import csv

with open("prices.csv", newline="") as file:
    seen = [row[1] for row in csv.reader(file)]
with open("numbers.csv", newline="") as file:
    numbers = [float(row[1]) for row in csv.reader(file)]
as_recorded = (
    float(seen[0]) == 1500.5
    and seen[1] == seen[2] == '"u$s" #,##0.00'
    and seen[3] == '0 "uni11a11es"'
    and numbers == [1500.5, 1500.5, 320, 12]
)
print("as recorded" if as_recorded else "CHANGED")
raise SystemExit(not as_recorded)
PY
