"""Trim blanks, drop empty rows, make column names uniform: ``python tidy.py IN OUT``."""

import csv
import sys
from pathlib import Path


def tidy(rows):
    """Yield the rows that hold something, trimmed; the first one as column names."""
    for number, row in enumerate(rows):
        cells = [cell.strip() for cell in row]
        if any(cells):
            yield [cell.lower().replace(" ", "_") for cell in cells] if number == 0 else cells


def main():
    """Read the first file, write the second, which must not exist."""
    source, target = (Path(word) for word in sys.argv[1:3])
    with source.open(newline="", encoding="utf-8") as before, target.open("x", newline="", encoding="utf-8") as after:
        csv.writer(after).writerows(tidy(csv.reader(before)))


if __name__ == "__main__":
    main()
