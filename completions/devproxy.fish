# Completion of devproxy in fish, 3.2 or newer.
# Written by scripts/completions from the command line itself: do not edit.

# Whether this is the command on the line; '' when none is typed yet.
function __devproxy_is -a command
    set -l words (commandline -opc)
    set -l typed (string match -v -- '-*' $words[2..])
    test "$typed[1]" = "$command"
end

function __devproxy_names -a kind
    string match -q -- '-*' (commandline -ct); and return # an option: fish asks all the same
    set -l words (commandline -opc)
    set -l program (string replace -r '^~/' "$HOME/" -- $words[1])
    set -l folder
    set -l typed
    set -l takes
    for word in $words[2..]
        if test -n "$takes"
            set folder -C $word
            set takes
        else if contains -- $word -C --directory
            set takes folder
        else if string match -qr -- '^(-C|--directory=)(?<value>.+)' $word
            set folder -C $value
        else
            set -a typed $word
        end
    end
    for name in (command $program complete $kind $folder 2>/dev/null </dev/null)
        contains -- $name $typed[2..]; or echo $name
    end
end

complete -c devproxy -f
complete -c devproxy -n "__devproxy_is ''" -a up -d 'Start everything here behind one origin'
complete -c devproxy -n "__devproxy_is ''" -a run -d 'Start everything, run a command with it, stop everything'
complete -c devproxy -n "__devproxy_is ''" -a proxy -d 'Only the gateway, in front of what already runs'
complete -c devproxy -n "__devproxy_is ''" -a demo -d 'Try devproxy on a small bundled project'
complete -c devproxy -n "__devproxy_is ''" -a status -d 'Show the services of the running session'
complete -c devproxy -n "__devproxy_is ''" -a ls -d 'Show the sessions on this machine'
complete -c devproxy -n "__devproxy_is ''" -a why -d 'Say why a service is in its state, and what to do next'
complete -c devproxy -n "__devproxy_is ''" -a env -d 'Show a service\'s variables, and where each came from'
complete -c devproxy -n "__devproxy_is ''" -a routes -d 'Show the routes; of a URL, which one takes it and why'
complete -c devproxy -n "__devproxy_is ''" -a logs -d 'Read what the services printed, live or afterwards'
complete -c devproxy -n "__devproxy_is ''" -a open -d 'Open the running project in the browser'
complete -c devproxy -n "__devproxy_is ''" -a start -d 'Start services that are stopped, and what they depend on'
complete -c devproxy -n "__devproxy_is ''" -a stop -d 'Stop services, and leave the others running'
complete -c devproxy -n "__devproxy_is ''" -a restart -d 'Restart services; requests wait meanwhile'
complete -c devproxy -n "__devproxy_is ''" -a reload -d 'Apply the edited config to the running session'
complete -c devproxy -n "__devproxy_is ''" -a attach -d 'Give a service this terminal: answer its question, use its debugger'
complete -c devproxy -n "__devproxy_is ''" -a down -d 'Stop the session and everything that it started'
complete -c devproxy -n "__devproxy_is ''" -a ports -d 'Show which ports are in use, and whose they are'
complete -c devproxy -n "__devproxy_is ''" -a kill-port -d 'Free ports: end what listens on them'
complete -c devproxy -n "__devproxy_is ''" -a plan -d 'Show what would run here, and why'
complete -c devproxy -n "__devproxy_is ''" -a init -d 'Write the plan down as devproxy.toml'
complete -c devproxy -n "__devproxy_is ''" -l version -d 'Show the version'
complete -c devproxy -n "__devproxy_is ''" -s h -l help -d 'Show this help'

complete -c devproxy -n "__devproxy_is up" -s C -l directory -x -a '(__fish_complete_directories)' -d 'The project'
complete -c devproxy -n "__devproxy_is up" -s p -l port -x -d 'The public port, instead of 4400'
complete -c devproxy -n "__devproxy_is up" -l profile -x -a '(__devproxy_names profiles)' -d 'Start the services of this profile too; may be repeated. [env: DEVPROXY_PROFILES=a,b]'
complete -c devproxy -n "__devproxy_is up" -s d -l detach -d 'Run in the background; return when it listens'
complete -c devproxy -n "__devproxy_is up" -l wait -d 'With -d: return when all required services are ready'
complete -c devproxy -n "__devproxy_is up" -l timeout -x -d 'How long --wait waits'
complete -c devproxy -n "__devproxy_is up" -l json -d 'Print one JSON object, for scripts'
complete -c devproxy -n "__devproxy_is up" -s y -l yes -d 'Free held ports without asking'
complete -c devproxy -n "__devproxy_is up" -l force -d 'As --yes, with SIGKILL at once'
complete -c devproxy -n "__devproxy_is up" -l exit-on-failure -d 'Stop everything, with exit status 4, as soon as a required service crashes'
complete -c devproxy -n "__devproxy_is up" -l open -d 'Open the browser when all is ready'
complete -c devproxy -n "__devproxy_is up" -s v -l verbose -d 'Say more of what devproxy does'
complete -c devproxy -n "__devproxy_is up" -s h -l help -d 'Show this help'
complete -c devproxy -n "__devproxy_is up" -a '(__devproxy_names services)' -d Service

complete -c devproxy -n "__devproxy_is run" -s C -l directory -x -a '(__fish_complete_directories)' -d 'The project'
complete -c devproxy -n "__devproxy_is run" -s p -l port -x -d 'The public port, instead of 4400'
complete -c devproxy -n "__devproxy_is run" -l profile -x -a '(__devproxy_names profiles)' -d 'Start the services of this profile too; may be repeated. [env: DEVPROXY_PROFILES=a,b]'
complete -c devproxy -n "__devproxy_is run" -l timeout -x -d 'How long all may take to be ready'
complete -c devproxy -n "__devproxy_is run" -s q -l quiet -d 'Do not show the services\' lines'
complete -c devproxy -n "__devproxy_is run" -s y -l yes -d 'Free held ports without asking'
complete -c devproxy -n "__devproxy_is run" -s h -l help -d 'Show this help'

complete -c devproxy -n "__devproxy_is proxy" -l route -x -d 'Send a path prefix elsewhere; may be repeated'
complete -c devproxy -n "__devproxy_is proxy" -s p -l port -x -d 'The public port, instead of 4400'
complete -c devproxy -n "__devproxy_is proxy" -l rewrite-origin -d 'Let the servers believe that they were asked directly'
complete -c devproxy -n "__devproxy_is proxy" -s k -l insecure -d 'Take any certificate of an https:// server'
complete -c devproxy -n "__devproxy_is proxy" -l open -d 'Open the browser'
complete -c devproxy -n "__devproxy_is proxy" -s h -l help -d 'Show this help'

complete -c devproxy -n "__devproxy_is demo" -s p -l port -x -d 'The public port, instead of 4400'
complete -c devproxy -n "__devproxy_is demo" -l open -d 'Open the browser when all is ready'
complete -c devproxy -n "__devproxy_is demo" -s h -l help -d 'Show this help'

complete -c devproxy -n "__devproxy_is status" -s C -l directory -x -a '(__fish_complete_directories)' -d 'The project'
complete -c devproxy -n "__devproxy_is status" -l json -d 'Print one JSON object, for scripts'
complete -c devproxy -n "__devproxy_is status" -s h -l help -d 'Show this help'

complete -c devproxy -n "__devproxy_is ls" -l json -d 'Print one JSON object, for scripts'
complete -c devproxy -n "__devproxy_is ls" -s h -l help -d 'Show this help'

complete -c devproxy -n "__devproxy_is why" -s C -l directory -x -a '(__fish_complete_directories)' -d 'The project'
complete -c devproxy -n "__devproxy_is why" -l json -d 'Print one JSON object, for scripts'
complete -c devproxy -n "__devproxy_is why" -s h -l help -d 'Show this help'
complete -c devproxy -n "__devproxy_is why" -a '(__devproxy_names services)' -d Service

complete -c devproxy -n "__devproxy_is env" -s C -l directory -x -a '(__fish_complete_directories)' -d 'The project'
complete -c devproxy -n "__devproxy_is env" -s a -l all -d 'Also what is as in the shell'
complete -c devproxy -n "__devproxy_is env" -l show-secrets -d 'Do not mask passwords, keys, tokens'
complete -c devproxy -n "__devproxy_is env" -l json -d 'Print one JSON object, for scripts'
complete -c devproxy -n "__devproxy_is env" -s h -l help -d 'Show this help'
complete -c devproxy -n "__devproxy_is env" -a '(__devproxy_names services)' -d Service

complete -c devproxy -n "__devproxy_is routes" -s X -l method -x -a 'GET POST PUT PATCH DELETE HEAD OPTIONS' -d 'The request\'s method'
complete -c devproxy -n "__devproxy_is routes" -l accept -x -d 'Its Accept field, such as text/html'
complete -c devproxy -n "__devproxy_is routes" -s C -l directory -x -a '(__fish_complete_directories)' -d 'The project'
complete -c devproxy -n "__devproxy_is routes" -l json -d 'Print one JSON object, for scripts'
complete -c devproxy -n "__devproxy_is routes" -s h -l help -d 'Show this help'

complete -c devproxy -n "__devproxy_is logs" -s f -l follow -d 'Go on with each line as it is printed'
complete -c devproxy -n "__devproxy_is logs" -s n -l lines -x -d 'The last N, or all'
complete -c devproxy -n "__devproxy_is logs" -l since -x -d 'From then on: 30s, 5m, 2h (ago), 10:41, an RFC 3339 date, last-restart, last-save or last-ready'
complete -c devproxy -n "__devproxy_is logs" -l until -x -d 'Up to then'
complete -c devproxy -n "__devproxy_is logs" -l grep -x -d 'Lines that match a regular expression (Python\'s)'
complete -c devproxy -n "__devproxy_is logs" -s v -l invert -d 'With --grep: lines that do not match'
complete -c devproxy -n "__devproxy_is logs" -l level -x -a 'debug info warning error critical' -d 'This level and worse: debug, info, warning, error, critical'
complete -c devproxy -n "__devproxy_is logs" -l cursor -x -d 'What came after a cursor, and the next one: for scripts. The first time it is \'\''
complete -c devproxy -n "__devproxy_is logs" -l json -d 'One JSON object a line, for scripts'
complete -c devproxy -n "__devproxy_is logs" -l raw -d 'The lines as they are stored: no prefixes, every byte'
complete -c devproxy -n "__devproxy_is logs" -l no-color -d 'No colours, not even the lines\' own'
complete -c devproxy -n "__devproxy_is logs" -s C -l directory -x -a '(__fish_complete_directories)' -d 'The project'
complete -c devproxy -n "__devproxy_is logs" -s h -l help -d 'Show this help'
complete -c devproxy -n "__devproxy_is logs" -a '(__devproxy_names logged)' -d Service

complete -c devproxy -n "__devproxy_is open" -s C -l directory -x -a '(__fish_complete_directories)' -d 'The project'
complete -c devproxy -n "__devproxy_is open" -l print -d 'Print the address instead'
complete -c devproxy -n "__devproxy_is open" -l dashboard -d 'Open devproxy\'s own page, signed in'
complete -c devproxy -n "__devproxy_is open" -s h -l help -d 'Show this help'

complete -c devproxy -n "__devproxy_is start" -s C -l directory -x -a '(__fish_complete_directories)' -d 'The project'
complete -c devproxy -n "__devproxy_is start" -l json -d 'Print one JSON object, for scripts'
complete -c devproxy -n "__devproxy_is start" -l no-wait -d 'Return when it has begun, not when it is done'
complete -c devproxy -n "__devproxy_is start" -l timeout -x -d 'How long to wait'
complete -c devproxy -n "__devproxy_is start" -s h -l help -d 'Show this help'
complete -c devproxy -n "__devproxy_is start" -a '(__devproxy_names services)' -d Service

complete -c devproxy -n "__devproxy_is stop" -s C -l directory -x -a '(__fish_complete_directories)' -d 'The project'
complete -c devproxy -n "__devproxy_is stop" -l json -d 'Print one JSON object, for scripts'
complete -c devproxy -n "__devproxy_is stop" -l no-wait -d 'Return when it has begun, not when it is done'
complete -c devproxy -n "__devproxy_is stop" -l timeout -x -d 'How long to wait'
complete -c devproxy -n "__devproxy_is stop" -s h -l help -d 'Show this help'
complete -c devproxy -n "__devproxy_is stop" -a '(__devproxy_names services)' -d Service

complete -c devproxy -n "__devproxy_is restart" -s C -l directory -x -a '(__fish_complete_directories)' -d 'The project'
complete -c devproxy -n "__devproxy_is restart" -l json -d 'Print one JSON object, for scripts'
complete -c devproxy -n "__devproxy_is restart" -l no-wait -d 'Return when it has begun, not when it is done'
complete -c devproxy -n "__devproxy_is restart" -l timeout -x -d 'How long to wait'
complete -c devproxy -n "__devproxy_is restart" -s h -l help -d 'Show this help'
complete -c devproxy -n "__devproxy_is restart" -a '(__devproxy_names services)' -d Service

complete -c devproxy -n "__devproxy_is reload" -s C -l directory -x -a '(__fish_complete_directories)' -d 'The project'
complete -c devproxy -n "__devproxy_is reload" -l json -d 'Print one JSON object, for scripts'
complete -c devproxy -n "__devproxy_is reload" -l no-wait -d 'Return when it has begun, not when it is done'
complete -c devproxy -n "__devproxy_is reload" -l timeout -x -d 'How long to wait'
complete -c devproxy -n "__devproxy_is reload" -s h -l help -d 'Show this help'

complete -c devproxy -n "__devproxy_is attach" -s C -l directory -x -a '(__fish_complete_directories)' -d 'The project'
complete -c devproxy -n "__devproxy_is attach" -s h -l help -d 'Show this help'
complete -c devproxy -n "__devproxy_is attach" -a '(__devproxy_names services)' -d Service

complete -c devproxy -n "__devproxy_is down" -s C -l directory -x -a '(__fish_complete_directories)' -d 'The project'
complete -c devproxy -n "__devproxy_is down" -l all -d 'Stop all sessions on this machine (see devproxy ls)'
complete -c devproxy -n "__devproxy_is down" -s y -l yes -d 'With --all: ask nothing'
complete -c devproxy -n "__devproxy_is down" -s h -l help -d 'Show this help'

complete -c devproxy -n "__devproxy_is ports" -l all -d 'Also other users\', system services and ports below 1024'
complete -c devproxy -n "__devproxy_is ports" -l killed -d 'What devproxy has ended to free ports, and why'
complete -c devproxy -n "__devproxy_is ports" -s C -l directory -x -a '(__fish_complete_directories)' -d 'The project'
complete -c devproxy -n "__devproxy_is ports" -l json -d 'Print one JSON object, for scripts'
complete -c devproxy -n "__devproxy_is ports" -s h -l help -d 'Show this help'

complete -c devproxy -n "__devproxy_is kill-port" -s y -l yes -d 'Answer yes to every question'
complete -c devproxy -n "__devproxy_is kill-port" -l force -d 'As --yes, and SIGKILL at once'
complete -c devproxy -n "__devproxy_is kill-port" -l signal -x -a 'TERM INT HUP QUIT KILL ABRT USR1 USR2' -d 'How the holder is asked to end: INT, HUP …'
complete -c devproxy -n "__devproxy_is kill-port" -l wait -x -d 'How long it has before SIGKILL'
complete -c devproxy -n "__devproxy_is kill-port" -s n -l dry-run -d 'Show who listens; end nothing'
complete -c devproxy -n "__devproxy_is kill-port" -l json -d 'One JSON object on stdout; asks nothing'
complete -c devproxy -n "__devproxy_is kill-port" -s C -l directory -x -a '(__fish_complete_directories)' -d 'The project'
complete -c devproxy -n "__devproxy_is kill-port" -s h -l help -d 'Show this help'
complete -c devproxy -n "__devproxy_is kill-port" -a '(__devproxy_names ports)' -d Port

complete -c devproxy -n "__devproxy_is plan" -l json -d 'One JSON object on stdout, for scripts'
complete -c devproxy -n "__devproxy_is plan" -s C -l directory -x -a '(__fish_complete_directories)' -d 'The project'
complete -c devproxy -n "__devproxy_is plan" -s h -l help -d 'Show this help'

complete -c devproxy -n "__devproxy_is init" -s f -l force -d 'Overwrite an existing file'
complete -c devproxy -n "__devproxy_is init" -l print -d 'Print it instead of writing it'
complete -c devproxy -n "__devproxy_is init" -s C -l directory -x -a '(__fish_complete_directories)' -d 'The project'
complete -c devproxy -n "__devproxy_is init" -s h -l help -d 'Show this help'
