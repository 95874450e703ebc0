{
  stdenv,
  e2fsprogs,
  commands,
}:
stdenv.mkDerivation {
  name = "ext4-fs.img";
  inherit commands;
  tools = "${e2fsprogs}";
}
