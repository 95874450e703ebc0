# The initial RAM disk: BusyBox, the kernel modules, unpacked, and a script that
# finds the root file system by its label.
{ run, busybox, kernel }:

run "initrd" { } ''
  mkdir -p root/bin root/dev root/proc root/sys root/new root/lib
  cp ${busybox}/bin/busybox root/bin/busybox
  cp -r ${kernel}/lib/modules root/lib/
  cp ${./init} root/init
  chmod 755 root/init
  find root -exec touch -h -d @1 {} +
  cd root
  find . | sort | cpio -o -H newc -R 0:0 --renumber-inodes --ignore-devno > $out
''
