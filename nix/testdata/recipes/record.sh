# Runs inside the demo's sandbox, in a folder with the files beside it, and leaves
# what it records in the folder golden. See ../README.md.
set -u
mkdir golden
json="--log-format internal-json"
build() { # NAME ATTRIBUTE [FLAG…]: a build's log, without the evaluation
    name=$1 drv=$(nix-instantiate builds.nix -A "$2" 2>/dev/null); shift 2
    nix-build "$drv" $json --out-link /tmp/result "$@" >golden/$name.out 2>golden/$name.log
    echo "$name: status $?" >>golden/statuses.txt
}
evaluate() { # NAME [FLAG…]
    name=$1; shift
    nix-instantiate $json "$@" >golden/$name.out 2>golden/$name.log
    echo "$name: status $?" >>golden/statuses.txt
}
dry() { # NAME PATH…
    name=$1; shift
    nix-store --realise --dry-run "$@" 2>golden/$name.txt
}
drv() { nix-instantiate builds.nix -A "$1" 2>/dev/null; }

# --- forecasts, while nothing is built
dry dry-build-one "$(drv part)"
dry dry-build-several "$(drv whole)" "$(drv needsBoth)"
dry dry-unknown /nix/store/00000000000000000000000000000000-nowhere-1.0

# --- derivations that need a file, and others
for name in builtin byFetchurl byGit structured vendored local text plain; do
    cat "$(nix-instantiate downloads.nix -A $name 2>/dev/null)" >golden/$name.drv
done

# --- logs
build build whole
dry dry-nothing "$(drv whole)"
build fail needsBroken
build fail-keep-going needsBoth --keep-going
build fail-silent silent
build fail-no-output noOutput
build fail-system elsewhere
build fail-forged forger
evaluate trace trace.nix
evaluate import builds.nix -A afterImports
evaluate throw throw.nix
evaluate throw-trace throw.nix --show-trace
evaluate undefined undefined.nix -A b
evaluate syntax syntax.nix
evaluate missing missing.nix -A x
evaluate no-attribute builds.nix -A hole

# --- forecasts with something to fetch, from a binary cache of the store's own
whole=$(nix-store --query --outputs "$(drv whole)")
part=$(nix-store --query --outputs "$(drv part)")
cache="file:///tmp/cache"
nix copy --no-check-sigs --to "$cache" "$whole" "$part"
rm -f /tmp/result
nix-store --delete "$whole" "$part" >/dev/null 2>&1
from="--option substituters $cache --option require-sigs false"
dry dry-fetch-one "$part" $from
dry dry-fetch-several "$whole" "$part" $from
dry dry-both "$whole" "$part" "$(drv needsBroken)" $from
nix-store --realise "$whole" $json $from >golden/fetch.out 2>golden/fetch.log

# --- what Nix makes of our own quoting
nix-instantiate --eval --strict --json strings.nix >golden/strings.json
nix-instantiate --eval --strict --json -E \
    '(import ./login-keys.nix { lib = null; }).config.users.users.root.openssh.authorizedKeys.keys' >golden/login-keys.json
nix-instantiate --eval --strict --json -E 'map toString (import ./wrapper.nix).imports' >golden/wrapper.json

# --- a nix.conf's comments
NIX_CONFIG='experimental-features = nix-command
substituters = https://a.test/#fragment' nix config show substituters >golden/conf-comment.txt
find golden -size 0 -exec rm {} +
nix --version >golden/version.txt
