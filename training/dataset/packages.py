"""Downloads the npm packages that hold the artwork and the captions, and checks that they are the pinned ones."""

import hashlib
import subprocess
import tarfile
from pathlib import Path

# package -> (version, first 16 hex digits of the tarball's sha256)
PACKAGES = {
    "@iconify-json/noto": ("1.2.9", "3e918d88fc945c0b"),
    "@iconify-json/noto-v1": ("1.2.5", "2bf62c26c2c2884a"),
    "@iconify-json/fluent-emoji": ("1.2.7", "8044210dbf11e016"),
    "@iconify-json/fluent-emoji-flat": ("1.2.6", "7d064769dee69081"),
    "@iconify-json/twemoji": ("1.2.5", "19046dff7d8707ce"),
    "emojibase-data": ("17.0.0", "d01d0e2ca4e22cb4"),
}


def fetch(folder: Path) -> dict[str, Path]:
    """Package name -> folder of its unpacked files. What is there already is checked, not downloaded again."""
    folder.mkdir(parents=True, exist_ok=True)
    unpacked = {}
    for name, (version, pin) in PACKAGES.items():
        stem = f"{name.removeprefix('@').replace('/', '-')}-{version}"
        tarball = folder / f"{stem}.tgz"
        if not tarball.exists():
            subprocess.run(["npm", "pack", f"{name}@{version}", "--silent"], cwd=folder, check=True)
        digest = hashlib.sha256(tarball.read_bytes()).hexdigest()
        if not digest.startswith(pin):
            raise SystemExit(f"{tarball.name}: sha256 {digest[:16]}..., expected {pin}...")
        target = folder / stem
        if not target.exists():
            with tarfile.open(tarball) as archive:
                archive.extractall(target, filter="data")
        unpacked[name] = target / "package"
    return unpacked
