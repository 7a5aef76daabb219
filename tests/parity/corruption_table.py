"""The table of docs/corruptions.md: written from what was measured, and read back to see whether it still holds."""
import math
from pathlib import Path

from imagenet_c import OFFERED, PACKAGE, SEVERITIES, TABLES, offered
from program import ROOT

PAGE = ROOT / "docs" / "corruptions.md"
BEGIN, END = "<!-- table: tests/parity/run.py --write-table -->\n", "<!-- end of the table -->\n"
HEAD = (
    "| corruption | table | class | photographs: error | pixels | levels | edges: error | pixels | levels |\n"
    "|---|---|---|---|---|---|---|---|---|\n"
)
CLASSES = {
    "exact": {"defocus_blur", "zoom_blur", "brightness", "contrast", "pixelate", "jpeg_compression", "gaussian_blur",
              "saturate"},
}  # fmt: skip
SLACK = {"error": 2e-8, "pixels": 1e-4}  # another processor's last bits
Cells = dict[tuple[str, int | str], dict[int, object]]  # by corruption and table: a corruptions.Cell a severity


def kind(name: str) -> str:
    return next((kind for kind, names in CLASSES.items() if name in names), "given draws")


def rounded_up(value: float) -> str:
    """To one digit, so that what is measured is no more than what is written."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    power = math.floor(math.log10(value))
    return f"{float(f'{math.ceil(value / 10**power - 1e-9)}e{power}'):.0e}".replace("e-0", "e-").replace("e+00", "")


def line(name: str, table: int | str, cells: dict[int, object]) -> str:
    def columns(side: str) -> list[str]:
        found = [getattr(cells[severity], side) for severity in SEVERITIES]
        if any(one is None for one in found):
            return ["-"] * 3
        errors, pixels = ([rounded_up(getattr(one, part)) for one in found] for part in ("error", "pixels"))
        return [" ".join(errors), " ".join(pixels), str(max(one.levels for one in found))]

    return f"| {' | '.join([name, str(table), kind(name), *columns('natural'), *columns('edge')])} |\n"


def text(cells: Cells) -> str:
    keys = [(name, table) for name in OFFERED for table in (*TABLES, PACKAGE)]
    return HEAD + "".join(line(*key, cells[key]) for key in keys if key in cells)


def write(cells: Cells, page: Path = PAGE) -> None:
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(before + BEGIN + text(cells) + END + after)


def stale(cells: Cells, part: float, page: Path = PAGE) -> list[str]:
    """What the page says otherwise than was measured, over that part of the photographs; of less than 1 only what is worse."""
    written = {}
    for row in page.read_text().partition(BEGIN)[2].partition(END)[0].splitlines()[2:]:
        name, table, *columns = (word.strip() for word in row.strip("|").split("|"))
        written[name, table if table == PACKAGE else int(table)] = columns
    wanted = {(name, table) for table in (*TABLES, PACKAGE) for name in offered(table)}
    off = {"not written": wanted - set(written), "not known": set(written) - wanted}
    found = [f"{name} at {table} is {what}" for what, keys in off.items() for name, table in sorted(keys, key=str)]
    for (name, table), severities in cells.items():
        if (name, table) not in written:
            continue
        columns = written[name, table]
        if columns[0] != kind(name):
            found.append(f"{name} at {table} is said to be {columns[0]}")
        for severity, cell in severities.items():
            for first, side in ((1, cell.natural), (4, cell.edge)):
                if side is None:
                    continue
                for column, what in enumerate(("error", "pixels")):
                    said, value = float(columns[first + column].split()[severity - 1]), getattr(side, what)
                    # A share of all photographs may lie in this part of them alone.
                    most = said / part if what == "pixels" and side is cell.natural else said
                    if value > most + SLACK[what] or (part == 1 and said > 2.1 * value + SLACK[what]):
                        found.append(f"{name} {severity} at {table}: {what} {value:.2g}, written {said:g}")
                if side.levels > int(columns[first + 2]):
                    found.append(f"{name} {severity} at {table}: {side.levels} levels, written {columns[first + 2]}")
    return found
