#!/usr/bin/env bash
# Installs what is missing of the given groups of tools/packages.txt (default: build), with apt-get, as root or
# through sudo, without questions. Does nothing, at once, when nothing is missing.
# CHAMBER_PACKAGES=skip: installs nothing and takes it that all is there.
set -euo pipefail

list=$(dirname "$0")/packages.txt

on_path() { # command [version]
    command -v "$1" >/dev/null || return 1
    [ -n "${2:-}" ] || return 0
    local have
    have=$("$1" --version 2>/dev/null | grep -oE '[0-9]+(\.[0-9]+)+' | head -n 1)
    printf '%s\n%s\n' "$2" "$have" | sort --version-sort --check=quiet
}

# The packages of the groups, without those whose command is there already.
wanted() { # group...
    local group package unless command version
    while read -r group package unless command version; do
        case " $* " in
        *" $group "*) ;;
        *) continue ;;
        esac
        if [ "$unless" != unless ] || ! on_path "$command" "$version"; then
            echo "$package"
        fi
    done <"$list"
}

# Those of the packages that dpkg does not have.
missing() { # package...
    { dpkg-query --show --showformat '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null || true; } |
        sed -n 's/^installed //p' | sort --unique |
        comm -13 - <(printf '%s\n' "$@" | sort --unique)
}

give_up() { # reason package...
    local reason=$1
    shift
    echo "packages.sh: $reason; please install: $* (or set CHAMBER_PACKAGES=skip if you have them)" >&2
    exit 1
}

if [ "${CHAMBER_PACKAGES:-}" = skip ]; then
    exit 0
fi
mapfile -t packages < <(wanted "${@:-build}")
if [ ${#packages[@]} -eq 0 ]; then
    exit 0
fi
if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    give_up "this is not Debian" "${packages[@]}"
fi
mapfile -t packages < <(missing "${packages[@]}")
if [ ${#packages[@]} -eq 0 ]; then
    exit 0
fi
as_root=(env DEBIAN_FRONTEND=noninteractive)
if [ "$(id -u)" != 0 ]; then
    # Where nobody can be asked for it, sudo has to do without a password.
    if ! command -v sudo >/dev/null || { [ ! -t 0 ] && ! sudo -n true 2>/dev/null; }; then
        give_up "neither root nor sudo" "${packages[@]}"
    fi
    as_root=(sudo "${as_root[@]}")
fi
echo "packages.sh: installing ${packages[*]}"
"${as_root[@]}" apt-get update -qq || give_up "apt-get update failed" "${packages[@]}"
"${as_root[@]}" apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null ||
    give_up "apt-get install failed" "${packages[@]}"
