# Completion of devproxy in bash, 3.2 or newer; needs no bash-completion.
# Written by scripts/completions from the command line itself: do not edit.

_devproxy() {
    local IFS=$' \t\n' program=$1 cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
    local command='' folder='' options='' argument='' value='' plain='' typed=' ' at word
    COMPREPLY=()
    # bash makes three words of --option=value.
    if [[ $cur == '=' ]]; then
        cur=
    elif [[ $prev == '=' ]]; then
        prev=${COMP_WORDS[COMP_CWORD-2]}
    fi
    for ((at = 1; at < COMP_CWORD; at++)); do
        word=${COMP_WORDS[at]}
        case $plain$word in
            --) plain=yes ;;
            -C | --directory)
                at=$((at + 1))
                if [[ ${COMP_WORDS[at]} == '=' ]]; then at=$((at + 1)); fi
                folder=${COMP_WORDS[at]-}
                ;;
            -C?*) folder=${word#-C} ;;
            -*) ;;
            *) if [[ -z $command ]]; then command=$word; else typed+="$word "; fi ;;
        esac
    done
    case $command in
        '')
            options='--version --help -h'
            argument='up run proxy demo status ls why env routes logs open start stop restart reload attach down ports kill-port plan init'
            ;;
        up)
            options='--directory -C --port -p --profile --detach -d --wait --timeout --json --yes -y --force --exit-on-failure --open --verbose -v --help -h'
            argument='@services'
            case $prev in
                -C | --directory) value='@folders' ;;
                -p | --port | --timeout) value='@nothing' ;;
                --profile) value='@profiles' ;;
            esac
            ;;
        run)
            options='--directory -C --port -p --profile --timeout --quiet -q --yes -y --help -h'
            argument='@nothing'
            case $prev in
                -C | --directory) value='@folders' ;;
                -p | --port | --timeout) value='@nothing' ;;
                --profile) value='@profiles' ;;
            esac
            ;;
        proxy)
            options='--route --port -p --rewrite-origin --insecure -k --open --help -h'
            argument='@nothing'
            case $prev in
                --route | -p | --port) value='@nothing' ;;
            esac
            ;;
        demo)
            options='--port -p --open --help -h'
            case $prev in
                -p | --port) value='@nothing' ;;
            esac
            ;;
        status)
            options='--directory -C --json --help -h'
            case $prev in
                -C | --directory) value='@folders' ;;
            esac
            ;;
        ls)
            options='--json --help -h'
            ;;
        why)
            options='--directory -C --json --help -h'
            argument='@services'
            case $prev in
                -C | --directory) value='@folders' ;;
            esac
            ;;
        env)
            options='--directory -C --all -a --show-secrets --json --help -h'
            argument='@services'
            case $prev in
                -C | --directory) value='@folders' ;;
            esac
            ;;
        routes)
            options='--method -X --accept --directory -C --json --help -h'
            argument='@nothing'
            case $prev in
                -X | --method) value='GET POST PUT PATCH DELETE HEAD OPTIONS' ;;
                --accept) value='@nothing' ;;
                -C | --directory) value='@folders' ;;
            esac
            ;;
        logs)
            options='--follow -f --lines -n --since --until --grep --invert -v --level --cursor --json --raw --no-color --directory -C --help -h'
            argument='@logged'
            case $prev in
                -n | --lines | --since | --until | --grep | --cursor) value='@nothing' ;;
                --level) value='debug info warning error critical' ;;
                -C | --directory) value='@folders' ;;
            esac
            ;;
        open)
            options='--directory -C --print --dashboard --help -h'
            case $prev in
                -C | --directory) value='@folders' ;;
            esac
            ;;
        start)
            options='--directory -C --json --no-wait --timeout --help -h'
            argument='@services'
            case $prev in
                -C | --directory) value='@folders' ;;
                --timeout) value='@nothing' ;;
            esac
            ;;
        stop)
            options='--directory -C --json --no-wait --timeout --help -h'
            argument='@services'
            case $prev in
                -C | --directory) value='@folders' ;;
                --timeout) value='@nothing' ;;
            esac
            ;;
        restart)
            options='--directory -C --json --no-wait --timeout --help -h'
            argument='@services'
            case $prev in
                -C | --directory) value='@folders' ;;
                --timeout) value='@nothing' ;;
            esac
            ;;
        reload)
            options='--directory -C --json --no-wait --timeout --help -h'
            case $prev in
                -C | --directory) value='@folders' ;;
                --timeout) value='@nothing' ;;
            esac
            ;;
        attach)
            options='--directory -C --help -h'
            argument='@services'
            case $prev in
                -C | --directory) value='@folders' ;;
            esac
            ;;
        down)
            options='--directory -C --all --yes -y --help -h'
            case $prev in
                -C | --directory) value='@folders' ;;
            esac
            ;;
        ports)
            options='--all --killed --directory -C --json --help -h'
            case $prev in
                -C | --directory) value='@folders' ;;
            esac
            ;;
        kill-port)
            options='--yes -y --force --signal --wait --dry-run -n --json --directory -C --help -h'
            argument='@ports'
            case $prev in
                --signal) value='TERM INT HUP QUIT KILL ABRT USR1 USR2' ;;
                --wait) value='@nothing' ;;
                -C | --directory) value='@folders' ;;
            esac
            ;;
        plan)
            options='--json --directory -C --help -h'
            case $prev in
                -C | --directory) value='@folders' ;;
            esac
            ;;
        init)
            options='--force -f --print --directory -C --help -h'
            case $prev in
                -C | --directory) value='@folders' ;;
            esac
            ;;
        *) return ;;
    esac
    if [[ -n $plain ]]; then
        value=$argument
    elif [[ -z $value ]]; then
        value=$argument
        if [[ $cur == -* || -z $argument ]]; then value=$options; fi
    fi
    case $value in
        @nothing) ;;
        @folders) _devproxy_folders ;;
        @*) _devproxy_names "${value#@}" ;;
        *) _devproxy_offer "$value" ;;
    esac
}

# The words that begin with what is typed and are not on the line yet.
_devproxy_offer() {
    local word
    for word in $1; do
        if [[ $word == "$cur"* && $typed != *" $word "* ]]; then COMPREPLY+=("$word"); fi
    done
}

_devproxy_names() {
    program=${program/#\~\//$HOME/}
    folder=${folder//[\\\"\']/}
    type -P -- "$program" >/dev/null || program=devproxy # an alias
    _devproxy_offer "$("$program" complete "$1" ${folder:+-C "$folder"} 2>/dev/null </dev/null)"
}

# By readline itself, which quotes and expands; bash 3.2 has no compopt.
_devproxy_folders() {
    local word
    compopt -o dirnames 2>/dev/null && return
    while IFS= read -r word; do
        if [[ -n $word ]]; then COMPREPLY+=("$word"); fi
    done <<<"$(compgen -d -- "$cur")"
}

complete -F _devproxy devproxy
