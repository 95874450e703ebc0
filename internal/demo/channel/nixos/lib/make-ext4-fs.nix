# An ext4 file system of a tarball of its files, owned by root, with a little room
# to grow. mke2fs reads the tarball itself, so neither mounts nor fakeroot are
# needed; times and the hash seed are fixed.
{
  run,
  tools,
  volumeLabel,
  populateImageCommands,
  uuid ? "44444444-4444-4444-8888-888888888888",
}:

run "ext4-fs.img" { } ''
  mkdir files
  ${populateImageCommands}
  ${tools}/bin/tar --create --file files.tar --directory files --sort=name --mtime=@1 --owner=0 --group=0 --numeric-owner .
  inodes=$(($(find files | wc -l) + 4096))
  kib=$(($(du -sk files | cut -f1) * 11 / 10 + 32768))
  truncate -s ''${kib}k $out
  ${tools}/bin/mke2fs -q -t ext4 -b 4096 -L ${volumeLabel} -U ${uuid} -E hash_seed=${uuid} -N $inodes -d files.tar $out
  ${tools}/bin/e2fsck -fn $out
''
