# SPDX-License-Identifier: MIT
"""node-llama-cpp from the npm registry: the prebuilt CPU libraries of a llama.cpp release, that
release's headers, and a native program against both. Nothing of it enters the repository."""
import json
import os
import pathlib
import platform
import shlex
import shutil
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
INSTALL_S = 600
PLATFORMS = {"x86_64": "linux-x64", "aarch64": "linux-arm64"}


class PackageError(Exception):
    """One sentence that says what is missing and what to do."""


def run(command, what, **options):
    try:
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False,
                              timeout=INSTALL_S, **options)
    except subprocess.TimeoutExpired:
        raise PackageError(f"{what} took longer than {INSTALL_S} s; is the network reachable?") from None
    if done.returncode:
        words = [line for line in (done.stderr.strip() or done.stdout.strip()).splitlines() if "npm warn" not in line]
        raise PackageError(f"{what} failed: {' / '.join(words[:2]) or f'exit status {done.returncode}'}")
    return done.stdout


def need(program, package):
    if not shutil.which(program):
        raise PackageError(f"{program} is missing; install the package {package}")


class Package:
    """An installed package; `native` is the program that calls the library without JavaScript."""

    def __init__(self, folder, version):
        self.folder = folder
        self.version = version
        self.platform = PLATFORMS.get(platform.machine())
        if not self.platform:
            raise PackageError(f"node-llama-cpp has no libraries for {platform.machine()}")
        self.libraries = folder / "node_modules" / "@node-llama-cpp" / self.platform / "bins" / self.platform
        self.headers = folder / "headers"
        self.native = folder / "theirs_native"

    def release(self):
        built = json.loads((self.libraries / "_nlcBuildMetadata.json").read_text())
        return built["buildOptions"]["llamaCpp"]["release"]

    def install(self):
        need("npm", "npm")
        need("node", "nodejs")
        self.folder.mkdir(parents=True)
        (self.folder / "package.json").write_text('{"private": true}\n')
        # The GPU variants are optional dependencies of hundreds of megabytes; the CPU one is asked
        # for by name. No scripts: one of them would download or compile.
        run(["npm", "install", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund",
             f"node-llama-cpp@{self.version}", f"@node-llama-cpp/{self.platform}@{self.version}"],
            "npm install", cwd=self.folder)

    def extract_headers(self):
        """The package carries its llama.cpp release as a git bundle."""
        need("git", "git")
        bundle = self.folder / "node_modules" / "node-llama-cpp" / "llama" / "gitRelease.bundle"
        clone = self.folder / "release.git"
        run(["git", "clone", "--quiet", "--bare", bundle, clone], "unpacking the release's source")
        archive = self.folder / "headers.tar"
        run(["git", "--git-dir", clone, "archive", "-o", archive, "HEAD", "include", "ggml/include"],
            "reading the release's headers")
        self.headers.mkdir()
        run(["tar", "-xf", archive, "-C", self.headers], "unpacking the headers")
        archive.unlink()
        shutil.rmtree(clone)

    def build(self):
        libraries = [p for p in sorted(self.libraries.glob("lib*.so*"))
                     if not p.name.startswith(("libggml-cpu", "libllama-common"))]
        cc = shlex.split(os.environ.get("CC", "cc"))
        need(cc[0], "gcc")
        run([*cc, "-O2", "-std=gnu11", "-Wall", "-Wextra", f"-I{self.headers}/include",
             f"-I{self.headers}/ggml/include", HERE / "theirs_native.c", *libraries, "-lm",
             f"-Wl,-rpath,{self.libraries}", "-o", self.native], "compiling theirs_native.c")

    def stale(self):
        return not self.native.exists() or self.native.stat().st_mtime < (HERE / "theirs_native.c").stat().st_mtime


def prepare(cache, version):
    """The package in cache/node-llama-cpp-VERSION, installed and built where it is not yet."""
    folder = cache / f"node-llama-cpp-{version}"
    package = Package(folder, version)
    if not (folder / "headers").exists():
        partial = Package(cache / f"node-llama-cpp-{version}.partial", version)
        shutil.rmtree(partial.folder, ignore_errors=True)
        partial.install()
        partial.extract_headers()
        shutil.rmtree(folder, ignore_errors=True)
        partial.folder.rename(folder)
    if package.stale():
        package.build()
    return package
