# File system tools with their libraries. Each program in bin/ is started through
# the loader beside it, as nothing is at the paths that Debian compiled in. Scripts
# name the programs by path: BusyBox's shell prefers its own applets to PATH.
{
  run,
  debs,
  busybox,
  triplet,
  loader,
}:

run "filesystem-tools" { debs = debs "tools"; } ''
  mkdir -p $out/bin
  for deb in $debs; do
    dpkg-deb -x $deb $out
  done
  rm -rf $out/usr/share $out/etc $out/var
  lib=$out/usr/lib/${triplet}
  cd $out/usr
  for program in bin/* sbin/*; do
    case ''${program##*/} in
    busybox) continue ;;
    esac
    wrapper=$out/bin/''${program##*/}
    echo "#! ${busybox}/bin/sh" > $wrapper
    echo "export GCONV_PATH=$lib/gconv" >> $wrapper # mtools converts names
    echo "exec $lib/${loader} --argv0 $program --library-path $lib $out/usr/$program \"\$@\"" >> $wrapper
  done
  chmod 755 $out/bin/*
''
