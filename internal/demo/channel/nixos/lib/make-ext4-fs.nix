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
  files=$(find files | wc -l)
  inodes=$((files + 4096))
  # The tarball is as long everywhere; what files take of the disk depends on where it is.
  # A file has up to 3 KiB more here: blocks of 4 KiB, where tar has two of 512 bytes.
  kib=$(($(stat -c %s files.tar) / 1024 * 11 / 10 + files * 3 + 32768))
  truncate -s ''${kib}k $out
  ${tools}/bin/mke2fs -q -t ext4 -b 4096 -L ${volumeLabel} -U ${uuid} -E hash_seed=${uuid} -N $inodes -d files.tar $out
  ${tools}/bin/e2fsck -fn $out
''
