#!/usr/bin/env bash
# The gateway against clients, model servers and receivers of alerts that others wrote. Installs what it needs: Python and Node from the system's
# packages where they are missing, every client and server in an environment of its own (two generated copies of the package
# `inference` refuse to load in one process), outside of the tree and kept for the next run.
#
#   interop/run.sh                      everything; prints the table of docs/conformance.md and fails when the tree has another
#   interop/run.sh -run TestClients     arguments go to `go test`
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/.."

cache="${XDG_CACHE_HOME:-$HOME/.cache}/candor-interop"
mkdir -p "$cache"

say() { echo "interop: $*" >&2; }

# packages NAME... installs packages of the system.
packages() {
  say "installing $*"
  command -v apt-get >/dev/null || { say "there is no apt-get to install $* with: install them"; return 1; }
  local root=()
  [ "$(id -u)" -eq 0 ] || root=(sudo)
  "${root[@]}" apt-get update -q >&2
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" >&2
}

# The pinned numpy needs it.
python_ok() { python3 -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
python_ok || packages python3 python3-venv
python_ok || { say "$(python3 --version) is too old or has no module venv; 3.11 or later is needed"; exit 1; }

# Oldest: what Debian bookworm has. grpc-js itself would do with 12.10.
node_ok() { command -v npm >/dev/null && node -e 'process.exit(Number(process.versions.node.split(".")[0]) < 18 ? 1 : 0)' 2>/dev/null; }
node_ok || packages nodejs npm
node_ok || { say "there is no Node 18 or later with npm"; exit 1; }

# finish NEW HOME gives a directory its name when it is complete, so an interrupted run leaves none that is not. Another run may
# have been faster; its directory is as good.
finish() { mv -T "$1" "$2" 2>/dev/null || rm -rf "$1"; }

# environment FILE MODULES prints the interpreter of the environment that FILE describes, and makes it first if need be.
environment() {
  local file="$1" modules="$2" digest home new
  digest="$({ python3 -VV; cat "$file"; } | sha256sum | cut -c1-12)"
  home="$cache/$(basename "$file" .txt)-$(sed -nE '/==/{s/(\[[a-z]+\])?==/-/p;q}' "$file")-$digest"
  if ! [ -x "$home/bin/python" ]; then
    say "making $home"
    rm -rf "$home"
    new="$(mktemp -d "$cache/.new.XXXXXX")"
    # A package without a wheel for this machine is said to be missing, rather than compiled with tools that may not be there.
    if ! { python3 -m venv "$new" &&
      "$new/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: -r "$file" &&
      "$new/bin/python" -c "import $modules"; } >&2; then
      rm -rf "$new"
      say "can't make the environment of $file; the lines above say why"
      return 1
    fi
    finish "$new" "$home"
  fi
  echo "$home/bin/python"
}

# node_modules prints where the Node client's packages are, as its package-lock.json pins them.
node_modules() {
  local from=interop/conformance/clients/node digest home new
  digest="$(cat "$from/package.json" "$from/package-lock.json" | sha256sum | cut -c1-12)"
  home="$cache/node-$digest"
  if ! [ -d "$home/node_modules/@grpc/grpc-js" ]; then
    say "making $home"
    rm -rf "$home"
    new="$(mktemp -d "$cache/.new.XXXXXX")"
    cp "$from/package.json" "$from/package-lock.json" "$new/"
    (cd "$new" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) >&2 || { rm -rf "$new"; say "npm could not install what $from pins"; return 1; }
    finish "$new" "$home"
  fi
  echo "$home/node_modules"
}

# python_library prints the folder of this Python's shared library. Triton's Python backend loads it, and it has to be the very one
# that runs PyTriton: with another patch release the standard library and the interpreter don't fit.
python_library() {
  local find='import os, sys, sysconfig
lib = sysconfig.get_config_var("LIBDIR")
folders = [lib, os.path.join(lib, sysconfig.get_config_var("MULTIARCH") or "")]
name = "libpython%d.%d.so.1.0" % sys.version_info[:2]
print(next((f for f in folders if os.path.exists(os.path.join(f, name))), ""))'
  local dir
  dir="$(python3 -c "$find")"
  if [ -z "$dir" ]; then
    # Debian's Python has it in a package of its own.
    packages "libpython$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
    dir="$(python3 -c "$find")"
  fi
  [ -n "$dir" ] || { say "there is no shared library of $(command -v python3); Triton's Python backend needs it"; return 1; }
  echo "$dir"
}

# perf_analyzer prints the command line of Triton's load generator, as its package has it: a binary for glibc 2.38. Where glibc is
# older, it runs with the libraries of the Debian release after bookworm, taken from the very mirror that this machine uses and
# unpacked beside it. Nothing of them is installed.
perf_analyzer() {
  local version="$CANDOR_PERF_ANALYZER_VERSION" home new
  home="$cache/perf-analyzer-$version"
  if ! [ -x "$home/bin/perf_analyzer" ]; then
    say "making $home"
    rm -rf "$home"
    new="$(mktemp -d "$cache/.new.XXXXXX")"
    # Expanded now: when the trap runs, the function has returned, and its variables are gone.
    trap "rm -rf '$new'" EXIT
    python3 -m venv "$new/venv" >&2
    "$new/venv/bin/python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --platform manylinux_2_38_x86_64 \
      -d "$new" "perf-analyzer==$version" >&2
    python3 -m zipfile -e "$new"/perf_analyzer-*.whl "$new/wheel"
    mkdir "$new/bin"
    mv "$new/wheel/perf_analyzer/bin/perf_analyzer" "$new/bin/"
    chmod +x "$new/bin/perf_analyzer"
    rm -rf "$new/venv" "$new/wheel" "$new"/*.whl
    "$new/bin/perf_analyzer" --version >/dev/null 2>&1 || newer_libraries "$new" >&2
    finish "$new" "$home"
  fi
  if [ -d "$home/root" ]; then
    local libraries="$home/root/usr/lib/x86_64-linux-gnu"
    echo "$libraries/ld-linux-x86-64.so.2 --library-path $libraries $home/bin/perf_analyzer"
  else
    echo "$home/bin/perf_analyzer"
  fi
}

# alertmanager prints the program of Debian's package, which has to be installed: it reads its templates from /usr/share.
alertmanager() {
  local program=/usr/bin/prometheus-alertmanager
  [ -x "$program" ] || packages prometheus-alertmanager
  [ -x "$program" ] || { say "the package prometheus-alertmanager has no $program"; return 1; }
  echo "$program"
}

# newer_libraries DIR unpacks them into DIR/root, by an apt of its own that knows nothing of the machine's packages.
newer_libraries() {
  local dir="$1" mirror options
  command -v apt-get >/dev/null || { say "perf_analyzer needs glibc 2.38, and there is no apt-get to take newer libraries from"; return 1; }
  mirror="$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | head -1)"
  mkdir -p "$dir/apt/lists/partial" "$dir/apt/cache/archives/partial" "$dir/debs"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >"$dir/apt/sources.list"
  options=(-q -o "Dir::Etc::sourcelist=$dir/apt/sources.list" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$dir/apt/lists"
    -o "Dir::Cache=$dir/apt/cache" -o Dir::State::status=/dev/null -o APT::Sandbox::User=)
  apt-get "${options[@]}" update
  (cd "$dir/debs" && apt-get "${options[@]}" download libc6 libstdc++6 libgcc-s1 libssl3t64 zlib1g libzstd1)
  for deb in "$dir"/debs/*.deb; do dpkg -x "$deb" "$dir/root"; done
  rm -rf "$dir/apt" "$dir/debs"
}

CANDOR_PYTHON_TRITON="$(environment interop/clients/triton.txt tritonclient.grpc.aio)"
CANDOR_PYTHON_OIP="$(environment interop/clients/oip.txt open_inference.grpc.service,grpc_status.rpc_status)"
CANDOR_PYTHON_WEBHOOKS="$(environment interop/clients/webhooks.txt standardwebhooks)"
CANDOR_PYTHON_MLSERVER="$(environment interop/conformance/servers/mlserver.txt mlserver,mlserver_sklearn)"
CANDOR_PYTHON_KSERVE="$(environment interop/conformance/servers/kserve.txt kserve)"
CANDOR_PYTHON_PYTRITON="$(environment interop/conformance/servers/pytriton.txt pytriton.triton)"
CANDOR_PYTHON_PYTRITON_LIBRARIES="$(python_library)"
CANDOR_NODE_MODULES="$(node_modules)"
CANDOR_ALERTMANAGER="$(alertmanager)"
CANDOR_PERF_ANALYZER_VERSION=2.60.0
CANDOR_PERF_ANALYZER="$(perf_analyzer)"
export CANDOR_PYTHON_TRITON CANDOR_PYTHON_OIP CANDOR_PYTHON_WEBHOOKS CANDOR_PYTHON_MLSERVER CANDOR_PYTHON_KSERVE CANDOR_PYTHON_PYTRITON
export CANDOR_PYTHON_PYTRITON_LIBRARIES CANDOR_NODE_MODULES CANDOR_ALERTMANAGER CANDOR_PERF_ANALYZER CANDOR_PERF_ANALYZER_VERSION

CANDOR_INTEROP=1 go test -count=1 -v "$@" ./interop/...
