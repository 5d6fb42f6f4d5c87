#!/bin/sh
# Builds the steps' image. With a base image (BASE, by digest) from a registry, or, where none can be reached, on one
# that is made here from Debian's packages (needs root and debootstrap).
#
#   kubeflow/build.sh [TAG]           cpu image, TAG is frostgate:local unless given
#   TARGET=gpu BASE=debian:12-slim@sha256:... kubeflow/build.sh registry.example/frostgate:1
#
# CA: a file of certificate authorities that the build has to trust; stays out of the image.
set -eu

cd "$(dirname "$0")/.."
tag=${1:-frostgate:local}
target=${TARGET:-cpu}
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}

case "${BASE:-}" in
    "" | *@sha256:*) ;;
    *)
        echo "build.sh: expected BASE by digest, for a tag may move; received $BASE." >&2
        echo "build.sh: docker image inspect --format '{{index .RepoDigests 0}}' $BASE prints it once it was pulled." >&2
        exit 2
        ;;
esac

if [ -z "${BASE:-}" ]; then
    BASE=frostgate-base:bookworm
    if ! docker image inspect "$BASE" >/dev/null 2>&1; then
        if [ "$(id -u)" -ne 0 ] || ! command -v debootstrap >/dev/null 2>&1; then
            echo "build.sh: expected BASE, or root and debootstrap to make a base image; received neither." >&2
            echo "build.sh: give BASE=debian:12-slim@sha256:DIGEST, or install debootstrap and run as root." >&2
            exit 2
        fi
        rootfs=$(mktemp -d)
        trap 'rm -rf "$rootfs"' EXIT
        debootstrap --variant=minbase bookworm "$rootfs" "$mirror" >"$rootfs.log" 2>&1 || {
            tail -5 "$rootfs.log" >&2
            exit 1
        }
        tar -C "$rootfs" --exclude=./var/cache/apt/archives -c . | docker import - "$BASE" >/dev/null
        rm -f "$rootfs.log"
    fi
fi

set -- --file kubeflow/Dockerfile --target "$target" --build-arg "BASE=$BASE" --tag "$tag" --network host
set -- "$@" --build-arg "REVISION=$(git rev-parse HEAD 2>/dev/null || true)"
if [ -n "${CA:-}" ]; then
    set -- "$@" --secret "id=ca,src=$CA"
fi
DOCKER_BUILDKIT=1 docker build "$@" .
docker image inspect --format "$tag: {{.Size}} bytes" "$tag"
