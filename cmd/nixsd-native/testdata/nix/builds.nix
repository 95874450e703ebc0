# What was built while built.log and failed.log were recorded; see README.md.
{ fails ? false }:
let
  # Derivations that take some seconds, one for each step: nothing ever comes from a new pseudo-terminal.
  run =
    name: steps: inputs: script:
    derivation {
      inherit name inputs fails;
      system = builtins.currentSystem;
      builder = "/bin/sh";
      args = [
        "-euc"
        ''
          i=0
          while [ $i -lt ${toString steps} ]; do
            read -t 1 _ < /dev/ptmx || :
            i=$((i + 1)); echo step $i
          done
          ${script}
        ''
      ];
    };
  done = "echo > $out";
  linux = run "linux-6.12.93" 6 [ ] (if fails then "echo out of luck; exit 2" else done);
  initrd = run "initrd-linux-6.12.93-with-modules-of-a-board-and-a-name-that-does-not-end" 4 [ ] done;
  units = builtins.genList (i: run "unit-${toString i}.service" 1 [ ] done) 6;
in
run "nixos-sd-image" 2 ([ linux initrd ] ++ units) done
