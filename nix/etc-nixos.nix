# Puts the configuration into the image at /etc/nixos, so that nixos-rebuild starts
# from what booted: the main file and the .nix files that it and they name by relative
# paths. Other files, such as ones with secrets, are left out.
{ lib, options, ... }:

let
  main = @main@;
  more = [ @more@ ];
  base = builtins.dirOf main;

  # The file of a path as import takes it, or null.
  module =
    path:
    if builtins.match ".*\\.nix" (toString path) != null then
      if builtins.pathExists path then path else null
    else if builtins.pathExists (path + "/default.nix") then
      path + "/default.nix"
    else
      null;

  # The files that a file names by paths such as ./more.nix or ./modules.
  named =
    file:
    let
      parts = builtins.split "(\\.?\\./[0-9A-Za-z_+.-]+(/[0-9A-Za-z_+.-]+)*)" (builtins.readFile file);
      paths = map (p: builtins.dirOf file + "/${builtins.head p}") (builtins.filter builtins.isList parts);
    in
    builtins.filter (f: f != null && below f != null) (map module paths);

  # A file's path below the main file's folder, or null if it is not there.
  below =
    file:
    let
      prefix = toString base + "/";
      n = builtins.stringLength prefix;
      text = toString file;
    in
    if builtins.substring 0 n text == prefix then builtins.substring n (-1) text else null;

  files = map (f: f.file) (
    builtins.genericClosure {
      startSet = [ { key = toString main; file = main; } ];
      operator = f: map (file: { key = toString file; inherit file; }) (named f.file);
    }
  );

  quoted = s: "'" + builtins.replaceStrings [ "'" ] [ "'\\''" ] s + "'";
  install =
    target: source:
    let
      to = quoted "./files/etc/nixos/${target}";
    in
    ''
      mkdir -p "$(dirname ${to})"
      cat ${source} > ${to}
    '';
  module' = path: builtins.path { name = "module.nix"; inherit path; };

  # nixos-rebuild reads configuration.nix. If that is the main file and nothing was
  # added, all stands as it stood; else everything has a folder of its own, so that no
  # file takes another's place.
  alone = builtins.baseNameOf main == "configuration.nix" && more == [ ];
  target = f: if alone then below f else "config/${below f}";
  added = f: "nixsd/${builtins.baseNameOf f}";
  string = s: builtins.replaceStrings [ "\${" ] [ "\\\${" ] (builtins.toJSON s);
  imports = map (n: "(./. + ${string "/${n}"})") ([ (target main) ] ++ map added more);
  entry = builtins.toFile "configuration.nix" ''
    # What this image was built from.
    { imports = [ ${builtins.concatStringsSep " " imports} ]; }
  '';
in
{
  config = lib.optionalAttrs (options ? sdImage) {
    sdImage.populateRootCommands = lib.mkAfter (
      "\n"
      + builtins.concatStringsSep "" (
        map (f: install (target f) (module' f)) files
        ++ map (f: install (added f) (module' f)) more
        ++ (if alone then [ ] else [ (install "configuration.nix" entry) ])
      )
    );
  };
}
