#!/usr/bin/env bash
# What people write by hand: a registry, a builder, one build for all platforms, a look at the index, `docker run` for each
# platform, and everything removed again. Arguments: the context, the platforms (a,b), how many runs for each platform.
set -euo pipefail
context=$1 platforms=$2 runs=$3
name=by-hand-$$
folder=$(mktemp -d)
clean_up() {
    docker rm --force --volumes "$name" >/dev/null 2>&1 || true
    docker buildx rm --force "$name" >/dev/null 2>&1 || true
    docker image rm "$image" >/dev/null 2>&1 || true
    rm -rf "$folder"
}
image=none
export BUILDX_CONFIG=$folder/buildx # the user's own builders stay as they are
trap clean_up EXIT

docker run --detach --name "$name" --publish 127.0.0.1::5000 registry:2 >/dev/null
host=localhost:$(docker port "$name" 5000/tcp | sed 's/.*://')
image=$host/app:test

# A builder knows nothing of the daemon's mirrors.
for mirror in $(docker info --format '{{range .RegistryConfig.Mirrors}}{{.}} {{end}}'); do
    mirror=${mirror%/}
    printf '[registry."docker.io"]\n  mirrors = ["%s"]\n' "${mirror#*://}" >>"$folder/buildkitd.toml"
    case $mirror in http://*) printf '[registry."%s"]\n  http = true\n' "${mirror#*://}" >>"$folder/buildkitd.toml" ;; esac
done
touch "$folder/buildkitd.toml"
docker buildx create --name "$name" --driver docker-container --driver-opt network=host \
    --config "$folder/buildkitd.toml" --bootstrap >/dev/null 2>"$folder/log" || { cat "$folder/log" >&2; exit 1; }
docker buildx build --builder "$name" --platform "$platforms" --tag "$image" --push "$context" \
    >/dev/null 2>"$folder/log" || { cat "$folder/log" >&2; exit 1; }
docker buildx imagetools inspect --builder "$name" "$image" >/dev/null
for platform in ${platforms//,/ }; do
    for ((run = 0; run < runs; run++)); do
        docker run --rm --platform "$platform" "$image" >/dev/null 2>"$folder/log" || { cat "$folder/log" >&2; exit 1; }
    done
done
