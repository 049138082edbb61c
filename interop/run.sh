#!/usr/bin/env bash
# The gateway against clients that others wrote. Installs what it needs: Python from the system's packages if it is missing, the
# clients in virtual environments of their own (two generated copies of the package `inference` refuse to load in one process),
# outside of the tree and kept for the next run.
#
#   interop/run.sh              all clients
#   interop/run.sh -run Triton  arguments go to `go test`
set -euo pipefail
cd "$(dirname "$0")/.."

cache="${XDG_CACHE_HOME:-$HOME/.cache}/candor-interop"

# The pinned numpy needs it.
python_ok() { python3 -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

if ! python_ok; then
  echo "interop: installing python3 and python3-venv" >&2
  command -v apt-get >/dev/null || { echo "interop: there is no python3 (3.11 or later) with the module venv, and no apt-get to install it with: install both" >&2; exit 1; }
  root=()
  [ "$(id -u)" -eq 0 ] || root=(sudo)
  "${root[@]}" apt-get update -q
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends python3 python3-venv
  python_ok || { echo "interop: $(python3 --version) is too old or still has no module venv; 3.11 or later is needed" >&2; exit 1; }
fi

# environment NAME MODULES prints the interpreter of the environment that clients/NAME.txt describes, and makes it first if need
# be. It appears under its name when it is complete, so an interrupted run leaves none that is not.
environment() {
  local name="$1" modules="$2" digest home new
  digest="$({ python3 -VV; cat "interop/clients/$name.txt"; } | sha256sum | cut -c1-12)"
  home="$cache/$name-$(sed -nE '/==/{s/(\[[a-z]+\])?==/-/p;q}' "interop/clients/$name.txt")-$digest"
  if ! "$home/bin/python" -c "import $modules" 2>/dev/null; then
    echo "interop: making $home" >&2
    rm -rf "$home"
    mkdir -p "$cache"
    new="$(mktemp -d "$cache/.new.XXXXXX")"
    # A package without a wheel for this machine is said to be missing, rather than compiled with tools that may not be there.
    if ! { python3 -m venv "$new" &&
      "$new/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: -r "interop/clients/$name.txt" &&
      "$new/bin/python" -c "import $modules"; } >&2; then
      rm -rf "$new"
      echo "interop: can't make the environment of clients/$name.txt; the lines above say why" >&2
      return 1
    fi
    # Another run may have been faster; its environment is as good.
    mv -T "$new" "$home" 2>/dev/null || rm -rf "$new"
  fi
  echo "$home/bin/python"
}

triton="$(environment triton tritonclient.grpc.aio)"
oip="$(environment oip open_inference.grpc.service,grpc_status.rpc_status)"

CANDOR_INTEROP=1 CANDOR_PYTHON_TRITON="$triton" CANDOR_PYTHON_OIP="$oip" go test -count=1 -v "$@" ./interop
