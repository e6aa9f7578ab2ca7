"""Brings opencode from the npm registry: the package with the binary for this machine, and nothing that runs at installation."""

import pathlib
import platform
import shutil
import subprocess

VERSION = "1.18.33"
INSTALL_SECONDS = 240


class Away(Exception):
    """There is no opencode to be had here."""


def package():
    """The platform's package. The baseline one runs on every x86-64 processor."""
    system = platform.system().lower()
    machine = {"x86_64": "x64-baseline", "aarch64": "arm64", "arm64": "arm64"}.get(platform.machine())
    if machine is None or system not in ("linux", "darwin"):
        raise Away(f"opencode has no package for {system} on {platform.machine()}")
    return f"opencode-{system}-{machine}"


def opencode(folder):
    """The binary, installed into `folder` unless it is there."""
    binary = pathlib.Path(folder) / "node_modules" / package() / "bin" / "opencode"
    if not binary.exists():
        npm = shutil.which("npm")
        if npm is None:
            raise Away("there is no npm here")
        command = [npm, "install", "--prefix", str(folder), "--ignore-scripts", "--no-audit", "--no-fund", "--no-save"]
        try:
            ended = subprocess.run([*command, f"{package()}@{VERSION}"], capture_output=True, timeout=INSTALL_SECONDS)
        except subprocess.TimeoutExpired:
            raise Away(f"npm did not install {package()}@{VERSION} within {INSTALL_SECONDS} s") from None
        if ended.returncode or not binary.exists():
            raise Away(f"npm can't install {package()}@{VERSION}: {ended.stderr.decode(errors='replace')[-500:]}")
    return binary.resolve()
