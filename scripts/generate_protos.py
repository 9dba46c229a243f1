"""Generate the Python code of protos/tidegate/v1 beside its sources.

`python scripts/generate_protos.py` rewrites it; with `--check` nothing is written and any
difference from what is committed is an error that shows the difference.
"""

import argparse
import difflib
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from google import rpc
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent / "protos"
FOLDER = ROOT / "tidegate" / "v1"


def generate(out: Path) -> dict[str, str]:
    """Run protoc into `out`; return the generated files by name."""
    rpc_root = Path(next(iter(rpc.__path__))).parent.parent
    sources = sorted(str(path.relative_to(ROOT)) for path in FOLDER.glob("*.proto"))
    code = protoc.main(
        [
            "protoc",
            f"-I{ROOT}",
            f"-I{rpc_root}",
            f"-I{files('grpc_tools') / '_proto'}",
            f"--python_out={out}",
            f"--grpc_python_out={out}",
            f"--mypy_out=quiet:{out}",
            f"--mypy_grpc_out=quiet:{out}",
            *sources,
        ]
    )
    if code:
        raise SystemExit(code)
    return {path.name: path.read_text("utf-8") for path in sorted(out.rglob("*_pb2*"))}


def main() -> None:
    """Rewrite or check the generated files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail on a difference")
    check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as folder:
        generated = generate(Path(folder))
    committed = {path.name: path.read_text("utf-8") for path in FOLDER.glob("*_pb2*")}
    differences = 0
    for name in sorted(generated.keys() | committed.keys()):
        old, new = committed.get(name, ""), generated.get(name, "")
        if old == new:
            continue
        differences += 1
        if check:
            lines = difflib.unified_diff(
                old.splitlines(True), new.splitlines(True), f"committed/{name}", f"generated/{name}"
            )
            sys.stdout.writelines(lines)
        elif name in generated:
            (FOLDER / name).write_text(new, "utf-8")
            print(f"wrote {name}")
        else:
            (FOLDER / name).unlink()
            print(f"removed {name}")
    if check and differences:
        raise SystemExit(f"{differences} generated files differ: run scripts/generate_protos.py")
    print(f"{len(generated)} generated files are up to date")


if __name__ == "__main__":
    main()
