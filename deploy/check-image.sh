#!/usr/bin/env bash
# Checks the Dockerfile without a Docker engine: runs the build stage's RUN lines, with /out moved to a scratch folder, lays
# out the final stage as its COPY lines say, and starts it in a chroot as the image's user, where there is nothing else.
set -euo pipefail
cd "$(dirname "$0")/.."
root="$(mktemp -d)"
pid=""
cleanup() {
  [ -z "$pid" ] || kill "$pid" 2>/dev/null || true
  rm -rf "$root"
}
trap cleanup EXIT
out="$root/out" src="$root/src" image="$root/image"
mkdir -p "$out" "$src" "$image"
git ls-files -co --exclude-standard | grep -vE '(^|/)testdata/|_test\.go$|^\.ci/' | tar -cf - -T - | tar -xf - -C "$src"

sed -n 's/^RUN //p' Dockerfile | sed "s#/out#$out#g" >"$root/build.sh"
(cd "$src" && bash -e "$root/build.sh")

cp -r "$out/etc" "$image/etc"
cp "$out/candor" "$image/candor"
mkdir -p "$image/data"
user="$(sed -n 's/^USER //p' Dockerfile)"
chown -R "$user" "$image/data"
chmod 755 "$root" "$image"

if ldd "$image/candor" 2>&1 | grep -q '=>'; then
  echo "the binary is not static"
  exit 1
fi
size=$(($(du -sk "$image" | cut -f1) / 1024))
[ "$size" -lt 80 ] || { echo "the final image would have $size MiB"; exit 1; }

inside() { chroot --userspec="$user" "$image" /candor "$@"; }
inside version

# The image's default command on a configuration that a user would mount.
cat >"$image/data/candor.yaml" <<'Y'
listen: {grpc: "127.0.0.1:18433"}
store: {identity: image-check, sqlite: {path: candor.db}}
consumers: {anyone: {identity: {anonymous: true}, models: ["*"]}}
backends:
  one:
    address: 127.0.0.1:9
    model: one
    version: "1"
    card:
      created_at: "2026-01-01T00:00:00Z"
      owner: deploy
      rows: none
      inputs: [{name: x, datatype: FP32, shape: [1]}]
      outputs: [{name: y, datatype: FP32, shape: [1]}]
models: {one: {primary: one, policy: {mode: observe}}}
Y
inside init --config /data/candor.yaml
# Not by the function: the process itself has to be the one that is waited for.
chroot --userspec="$user" "$image" /candor serve --config /data/candor.yaml &
pid=$!
for _ in $(seq 100); do
  if inside healthcheck --server 127.0.0.1:18433 2>/dev/null; then
    healthy=1
    break
  fi
  kill -0 "$pid" || { echo "serve ended"; exit 1; }
  sleep 0.1
done
[ "${healthy:-0}" = 1 ] || { echo "the health check never passed"; exit 1; }
kill -TERM "$pid"
wait "$pid" || { echo "serve did not drain cleanly"; exit 1; }
pid=""
echo "image: static, $size MiB, runs as $user, healthy, drains"
