# OpenSSH and its libraries as a piece of a root file system, at Debian's paths.
{ run, debs }:

run "openssh" { debs = debs "ssh"; } ''
  mkdir -p $out
  for deb in $debs; do
    dpkg-deb -x $deb $out
  done
  cd $out
  rm -rf usr/share etc var usr/games lib/systemd usr/lib/systemd
''
