# Prepares what Viaduct's commands run in. Sourced by ./viaduct, ./test and .ci/run; defines functions only.
#
# The manager's Python environment lies in the state directory, one per lock file, named by the lock's
# hash: a changed lock makes a new one, an unchanged lock costs nothing.

viaduct_fail() { # CODE SENTENCE REMEDY
    printf 'error %s: %s\n' "$1" "$2" >&2
    [ -z "${3:-}" ] || printf '  what to do: %s\n' "$3" >&2
    exit 1
}

viaduct_say() { printf 'viaduct: %s\n' "$*" >&2; }

# Installs Debian packages that are missing. Daemons that come with them are not started on this
# machine: the lab runs its own, in its own namespaces.
viaduct_packages() { # REASON PACKAGE...
    local reason=$1 missing=() package
    shift
    for package in "$@"; do
        [ "$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null)" = "install ok installed" ] || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    [ "$(id -u)" = 0 ] || viaduct_fail MACHINE-001 "Debian packages are missing (${missing[*]}) and only root can install them." \
        "Run as root, or: apt-get install ${missing[*]}"
    command -v apt-get >/dev/null || viaduct_fail MACHINE-002 "This machine has no apt-get." "Install by hand: ${missing[*]}"
    viaduct_say "installing ${missing[*]} ($reason)"
    local log guard
    log=$(mktemp)
    guard=$(mktemp -d)
    # Unless the machine has a policy of its own, keep the packages' daemons from starting.
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
        chmod 755 /usr/sbin/policy-rc.d
        touch "$guard/policy"
    fi
    local ok=1
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" >"$log" 2>&1 </dev/null ||
        { apt-get update -q >>"$log" 2>&1 </dev/null &&
            DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" >>"$log" 2>&1 </dev/null; } || ok=0
    [ ! -e "$guard/policy" ] || rm -f /usr/sbin/policy-rc.d
    rm -rf "$guard"
    if [ $ok = 0 ]; then
        tail -n 15 "$log" >&2
        viaduct_fail MACHINE-003 "apt-get could not install ${missing[*]}; its last lines are above (all: $log)." \
            "Check that the machine's Debian mirror answers (apt-get update) and that the disk is not full, then run the same command again."
    fi
    rm -f "$log"
}

# Prints the system's Python, 3.11 or later.
viaduct_python() {
    local python
    for python in python3 python3.13 python3.12 python3.11; do
        if command -v "$python" >/dev/null && "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$python"
            return
        fi
    done
    return 1
}

# uv takes no notice of pip's configuration: hand it on. Sets UV_* unless they are set already.
viaduct_uv_settings() { # PYTHON-WITH-PIP
    local key value
    while IFS='=' read -r key value; do
        value=${value#\'}; value=${value%\'}
        case ${key##*.} in
            index-url) : "${UV_DEFAULT_INDEX:=$value}"; export UV_DEFAULT_INDEX ;;
            cert) : "${SSL_CERT_FILE:=$value}"; export SSL_CERT_FILE ;;
        esac
    done < <("$1" -m pip config list 2>/dev/null)
}

# Makes the environment of requirements/NAME.lock if it is not there; prints its folder.
viaduct_environment() { # NAME STATE HOME
    local name=$1 state=$2 home=$3 lock hash target python log
    lock=$home/requirements/$name.lock
    hash=$(cat "$lock" "$home/requirements/bootstrap.lock" | sha256sum | cut -c1-12)
    target=$state/venv/$name-$hash
    if [ -e "$target/.complete" ]; then
        printf '%s\n' "$target"
        return
    fi
    python=$(viaduct_python) || { viaduct_packages "Viaduct is written in it" python3 >&2; python=$(viaduct_python); } ||
        viaduct_fail MACHINE-004 "Python 3.11 or later is missing." "Install it (Debian 12 and later: apt-get install python3)."
    "$python" -c 'import venv, ensurepip' 2>/dev/null || viaduct_packages "to make Viaduct's own Python environment" python3-venv
    mkdir -p "$state/venv" "$state/log" || viaduct_fail STATE-001 "The state directory $state cannot be made." "Run as root, or choose another one: VIADUCT_STATE=DIR or --state DIR."
    chmod 700 "$state"
    log=$state/log/environment.log
    viaduct_say "preparing the Python environment '$name' in $state/venv"
    rm -rf "$target"
    if ! { "$python" -m venv "$target" && viaduct_uv_settings "$target/bin/python" &&
        "$target/bin/python" -m pip install -q --disable-pip-version-check --require-hashes -r "$home/requirements/bootstrap.lock" &&
        "$target/bin/uv" pip install -q --python "$target/bin/python" --require-hashes -r "$lock"; } >"$log" 2>&1 </dev/null; then
        tail -n 15 "$log" >&2
        viaduct_fail MACHINE-005 "The Python packages of requirements/$name.lock could not be installed; the last lines are above (all: $log)." \
            "Check that the machine's Python package index answers (pip config list) and that the disk is not full, then run the same command again."
    fi
    touch "$target/.complete"
    printf '%s\n' "$target"
}

# The state directory: --state DIR (or --state=DIR) among the arguments, else VIADUCT_STATE, else the default.
viaduct_state() { # ARGUMENTS...
    local previous='' argument
    for argument in "$@"; do
        case $argument in --state=*) printf '%s\n' "${argument#--state=}"; return ;; esac
        [ "$previous" != --state ] || { printf '%s\n' "$argument"; return; }
        previous=$argument
    done
    printf '%s\n' "${VIADUCT_STATE:-/var/lib/viaduct}"
}
