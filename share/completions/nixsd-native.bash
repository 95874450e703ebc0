# bash completion for nixsd-native, made by "nixsd-native completion bash".

_nixsd_native() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
  local command= flags= first= rest= takes= words= arguments=0 skip= i word
  COMPREPLY=()
  if [[ $cur == = ]]; then
    cur=
  elif [[ $prev == = ]]; then
    prev=${COMP_WORDS[COMP_CWORD-2]}
  fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    if [[ -z $command && $word != -* ]]; then
      command=$word
      _nixsd_native_command "$command"
    elif [[ $word == -- && $rest == program ]]; then
      _nixsd_native_program $((i + 1))
      return
    elif [[ $word == = ]]; then
      skip=1
    elif [[ -n $skip ]]; then
      skip=
    elif [[ $word == -* ]]; then
      _nixsd_native_value "$command:$word"
      [[ -z $takes ]] || skip=1
    elif [[ -n $command ]]; then
      ((arguments += 1))
    fi
  done
  takes= words=
  _nixsd_native_value "$command:$prev"
  if [[ -z $command ]]; then
    words='init build fetch update bundle inspect boot inject flash explain shell doctor binfmt clean completion version help --help --version'
  elif [[ -n $takes ]]; then
    _nixsd_native_reply "$takes"
    return
  elif [[ $cur == -* ]]; then
    words=$flags
  elif [[ -n $first && $arguments == 0 ]]; then
    words=$first
  else
    _nixsd_native_reply "$rest"
    return
  fi
  _nixsd_native_reply words
}

# _nixsd_native_command NAME sets what a command has.
_nixsd_native_command() {
  case $1 in
    init) flags='--board --ssh-key --hostname --user --timezone --wifi --wifi-passphrase-file --static-ip --output -o --help -h' first='' rest='' ;;
    build) flags='--output -o --demo --ssh-key --nixos-release --nixpkgs --nixpkgs-sha256 --nix --nix-sha256 --lock-file --channel-mirror --nix-mirror --flake --attr --patch --apply-resize2fs-patch --disable-zfs --qemu-deb --qemu-sha256 --qemu-suite --debian-mirror --offline --bundle --emulation --substituter --trusted-public-key --push-to --signing-key --builder --builders --builder-key --option --inject --wifi --wifi-passphrase-file --ssh-host-key --age-key --dry-run --allow-heavy --compress --assembly --sandbox --cores --max-jobs --keep-going --stall-timeout --state-dir --cache-dir --log-format --verbose -v --quiet -q --json --help -h' first='' rest='file' ;;
    fetch) flags='--demo --system --check --nixos-release --nixpkgs --nixpkgs-sha256 --nix --nix-sha256 --lock-file --channel-mirror --nix-mirror --flake --qemu-deb --qemu-sha256 --qemu-suite --debian-mirror --offline --emulation --state-dir --cache-dir --log-format --verbose -v --quiet -q --json --help -h' first='' rest='file' ;;
    update) flags='--nixos-release --nixpkgs --nixpkgs-sha256 --nix --nix-sha256 --lock-file --channel-mirror --nix-mirror --flake --qemu-deb --qemu-sha256 --qemu-suite --debian-mirror --state-dir --cache-dir --log-format --verbose -v --quiet -q --json --help -h' first='' rest='file' ;;
    bundle) flags='--demo --sources --ssh-key --nixos-release --nixpkgs --nixpkgs-sha256 --nix --nix-sha256 --lock-file --channel-mirror --nix-mirror --flake --attr --patch --apply-resize2fs-patch --disable-zfs --qemu-deb --qemu-sha256 --qemu-suite --debian-mirror --offline --emulation --substituter --trusted-public-key --assembly --state-dir --cache-dir --log-format --verbose -v --quiet -q --json --help -h' first='create verify' rest='file' ;;
    inspect) flags='--json --help -h' first='' rest='file' ;;
    boot) flags='--check --timeout --identity -i --verbose -v --network --port --memory --cpus --u-boot --help -h' first='' rest='file' ;;
    inject) flags='--file --wifi --wifi-passphrase-file --ssh-host-key --age-key --demo --nixos-release --nixpkgs --nixpkgs-sha256 --nix --nix-sha256 --lock-file --channel-mirror --nix-mirror --flake --debian-mirror --offline --bundle --substituter --trusted-public-key --state-dir --cache-dir --log-format --verbose -v --quiet -q --json --help -h' first='' rest='file' ;;
    flash) flags='--yes --serial --log-format --json --quiet -q --help -h' first='' rest='file' ;;
    explain) flags='--json --help -h' first='' rest='file' ;;
    shell) flags='--demo --nixos-release --nixpkgs --nixpkgs-sha256 --nix --nix-sha256 --lock-file --channel-mirror --nix-mirror --flake --attr --patch --apply-resize2fs-patch --disable-zfs --qemu-deb --qemu-sha256 --qemu-suite --debian-mirror --offline --bundle --emulation --substituter --trusted-public-key --builder --builders --builder-key --option --state-dir --cache-dir --log-format --verbose -v --quiet -q --help -h' first='' rest='program' ;;
    doctor) flags='--output -o --demo --nixos-release --nixpkgs --nixpkgs-sha256 --nix --nix-sha256 --lock-file --channel-mirror --nix-mirror --flake --qemu-deb --qemu-sha256 --qemu-suite --debian-mirror --offline --bundle --emulation --substituter --trusted-public-key --builder --builders --builder-key --state-dir --cache-dir --log-format --verbose -v --quiet -q --json --help -h' first='' rest='' ;;
    binfmt) flags='--qemu-deb --qemu-sha256 --qemu-suite --debian-mirror --offline --state-dir --cache-dir --log-format --verbose -v --quiet -q --json --help -h' first='status register unregister' rest='' ;;
    clean) flags='--cache --store --all --state-dir --cache-dir --log-format --verbose -v --quiet -q --json --help -h' first='' rest='' ;;
    completion) flags='--help -h' first='bash zsh fish' rest='' ;;
    version) flags='--json --sbom --licenses --help -h' first='' rest='' ;;
    help) flags='' first='init build fetch update bundle inspect boot inject flash explain shell doctor binfmt clean completion version boards emulation caches air-gap' rest='' ;;
  esac
}

# _nixsd_native_value COMMAND:FLAG sets what a flag takes.
_nixsd_native_value() {
  takes= words=
  case $1 in
    init:--board) takes=words words='rpi3 rpi4 rpi5 zero2w generic' ;;
    init:--ssh-key) takes=file words='' ;;
    init:--hostname) takes=text words='' ;;
    init:--user) takes=text words='' ;;
    init:--timezone) takes=text words='' ;;
    init:--wifi) takes=text words='' ;;
    init:--wifi-passphrase-file) takes=file words='' ;;
    init:--static-ip) takes=text words='' ;;
    init:--output | init:-o) takes=file words='' ;;
    build:--output | build:-o) takes=file words='' ;;
    build:--ssh-key) takes=file words='' ;;
    build:--nixos-release) takes=text words='' ;;
    build:--nixpkgs) takes=text words='' ;;
    build:--nixpkgs-sha256) takes=text words='' ;;
    build:--nix) takes=file words='' ;;
    build:--nix-sha256) takes=text words='' ;;
    build:--lock-file) takes=file words='' ;;
    build:--channel-mirror) takes=text words='' ;;
    build:--nix-mirror) takes=text words='' ;;
    build:--flake) takes=text words='' ;;
    build:--attr) takes=text words='' ;;
    build:--patch) takes=file words='' ;;
    build:--qemu-deb) takes=file words='' ;;
    build:--qemu-sha256) takes=text words='' ;;
    build:--qemu-suite) takes=text words='' ;;
    build:--debian-mirror) takes=text words='' ;;
    build:--bundle) takes=file words='' ;;
    build:--emulation) takes=words words='auto host private none' ;;
    build:--substituter) takes=folder words='' ;;
    build:--trusted-public-key) takes=text words='' ;;
    build:--push-to) takes=folder words='' ;;
    build:--signing-key) takes=file words='' ;;
    build:--builder) takes=text words='' ;;
    build:--builders) takes=text words='' ;;
    build:--builder-key) takes=file words='' ;;
    build:--option) takes=text words='' ;;
    build:--inject) takes=text words='' ;;
    build:--wifi) takes=text words='' ;;
    build:--wifi-passphrase-file) takes=file words='' ;;
    build:--ssh-host-key) takes=file words='' ;;
    build:--age-key) takes=file words='' ;;
    build:--compress) takes=words words='none zstd' ;;
    build:--assembly) takes=words words='auto native emulated' ;;
    build:--cores) takes=text words='' ;;
    build:--max-jobs) takes=text words='' ;;
    build:--stall-timeout) takes=text words='' ;;
    build:--state-dir) takes=folder words='' ;;
    build:--cache-dir) takes=folder words='' ;;
    build:--log-format) takes=words words='auto plain json raw' ;;
    fetch:--system) takes=words words='x86_64-linux aarch64-linux' ;;
    fetch:--nixos-release) takes=text words='' ;;
    fetch:--nixpkgs) takes=text words='' ;;
    fetch:--nixpkgs-sha256) takes=text words='' ;;
    fetch:--nix) takes=file words='' ;;
    fetch:--nix-sha256) takes=text words='' ;;
    fetch:--lock-file) takes=file words='' ;;
    fetch:--channel-mirror) takes=text words='' ;;
    fetch:--nix-mirror) takes=text words='' ;;
    fetch:--flake) takes=text words='' ;;
    fetch:--qemu-deb) takes=file words='' ;;
    fetch:--qemu-sha256) takes=text words='' ;;
    fetch:--qemu-suite) takes=text words='' ;;
    fetch:--debian-mirror) takes=text words='' ;;
    fetch:--emulation) takes=words words='auto host private none' ;;
    fetch:--state-dir) takes=folder words='' ;;
    fetch:--cache-dir) takes=folder words='' ;;
    fetch:--log-format) takes=words words='auto plain json raw' ;;
    update:--nixos-release) takes=text words='' ;;
    update:--nixpkgs) takes=text words='' ;;
    update:--nixpkgs-sha256) takes=text words='' ;;
    update:--nix) takes=file words='' ;;
    update:--nix-sha256) takes=text words='' ;;
    update:--lock-file) takes=file words='' ;;
    update:--channel-mirror) takes=text words='' ;;
    update:--nix-mirror) takes=text words='' ;;
    update:--flake) takes=text words='' ;;
    update:--qemu-deb) takes=file words='' ;;
    update:--qemu-sha256) takes=text words='' ;;
    update:--qemu-suite) takes=text words='' ;;
    update:--debian-mirror) takes=text words='' ;;
    update:--state-dir) takes=folder words='' ;;
    update:--cache-dir) takes=folder words='' ;;
    update:--log-format) takes=words words='auto plain json raw' ;;
    bundle:--ssh-key) takes=file words='' ;;
    bundle:--nixos-release) takes=text words='' ;;
    bundle:--nixpkgs) takes=text words='' ;;
    bundle:--nixpkgs-sha256) takes=text words='' ;;
    bundle:--nix) takes=file words='' ;;
    bundle:--nix-sha256) takes=text words='' ;;
    bundle:--lock-file) takes=file words='' ;;
    bundle:--channel-mirror) takes=text words='' ;;
    bundle:--nix-mirror) takes=text words='' ;;
    bundle:--flake) takes=text words='' ;;
    bundle:--attr) takes=text words='' ;;
    bundle:--patch) takes=file words='' ;;
    bundle:--qemu-deb) takes=file words='' ;;
    bundle:--qemu-sha256) takes=text words='' ;;
    bundle:--qemu-suite) takes=text words='' ;;
    bundle:--debian-mirror) takes=text words='' ;;
    bundle:--emulation) takes=words words='auto host private none' ;;
    bundle:--substituter) takes=folder words='' ;;
    bundle:--trusted-public-key) takes=text words='' ;;
    bundle:--assembly) takes=words words='auto native emulated' ;;
    bundle:--state-dir) takes=folder words='' ;;
    bundle:--cache-dir) takes=folder words='' ;;
    bundle:--log-format) takes=words words='auto plain json raw' ;;
    boot:--timeout) takes=text words='' ;;
    boot:--identity | boot:-i) takes=file words='' ;;
    boot:--port) takes=text words='' ;;
    boot:--memory) takes=text words='' ;;
    boot:--cpus) takes=text words='' ;;
    boot:--u-boot) takes=file words='' ;;
    inject:--file) takes=text words='' ;;
    inject:--wifi) takes=text words='' ;;
    inject:--wifi-passphrase-file) takes=file words='' ;;
    inject:--ssh-host-key) takes=file words='' ;;
    inject:--age-key) takes=file words='' ;;
    inject:--nixos-release) takes=text words='' ;;
    inject:--nixpkgs) takes=text words='' ;;
    inject:--nixpkgs-sha256) takes=text words='' ;;
    inject:--nix) takes=file words='' ;;
    inject:--nix-sha256) takes=text words='' ;;
    inject:--lock-file) takes=file words='' ;;
    inject:--channel-mirror) takes=text words='' ;;
    inject:--nix-mirror) takes=text words='' ;;
    inject:--flake) takes=text words='' ;;
    inject:--debian-mirror) takes=text words='' ;;
    inject:--bundle) takes=file words='' ;;
    inject:--substituter) takes=folder words='' ;;
    inject:--trusted-public-key) takes=text words='' ;;
    inject:--state-dir) takes=folder words='' ;;
    inject:--cache-dir) takes=folder words='' ;;
    inject:--log-format) takes=words words='auto plain json raw' ;;
    flash:--serial) takes=text words='' ;;
    flash:--log-format) takes=words words='auto plain json raw' ;;
    shell:--nixos-release) takes=text words='' ;;
    shell:--nixpkgs) takes=text words='' ;;
    shell:--nixpkgs-sha256) takes=text words='' ;;
    shell:--nix) takes=file words='' ;;
    shell:--nix-sha256) takes=text words='' ;;
    shell:--lock-file) takes=file words='' ;;
    shell:--channel-mirror) takes=text words='' ;;
    shell:--nix-mirror) takes=text words='' ;;
    shell:--flake) takes=text words='' ;;
    shell:--attr) takes=text words='' ;;
    shell:--patch) takes=file words='' ;;
    shell:--qemu-deb) takes=file words='' ;;
    shell:--qemu-sha256) takes=text words='' ;;
    shell:--qemu-suite) takes=text words='' ;;
    shell:--debian-mirror) takes=text words='' ;;
    shell:--bundle) takes=file words='' ;;
    shell:--emulation) takes=words words='auto host private none' ;;
    shell:--substituter) takes=folder words='' ;;
    shell:--trusted-public-key) takes=text words='' ;;
    shell:--builder) takes=text words='' ;;
    shell:--builders) takes=text words='' ;;
    shell:--builder-key) takes=file words='' ;;
    shell:--option) takes=text words='' ;;
    shell:--state-dir) takes=folder words='' ;;
    shell:--cache-dir) takes=folder words='' ;;
    shell:--log-format) takes=words words='auto plain json raw' ;;
    doctor:--output | doctor:-o) takes=file words='' ;;
    doctor:--nixos-release) takes=text words='' ;;
    doctor:--nixpkgs) takes=text words='' ;;
    doctor:--nixpkgs-sha256) takes=text words='' ;;
    doctor:--nix) takes=file words='' ;;
    doctor:--nix-sha256) takes=text words='' ;;
    doctor:--lock-file) takes=file words='' ;;
    doctor:--channel-mirror) takes=text words='' ;;
    doctor:--nix-mirror) takes=text words='' ;;
    doctor:--flake) takes=text words='' ;;
    doctor:--qemu-deb) takes=file words='' ;;
    doctor:--qemu-sha256) takes=text words='' ;;
    doctor:--qemu-suite) takes=text words='' ;;
    doctor:--debian-mirror) takes=text words='' ;;
    doctor:--bundle) takes=file words='' ;;
    doctor:--emulation) takes=words words='auto host private none' ;;
    doctor:--substituter) takes=folder words='' ;;
    doctor:--trusted-public-key) takes=text words='' ;;
    doctor:--builder) takes=text words='' ;;
    doctor:--builders) takes=text words='' ;;
    doctor:--builder-key) takes=file words='' ;;
    doctor:--state-dir) takes=folder words='' ;;
    doctor:--cache-dir) takes=folder words='' ;;
    doctor:--log-format) takes=words words='auto plain json raw' ;;
    binfmt:--qemu-deb) takes=file words='' ;;
    binfmt:--qemu-sha256) takes=text words='' ;;
    binfmt:--qemu-suite) takes=text words='' ;;
    binfmt:--debian-mirror) takes=text words='' ;;
    binfmt:--state-dir) takes=folder words='' ;;
    binfmt:--cache-dir) takes=folder words='' ;;
    binfmt:--log-format) takes=words words='auto plain json raw' ;;
    clean:--state-dir) takes=folder words='' ;;
    clean:--cache-dir) takes=folder words='' ;;
    clean:--log-format) takes=words words='auto plain json raw' ;;
  esac
}

_nixsd_native_reply() {
  case $1 in
    words) mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur") ;;
    file) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    folder) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
  esac
}

# _nixsd_native_program N completes a program, word N, and files behind it.
_nixsd_native_program() {
  if ((COMP_CWORD == $1)); then
    mapfile -t COMPREPLY < <(compgen -c -- "$cur")
  else
    _nixsd_native_reply file
  fi
}

complete -F _nixsd_native nixsd-native
