"""Installs a wheel into the environment that runs this, unless its content is there already."""

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

# These differ from build to build of the same sources: the bill of materials has a time in it.
_VARYING = ("RECORD", ".cyclonedx.json")


def main() -> None:
    """Installs the wheel that the argument names."""
    wheel = Path(sys.argv[1])
    installed = Path(sys.prefix, "wheel-content")
    content = _content(wheel)
    if installed.exists() and installed.read_text(encoding="utf-8") == content:
        print("The installed wheel is up to date")
        return
    installed.unlink(missing_ok=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--force-reinstall", "--no-deps"]
    subprocess.run([*pip, wheel], check=True)
    installed.write_text(content, encoding="utf-8")
    print(f"Installed {wheel.name}")


def _content(wheel: Path) -> str:
    with ZipFile(wheel) as archive:
        files = [file for file in archive.infolist() if not file.filename.endswith(_VARYING)]
    return "".join(f"{file.CRC:08x} {file.file_size} {file.filename}\n" for file in files)


if __name__ == "__main__":
    main()
