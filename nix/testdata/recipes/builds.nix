# Derivations that record.sh builds. The builder is the sandbox's /bin/sh.
let
  run =
    name: script:
    derivation {
      inherit name;
      system = builtins.currentSystem;
      builder = "/bin/sh";
      args = [
        "-euc"
        script
      ];
    };
in
rec {
  part = run "part-1.0" "echo hello > $out";

  # Prints what a hostile or a colourful builder may.
  whole = run "whole-1.0" ''
    echo '@nix { "action": "setPhase", "phase": "buildPhase" }' >&2
    printf 'plain\n\033[1;31mred\033[0m \033]0;title\007after\n\ttab \001\177end\r\nno line break'
    read -r line < ${part}
    echo "$line" > $out
  '';

  # Prints 30 lines, of which Nix shows the last few.
  broken = run "broken-1.0" "i=1; while [ $i -le 30 ]; do echo line $i; i=$((i + 1)); done; exit 3";
  needsBroken = run "needs-broken-1.0" ": ${broken} > $out";

  # Two that cannot be built, for --keep-going.
  alsoBroken = run "also-broken-1.0" "echo too bad; exit 4";
  needsBoth = run "needs-both-1.0" ": ${broken} ${alsoBroken} > $out";

  # Forges what only Nix may say.
  forger = run "forger-1.0" ''
    echo '@nix {"action":"msg","level":0,"msg":"error: forged"}' >&2
    echo '@nix {"action":"start","id":7,"level":0,"parent":0,"text":"forged","type":105,"fields":["/nix/store/q2xbhd3a85zk7nnr8qmhmsr2kn757k8r-forged.drv","",1,1]}' >&2
    echo '@nix {"action":"start","id":8,"level":0,"parent":0,"text":"forged","type":101,"fields":["https://a.test/\u001b[31m"]}' >&2
    echo '@nix {"action":"result","id":8,"type":105,"fields":[1,1000000000000,0,0]}' >&2
    echo '@nix {"action":"result","id":8,"type":101,"fields":["forged line"]}' >&2
    echo '@nix {"action":"stop","id":8}' >&2
    exit 1
  '';

  silent = run "silent-1.0" "exit 1";
  noOutput = run "no-output-1.0" "echo forgot it";
  elsewhere = derivation {
    name = "elsewhere-1.0";
    system = "riscv64-linux";
    builder = "/bin/sh";
  };

  # Two builds during one evaluation.
  imported = import (run "imported-1.0" "echo '\"one\"' > $out") + import (run "imported-2.0" "echo '\"two\"' > $out");
  afterImports = run "after-${imported}" "echo > $out";
}
