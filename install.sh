#!/bin/sh
# Installs devproxy for this user: curl -fsSL BASE/install.sh | sh
# What it touches, and how it takes all of it back: docs/install.md. POSIX sh; asks nothing; needs no sudo.

BASE_URL="${DEVPROXY_BASE_URL:-https://github.com/devproxy-cli/devproxy/releases/latest/download}"

VERSION="0.1.0" # of this script; the version that it installs is the one that SHA256SUMS names

# One group from here to the last line: a shell reads it whole before it runs any of it, so a download
# that is cut anywhere, also in the middle of the last line, is a syntax error and does nothing.
{

usage() {
    cat <<EOF
Installs devproxy into a virtual environment of its own, and a link to it into ~/.local/bin.

Usage:
  curl -fsSL $BASE_URL/install.sh | sh
  curl -fsSL $BASE_URL/install.sh | sh -s -- [OPTION]
  sh install.sh [OPTION]

A second run upgrades. The old version stays in place until the new one has been seen to work.

Options:
  --uninstall        remove all that this installer made
  --no-modify-path   leave the shells' startup files alone
  --version          print the version of this script
  -h, --help         print this text

Environment:
  DEVPROXY_BASE_URL        where the wheel and SHA256SUMS are (https, or http on loopback)
                           [$BASE_URL]
  DEVPROXY_INSTALL_SOURCE  a wheel file or a checkout of devproxy to install instead;
                           the default when this script lies in a checkout
  DEVPROXY_INSTALL_DIR     where the virtual environments go [~/.local/share/devproxy]

Only the dependencies come from the package index, by the settings of pip or uv that are in force.
Exit status: 0 done, 1 failed (nothing was changed), 2 wrong usage, 6 no Python 3.11 or newer.
EOF
}

main() {
    # zsh splits words and ends traps by its own rules unless it is told not to.
    if [ -n "${ZSH_VERSION:-}" ]; then emulate sh; fi
    set -u
    modify_path=yes
    action=install
    for option in "$@"; do
        case $option in
            -h | --help) usage; exit 0 ;;
            --version) printf 'devproxy installer %s\n' "$VERSION"; exit 0 ;;
            --uninstall) action=uninstall ;;
            --no-modify-path) modify_path=no ;;
            *) fail "unknown option $option; see --help" 2 ;;
        esac
    done

    # Filled in below, named here because clean_up reads them.
    work=""
    venv=""
    new_link=""
    path_said=""
    committed=no
    trap clean_up EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    work=$(mktemp -d 2>/dev/null) || fail "cannot make a temporary folder in ${TMPDIR:-/tmp}"
    true >"$work/made" || fail "cannot write to ${TMPDIR:-/tmp}"

    choose_places
    case $action in
        install) install ;;
        uninstall) uninstall ;;
    esac
    exit 0
}

# -- words and ends ----------------------------------------------------------------------------------

say() { printf '%s\n' "$1"; }

warn() { printf 'devproxy installer: %s\n' "$1" >&2; }

fail() {
    warn "$1"
    exit "${2:-1}"
}

# Runs on every exit. Before the link was switched, all that this run made goes again.
# shellcheck disable=SC2317 # called by the trap
clean_up() {
    status=$?
    trap - EXIT
    if [ -n "$new_link" ]; then rm -f "$new_link"; fi
    if [ "$committed" = no ] && [ -n "$work" ]; then
        if [ -n "$venv" ]; then rm -rf "$venv"; fi
        if grep -qxF "dir ${versions:-}" "$work/made" 2>/dev/null; then rm -rf "$versions" "$manifest" "$manifest.new"; fi
        remove_made_folders "$work/made"
    fi
    if [ -n "$work" ]; then rm -rf "$work"; fi
    exit "$status"
}

# -- places ------------------------------------------------------------------------------------------

# Sets bin, dir, versions, manifest, data, config, upgrade and previous (what the link names now).
choose_places() {
    case ${HOME:-} in
        *"
"*) fail "HOME has a line break in it" ;;
        /*) ;;
        *) fail "HOME is not set to a folder" ;;
    esac
    if [ ! -d "$HOME" ]; then fail "HOME, $HOME, is not a folder"; fi
    # As root in somebody else's home, every file made here would lock its owner out.
    if [ "$(id -u)" = 0 ] && [ -z "$(find "$HOME/" -prune -user 0 2>/dev/null)" ]; then
        fail "$HOME belongs to another user; run this as that user, without sudo"
    fi
    bin=$HOME/.local/bin
    case ${XDG_DATA_HOME:-} in /*) data=$XDG_DATA_HOME ;; *) data=$HOME/.local/share ;; esac
    case ${XDG_CONFIG_HOME:-} in /*) config=$XDG_CONFIG_HOME ;; *) config=$HOME/.config ;; esac
    dir=${DEVPROXY_INSTALL_DIR:-}
    case $dir in
        "" | /*) ;;
        *) fail "DEVPROXY_INSTALL_DIR must be an absolute path" 2 ;;
    esac
    previous=$(readlink "$bin/devproxy" 2>/dev/null) || previous=""
    linked=""
    case $previous in
        /*/versions/*/bin/devproxy) linked=${previous%/versions/*/bin/devproxy} ;;
    esac
    if [ -n "$linked" ] && [ -f "$linked/manifest" ]; then
        dir=${dir:-$linked}
        if [ "${dir%/}" != "$linked" ]; then
            fail "devproxy is installed in $linked; uninstall that first, or unset DEVPROXY_INSTALL_DIR"
        fi
    elif [ "$action" = uninstall ] || { [ -n "$linked" ] && [ ! -e "$bin/devproxy" ]; }; then
        previous="" # somebody else's, or ours whose folder was removed by hand
    elif [ -e "$bin/devproxy" ] || [ -h "$bin/devproxy" ]; then
        fail "$bin/devproxy exists and is not this installer's; move it away first"
    fi
    dir=${dir:-$data/devproxy}
    dir=${dir%/}
    versions=$dir/versions
    manifest=$dir/manifest
    upgrade=no
    if [ -f "$manifest" ]; then upgrade=yes; fi
    if [ "$upgrade" = no ] && [ -e "$versions" ]; then
        fail "$versions exists and is not this installer's; move it away, or set DEVPROXY_INSTALL_DIR"
    fi
}

# mkdir -p that remembers what it made, for clean_up and --uninstall.
make_folder() {
    if [ -d "$1" ]; then return 0; fi
    case $1 in /*/*) make_folder "${1%/*}" || return 1 ;; esac
    mkdir "$1" 2>/dev/null || return 1
    remember dir "$1"
}

remember() { printf '%s %s\n' "$1" "$2" >>"$work/made"; }

# The manifest: one line a thing that --uninstall removes: "dir", "file", "line" or "new" (a startup
# file that was not there before) and its path, in the order in which they were made.
save_manifest() {
    { cat "$manifest" 2>/dev/null; cat "$work/made"; } | awk '!seen[$0]++' >"$work/manifest" &&
        cp "$work/manifest" "$manifest.new" 2>/dev/null && mv -f "$manifest.new" "$manifest"
}

# Newest first; a folder that holds anything else stays.
remove_made_folders() {
    awk '$1 == "dir" { line[++n] = substr($0, 5) } END { while (n) print line[n--] }' "$1" |
        while IFS= read -r made; do rmdir "$made" 2>/dev/null; done
}

# -- install -----------------------------------------------------------------------------------------

install() {
    case $(uname -s) in
        Linux | Darwin) ;;
        *) fail "devproxy runs on Linux, macOS and WSL2, not on $(uname -s)" ;;
    esac
    choose_source
    cd / || fail "cannot change to /" # a project's uv.toml or module must not take part in this
    uv=$(command -v uv 2>/dev/null) || uv=""
    case $uv in /*) ;; *) uv="" ;; esac
    if [ -n "$uv" ] && ! "$uv" --version >/dev/null 2>&1 </dev/null; then uv=""; fi
    find_python
    if ! make_folder "$versions" || ! save_manifest; then fail "cannot write to $dir"; fi
    if ! make_folder "$bin" || [ ! -w "$bin" ]; then fail "cannot write to $bin"; fi
    if [ -z "$source" ]; then download; fi
    label=${source##*/devproxy_cli-}
    case $source in
        *.whl) label=${label%%-*} ;;
        *) label=checkout ;;
    esac
    venv=$(mktemp -d "$versions/$label.XXXXXX" 2>/dev/null) || fail "cannot write to $versions"
    if [ -n "$uv" ]; then build_with_uv; else build_with_pip; fi
    version=$("$venv/bin/devproxy" --version 2>"$work/log" </dev/null) ||
        fail "the new version does not start: $(reason)"
    switch_link
    add_completions
    if [ "$modify_path" = yes ]; then add_to_path; fi
    save_manifest || warn "cannot write $manifest; --uninstall will leave some files"
    prune
    say "Installed devproxy ${version##* } in $dir, command $bin/devproxy"
    tell_path
}

# Sets source: a wheel file, a checkout, or nothing, which means BASE_URL.
choose_source() {
    source=${DEVPROXY_INSTALL_SOURCE:-}
    if [ -z "$source" ] && [ -z "${DEVPROXY_BASE_URL:-}" ]; then
        case $0 in
            */install.sh) beside=${0%/*} ;;
            install.sh) beside=. ;;
            *) beside="" ;; # piped: $0 is the shell
        esac
        if [ -n "$beside" ] && [ -f "$0" ] && is_checkout "$beside"; then source=$beside; fi
    fi
    if [ -n "$source" ]; then
        if is_wheel "$source"; then
            folder=$(dirname "$source")
            source=$(cd "$folder" && pwd -P)/${source##*/}
        elif is_checkout "$source"; then
            source=$(cd "$source" && pwd -P)
        else
            fail "DEVPROXY_INSTALL_SOURCE is neither a wheel nor a checkout of devproxy: $source" 2
        fi
        return
    fi
    BASE_URL=${BASE_URL%/}
    # Plain http would let anyone on the way choose wheel and checksum; loopback is for trying a release.
    protocols="=https"
    case $BASE_URL in
        https://?*) ;;
        http://?*)
            host=${BASE_URL#http://}
            host=${host%%[/?#]*}
            case $host in
                *@*) fail "DEVPROXY_BASE_URL must start with https://" 2 ;;
                127.0.0.1 | 127.0.0.1:* | localhost | localhost:* | "[::1]" | "[::1]:"*) protocols="=http,https" ;;
                *) fail "DEVPROXY_BASE_URL must start with https://" 2 ;;
            esac
            ;;
        *) fail "DEVPROXY_BASE_URL must start with https://" 2 ;;
    esac
}

is_wheel() {
    case /$1 in
        */devproxy_cli-*.whl) [ -f "$1" ] ;;
        *) false ;;
    esac
}

is_checkout() { grep -q '^name = "devproxy-cli"$' "$1/pyproject.toml" 2>/dev/null; }

# Sets python. Every match on PATH is tried, because a version manager's shim may exist and not run.
find_python() {
    python=""
    lacks_venv=""
    needs="sys"
    if [ -z "$uv" ]; then needs="ensurepip, venv"; fi # Debian packs these two apart, as python3-venv
    old_ifs=$IFS
    IFS=:
    set -f
    for name in python3.13 python3.12 python3.11 python3 python; do
        for folder in $PATH; do
            case $folder in /*) ;; *) continue ;; esac
            [ -x "$folder/$name" ] || continue
            found=$(real_python "$folder/$name") || continue
            if "$found" -I -c "import $needs" >/dev/null 2>&1 </dev/null; then
                python=$found
                break 2
            fi
            lacks_venv=$found
        done
    done
    set +f
    IFS=$old_ifs
    if [ -z "$python" ] && [ -n "$uv" ]; then
        found=$("$uv" python find --no-project --no-python-downloads '>=3.11' 2>/dev/null </dev/null) || found=""
        if [ -n "$found" ]; then python=$(real_python "$found") || python=""; fi
    fi
    if [ -n "$python" ]; then return; fi
    if [ -n "$lacks_venv" ]; then
        fail "$lacks_venv lacks the venv module; get it with: apt install python3-venv (or install uv)" 6
    fi
    if [ -n "$uv" ]; then
        fail "no Python 3.11 or newer found; get one with: uv python install 3.13" 6
    fi
    case $(uname -s) in
        Darwin) fail "no Python 3.11 or newer found; get one with: brew install python@3.13" 6 ;;
        *) fail "no Python 3.11 or newer found; get one with: apt install python3 python3-venv, or uv python install 3.13" 6 ;;
    esac
}

# The interpreter behind a name, if it is new enough. -I: no PYTHONPATH, nothing from the current folder.
real_python() {
    "$1" -I -c 'import sys; sys.exit(1) if sys.version_info < (3, 11) else print(sys.executable)' 2>/dev/null </dev/null
}

# Fetches SHA256SUMS and the wheel that it names; sets source once they agree.
download() {
    fetch "$BASE_URL/SHA256SUMS" "$work/SHA256SUMS"
    sed -n 's/^\([0-9a-f]\{64\}\)  \(devproxy_cli-[0-9A-Za-z.+!_]*-py3-none-any\.whl\)$/\1 \2/p' \
        "$work/SHA256SUMS" >"$work/wheels"
    if [ "$(wc -l <"$work/wheels")" -ne 1 ]; then
        fail "$BASE_URL/SHA256SUMS names no wheel of devproxy; is something between you and the server?"
    fi
    read -r wanted wheel <"$work/wheels"
    say "Downloading $BASE_URL/$wheel"
    fetch "$BASE_URL/$wheel" "$work/$wheel"
    got=$("$python" -I -c 'import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest())' \
        "$work/$wheel" </dev/null) || fail "cannot read $work/$wheel"
    if [ "$got" != "$wanted" ]; then
        fail "checksum of $wheel differs: SHA256SUMS says $wanted, what came is $got; nothing was installed"
    fi
    source=$work/$wheel
}

# fetch URL FILE. Proxies and certificates as the user has set them for curl or wget.
fetch() {
    if command -v curl >/dev/null 2>&1; then
        curl --proto "$protocols" --tlsv1.2 -fsSL --connect-timeout 20 --speed-limit 1 --speed-time 60 \
            -o "$2" "$1" 2>"$work/log" </dev/null || fail "cannot download $1: $(reason)"
    elif command -v wget >/dev/null 2>&1; then
        wget -T 60 -O "$2" "$1" 2>"$work/log" </dev/null || fail "cannot download $1: $(reason)"
    else
        fail "cannot download: neither curl nor wget is here"
    fi
}

# The one line of $work/log that says most.
reason() {
    line=$(grep -iE 'error|cause|curl:|fail|refused' "$work/log" | tail -n 1)
    line=${line:-$(tail -n 1 "$work/log")}
    printf '%s' "$line" | tr -s ' \t' ' ' | sed 's/^ //'
}

# Caches go with the work folder unless the user has chosen a place, so that nothing stays in HOME.
build_with_uv() {
    say "Installing with uv and $("$python" -I -V)"
    pip_settings_for_uv
    export UV_CACHE_DIR="${UV_CACHE_DIR:-$work/cache}" UV_LINK_MODE=copy UV_NO_PROGRESS=1
    # uv locks its credentials when an index refuses; where none are stored, not in HOME.
    if [ ! -d "$data/uv/credentials" ]; then export UV_CREDENTIALS_DIR="${UV_CREDENTIALS_DIR:-$work/credentials}"; fi
    "$uv" venv -q --no-project --allow-existing --python "$python" "$venv" 2>"$work/log" </dev/null ||
        fail "uv cannot make a virtual environment: $(reason)"
    # Compiled now, because later every start would pay for what the first could not write.
    "$uv" pip install -q --compile-bytecode --python "$venv/bin/python" "$source" 2>"$work/log" </dev/null ||
        fail "uv cannot install devproxy and its dependencies: $(reason)"
}

build_with_pip() {
    say "Installing with pip and $("$python" -I -V)"
    # What would send pip elsewhere than into the virtual environment, or make it ask.
    unset PIP_TARGET PIP_PREFIX PIP_ROOT
    export PIP_USER=0 PIP_NO_INPUT=1 PIP_DISABLE_PIP_VERSION_CHECK=1
    export PIP_CACHE_DIR="${PIP_CACHE_DIR:-$work/cache}"
    "$python" -I -m venv "$venv" >"$work/log" 2>&1 </dev/null ||
        fail "cannot make a virtual environment: $(reason)"
    "$venv/bin/python" -I -m pip install -q "$source" >"$work/log" 2>&1 </dev/null ||
        fail "pip cannot install devproxy and its dependencies: $(reason)"
}

# Who has told only pip about the company's index, proxy and certificates means uv as well. Extra indexes
# are left out: pip takes the best of all indexes, uv the first that knows a name.
pip_settings_for_uv() {
    "$python" -I -m pip config list >"$work/pip" 2>/dev/null </dev/null || true >"$work/pip"
    if [ -z "${UV_DEFAULT_INDEX:-}${UV_INDEX_URL:-}" ] && [ ! -f "$config/uv/uv.toml" ] && [ ! -f /etc/uv/uv.toml ]; then
        setting=${PIP_INDEX_URL:-$(pip_setting index-url)}
        if [ -n "$setting" ]; then export UV_DEFAULT_INDEX="$setting"; fi
    fi
    if [ -z "${SSL_CERT_FILE:-}" ]; then
        setting=${PIP_CERT:-$(pip_setting cert)}
        if [ -n "$setting" ]; then export SSL_CERT_FILE="$setting"; fi
    fi
    if [ -z "${HTTPS_PROXY:-}${https_proxy:-}${ALL_PROXY:-}${all_proxy:-}" ]; then
        setting=${PIP_PROXY:-$(pip_setting proxy)}
        if [ -n "$setting" ]; then export HTTPS_PROXY="$setting" HTTP_PROXY="$setting"; fi
    fi
}

pip_setting() { sed -n "s/^global\.$1='\(.*\)'\$/\1/p; s/^install\.$1='\(.*\)'\$/\1/p" "$work/pip" | tail -n 1; }

# The one moment in which the old version becomes the new: rename(2) of a link.
switch_link() {
    save_manifest || fail "cannot write $manifest"
    new_link=$bin/.devproxy.$$
    ln -s "$venv/bin/devproxy" "$new_link" 2>/dev/null || fail "cannot write to $bin"
    true >"$venv/.linked" || fail "cannot write to $venv"
    mv -f "$new_link" "$bin/devproxy" 2>/dev/null || fail "cannot write to $bin"
    committed=yes
    new_link=""
}

# The one before stays: a session that still runs from it loads parts of itself when it needs them.
prune() {
    for old in "$versions"/*; do
        case $old/bin/devproxy in
            "$venv/bin/devproxy" | "$previous") continue ;;
        esac
        # Never linked and made today: perhaps another installer at work.
        if [ ! -f "$old/.linked" ] && [ -z "$(find "$old" -prune -mtime +0 2>/dev/null)" ]; then continue; fi
        rm -rf "$old"
    done
}

# -- completions and PATH ----------------------------------------------------------------------------

add_completions() {
    for shipped in "$venv"/lib/python*/site-packages/devproxy/completions; do
        if has bash; then add_file "$shipped/devproxy.bash" "$data/bash-completion/completions/devproxy"; fi
        if has fish; then add_file "$shipped/devproxy.fish" "$config/fish/completions/devproxy.fish"; fi
        if has zsh && add_file "$shipped/_devproxy" "$data/zsh/site-functions/_devproxy"; then
            if ! grep -qF "zsh/site-functions" "${ZDOTDIR:-$HOME}/.zshrc" 2>/dev/null; then
                say "For completions in zsh, put this before compinit in .zshrc: fpath=($data/zsh/site-functions \$fpath)"
            fi
        fi
    done
}

has() { command -v "$1" >/dev/null 2>&1; }

# add_file FROM TO: copies, unless there is nothing to copy or somebody else's file is in the way.
add_file() {
    if [ ! -f "$1" ]; then return 1; fi
    if [ -e "$2" ] && ! grep -qxF "file $2" "$manifest" 2>/dev/null; then
        warn "left $2 as it is: it is not this installer's"
        return 1
    fi
    if make_folder "${2%/*}" && cp "$1" "$2" 2>/dev/null; then
        remember file "$2"
    else
        warn "cannot write $2"
        return 1
    fi
}

MARK="# added by the devproxy installer"

# Adds to path_said, what was done, for tell_path.
add_to_path() {
    case ":$PATH:" in *":$bin:"*) return ;; esac
    # shellcheck disable=SC2016 # $HOME and $PATH are for the shell that reads the line
    line='case ":$PATH:" in *":$HOME/.local/bin:"*) ;; *) export PATH="$HOME/.local/bin:$PATH" ;; esac '$MARK
    zshrc=${ZDOTDIR:-$HOME}/.zshrc
    user_shell=${SHELL:-}
    for startup in "$HOME/.profile" "$HOME/.bash_profile" "$HOME/.bash_login" "$HOME/.bashrc" "$zshrc"; do
        if [ -f "$startup" ]; then add_line "$startup"; fi
    done
    # The user's own shell must find it, also where it has no startup file yet.
    case $user_shell in
        */zsh) add_line "$zshrc" ;;
        */fish) ;;
        *) # a line in zsh's file alone would help no other shell
            if [ -z "$path_said" ] || [ "$path_said" = " $zshrc" ]; then add_line "$HOME/.profile"; fi
            ;;
    esac
    if [ -d "$config/fish" ] || [ "${user_shell##*/}" = fish ]; then
        # shellcheck disable=SC2016 # as above, for fish
        printf '%s\n' 'contains -- "$HOME/.local/bin" $PATH; or set -gx PATH "$HOME/.local/bin" $PATH '"$MARK" >"$work/devproxy.fish"
        if add_file "$work/devproxy.fish" "$config/fish/conf.d/devproxy.fish"; then
            path_said="$path_said $config/fish/conf.d/devproxy.fish"
        fi
    fi
}

# Appends a line break, the line and a line break, whatever the file ends with: remove_line takes out just that.
add_line() {
    if grep -qF "$MARK" "$1" 2>/dev/null; then
        case "$path_said " in *" $1 "*) ;; *) path_said="$path_said $1" ;; esac
        return
    fi
    if [ ! -e "$1" ]; then remember new "$1"; fi
    if printf '\n%s\n' "$line" 2>/dev/null >>"$1"; then
        remember line "$1"
        path_said="$path_said $1"
    else
        warn "cannot write $1"
    fi
}

tell_path() {
    case ":$PATH:" in
        *":$bin:"*)
            found=$(command -v devproxy 2>/dev/null) || found=""
            if [ -n "$found" ] && [ "$found" != "$bin/devproxy" ]; then
                warn "another devproxy comes first on PATH: $found"
            fi
            say "Start with: devproxy up"
            ;;
        *)
            if [ "$modify_path" = yes ] && [ -n "$path_said" ]; then
                say "PATH gets $bin by a line in:$path_said"
                say "Open a new terminal, or for this one: export PATH=\"$bin:\$PATH\""
            else
                say "$bin is not on PATH; add it, or start $bin/devproxy"
            fi
            ;;
    esac
}

# -- uninstall ---------------------------------------------------------------------------------------

uninstall() {
    if [ "$upgrade" = no ]; then
        say "devproxy is not installed in $dir: nothing to remove"
        return
    fi
    committed=yes # nothing for clean_up to take back
    if [ -n "$previous" ]; then rm -f "$bin/devproxy" || fail "cannot remove $bin/devproxy"; fi
    cp "$manifest" "$work/manifest" || fail "cannot read $manifest"
    while read -r kind made; do
        case $kind in
            file) rm -f "$made" ;;
            line) remove_line "$made" ;;
        esac
    done <"$work/manifest"
    while read -r kind made; do
        if [ "$kind" = new ] && [ -f "$made" ] && [ ! -s "$made" ]; then rm -f "$made"; fi
    done <"$work/manifest"
    rm -rf "$versions" || fail "cannot remove $versions"
    rm -f "$manifest" "$manifest.new"
    remove_made_folders "$work/manifest"
    say "Removed devproxy from $dir"
}

# Takes out what add_line put in, byte for byte. Written through, not renamed over: it may be a link.
remove_line() {
    if ! grep -qF "$MARK" "$1" 2>/dev/null; then return 0; fi
    if ! { cat "$1"; printf x; } | LC_ALL=C awk -v mark="$MARK" '
        { line[++n] = $0 }
        index($0, mark) {
            n--
            if (n && line[n] == "") n--
            else bare = n
        }
        # The file had ended without a line break, and still does if nothing came after our line.
        END {
            if (bare && bare == n - 1 && line[n] == "x") { n--; line[n] = line[n] "x" }
            for (i = 1; i < n; i++) printf "%s\n", line[i]
            printf "%s", substr(line[n], 1, length(line[n]) - 1)
        }' >"$work/startup" || ! cat "$work/startup" 2>/dev/null >"$1"; then
        warn "cannot take our line out of $1"
    fi
}

main "$@"; }
