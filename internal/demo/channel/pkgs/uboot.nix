# u-boot for the Raspberry Pi: one binary for all 64-bit models.
{ run, debs }:

run "uboot-raspberry-pi" { debs = debs "uboot"; } ''
  for deb in $debs; do
    dpkg-deb -x $deb .
  done
  mkdir -p $out
  cp usr/lib/u-boot/rpi_arm64/u-boot.bin $out/
''
