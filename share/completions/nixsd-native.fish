# fish completion for nixsd-native, made by "nixsd-native completion fish".

# __nixsd_native_words prints the command and its arguments, without flags.
function __nixsd_native_words
  for word in (commandline -opc)[2..-1]
    string match -q -- '-*' $word; or echo $word
  end
end

function __nixsd_native_is
  set -l words (__nixsd_native_words)
  test "$words[1]" = "$argv[1]"
end

# __nixsd_native_first tells that a command's first argument comes next.
function __nixsd_native_first
  set -l words (__nixsd_native_words)
  test "$words[1]" = "$argv[1]"; and test (count $words) -eq 1
end

complete -c nixsd-native -f
complete -c nixsd-native -n '__nixsd_native_is \'\'' -a init -d 'write a configuration to start with, sd-card.nix'
complete -c nixsd-native -n '__nixsd_native_is \'\'' -a build -d 'build an SD-card image, or several'
complete -c nixsd-native -n '__nixsd_native_is \'\'' -a fetch -d 'download and verify every input, build nothing'
complete -c nixsd-native -n '__nixsd_native_is \'\'' -a update -d 'find the newest channel, QEMU and Nix for the lock file'
complete -c nixsd-native -n '__nixsd_native_is \'\'' -a bundle -d 'put all that a build needs into one file, to build offline'
complete -c nixsd-native -n '__nixsd_native_is \'\'' -a inspect -d 'tell what an image holds, and whether it would boot'
complete -c nixsd-native -n '__nixsd_native_is \'\'' -a boot -d 'boot an image in QEMU'
complete -c nixsd-native -n '__nixsd_native_is \'\'' -a inject -d 'put secrets into a finished image'
complete -c nixsd-native -n '__nixsd_native_is \'\'' -a flash -d 'write an image to an SD card, and read it back'
complete -c nixsd-native -n '__nixsd_native_is \'\'' -a explain -d 'tell what the failure in a log means'
complete -c nixsd-native -n '__nixsd_native_is \'\'' -a shell -d 'run a shell, or a command, inside the build\'s root'
complete -c nixsd-native -n '__nixsd_native_is \'\'' -a doctor -d 'tell what this host can do, and what would help'
complete -c nixsd-native -n '__nixsd_native_is \'\'' -a binfmt -d 'show, add or remove the host\'s handler for aarch64 programs'
complete -c nixsd-native -n '__nixsd_native_is \'\'' -a clean -d 'free disk space, and remove what a killed build left'
complete -c nixsd-native -n '__nixsd_native_is \'\'' -a completion -d 'print what lets a shell complete commands and flags'
complete -c nixsd-native -n '__nixsd_native_is \'\'' -a version -d 'print the version and what it pins'
complete -c nixsd-native -n '__nixsd_native_is \'\'' -a help -d 'explain a command or a topic'
complete -c nixsd-native -n '__nixsd_native_is \'\'' -s h -l help -d 'explain the program'
complete -c nixsd-native -n '__nixsd_native_is \'\'' -l version -d 'print the version'
complete -c nixsd-native -n '__nixsd_native_is init' -l board -d 'board that the card is for: rpi3, rpi4, rpi5, zero2w, generic; see "help boards"' -x -a 'rpi3 rpi4 rpi5 zero2w generic'
complete -c nixsd-native -n '__nixsd_native_is init' -l ssh-key -d 'let the holders of the public keys in file log in; repeatable' -r -F
complete -c nixsd-native -n '__nixsd_native_is init' -l hostname -d 'the board\'s name' -x
complete -c nixsd-native -n '__nixsd_native_is init' -l user -d 'the name of who logs in' -x
complete -c nixsd-native -n '__nixsd_native_is init' -l timezone -d 'time zone, such as Europe/Berlin' -x
complete -c nixsd-native -n '__nixsd_native_is init' -l wifi -d 'join the Wi-Fi network SSID' -x
complete -c nixsd-native -n '__nixsd_native_is init' -l wifi-passphrase-file -d 'file with the Wi-Fi\'s passphrase, instead of a question' -r -F
complete -c nixsd-native -n '__nixsd_native_is init' -l static-ip -d 'fixed address instead of DHCP, of the Wi-Fi if there is one: IP/PREFIX[,GATEWAY[,DNS]]' -x
complete -c nixsd-native -n '__nixsd_native_is init' -s o -l output -d 'file or folder to write to' -r -F
complete -c nixsd-native -n '__nixsd_native_is init' -s h -l help -d 'explain the command'
complete -c nixsd-native -n '__nixsd_native_is build' -s o -l output -d 'file or folder for the image' -r -F
complete -c nixsd-native -n '__nixsd_native_is build' -l demo -d 'build the small demo system, from Debian packages, instead of NixOS'
complete -c nixsd-native -n '__nixsd_native_is build' -l ssh-key -d 'add the public key in file to the image\'s login; repeatable' -r -F
complete -c nixsd-native -n '__nixsd_native_is build' -l nixos-release -d 'release of NixOS, such as 26.05 or unstable (default 26.05)' -x
complete -c nixsd-native -n '__nixsd_native_is build' -l nixpkgs -d 'another nixpkgs: the URL of a tarball, a revision, or a folder' -x
complete -c nixsd-native -n '__nixsd_native_is build' -l nixpkgs-sha256 -d 'the expected hash of --nixpkgs, a tarball' -x
complete -c nixsd-native -n '__nixsd_native_is build' -l nix -d 'another Nix: its binary tarball, a file or URL' -r -F
complete -c nixsd-native -n '__nixsd_native_is build' -l nix-sha256 -d 'the expected hash of --nix' -x
complete -c nixsd-native -n '__nixsd_native_is build' -l lock-file -d 'file that pins the inputs (default nixsd.lock beside CONFIG)' -r -F
complete -c nixsd-native -n '__nixsd_native_is build' -l channel-mirror -d 'URL of a mirror of NixOS channels, to resolve them at instead of https://channels.nixos.org; repeatable' -x
complete -c nixsd-native -n '__nixsd_native_is build' -l nix-mirror -d 'URL of a mirror of https://releases.nixos.org, asked before it; repeatable' -x
complete -c nixsd-native -n '__nixsd_native_is build' -l flake -d 'build REF#NAME of a flake\'s nixosConfigurations instead of CONFIG; repeatable' -x
complete -c nixsd-native -n '__nixsd_native_is build' -l attr -d 'build another attribute of the system' -x
complete -c nixsd-native -n '__nixsd_native_is build' -l patch -d 'apply the patch in file to nixpkgs first; repeatable' -r -F
complete -c nixsd-native -n '__nixsd_native_is build' -l apply-resize2fs-patch -d 'let the image builder of NixOS 20.03 and older check the file system before it shrinks it'
complete -c nixsd-native -n '__nixsd_native_is build' -l disable-zfs -d 'leave ZFS out of the image'
complete -c nixsd-native -n '__nixsd_native_is build' -l qemu-deb -d 'take the emulator from this .deb, a file or URL' -r -F
complete -c nixsd-native -n '__nixsd_native_is build' -l qemu-sha256 -d 'the .deb\'s expected hash: of --qemu-deb, or to choose another pinned one' -x
complete -c nixsd-native -n '__nixsd_native_is build' -l qemu-suite -d 'take the emulator that a Debian suite has now, by its signed index' -x
complete -c nixsd-native -n '__nixsd_native_is build' -l debian-mirror -d 'URL of a Debian mirror, before all others; repeatable' -x
complete -c nixsd-native -n '__nixsd_native_is build' -l offline -d 'use no network at all, neither here nor in the build'
complete -c nixsd-native -n '__nixsd_native_is build' -l bundle -d 'take everything from the file that "bundle create" made; implies --offline' -r -F
complete -c nixsd-native -n '__nixsd_native_is build' -l emulation -d 'where the emulator is registered' -x -a 'auto host private none'
complete -c nixsd-native -n '__nixsd_native_is build' -l substituter -d 'URL or folder of a binary cache to ask before https://cache.nixos.org; repeatable' -x -a '(__fish_complete_directories)'
complete -c nixsd-native -n '__nixsd_native_is build' -l trusted-public-key -d 'key of a binary cache, NAME:BASE64; repeatable' -x
complete -c nixsd-native -n '__nixsd_native_is build' -l push-to -d 'copy what was built to a binary cache: a folder or URL (http, https, ssh, ssh-ng, s3)' -x -a '(__fish_complete_directories)'
complete -c nixsd-native -n '__nixsd_native_is build' -l signing-key -d 'sign what is copied with the secret key in file' -r -F
complete -c nixsd-native -n '__nixsd_native_is build' -l builder -d 'let [USER@]HOST[:PORT] do the aarch64 work, over ssh, on all its processors; repeatable' -x
complete -c nixsd-native -n '__nixsd_native_is build' -l builders -d 'remote builders, a spec as Nix has it: "ssh-ng://HOST aarch64-linux …" or @FILE; repeatable' -x
complete -c nixsd-native -n '__nixsd_native_is build' -l builder-key -d 'private key file for remote builders, and for --push-to by ssh (default: those in ~/.ssh)' -r -F
complete -c nixsd-native -n '__nixsd_native_is build' -l option -d 'hand a setting to Nix, NAME VALUE or NAME=VALUE; repeatable' -x
complete -c nixsd-native -n '__nixsd_native_is build' -l inject -d 'put a file into the finished image: SRC:DEST[:MODE[:UID:GID]], by default 0600 and root\'s; repeatable' -x
complete -c nixsd-native -n '__nixsd_native_is build' -l wifi -d 'put the key of the Wi-Fi network SSID into the image, at /var/lib/nixsd/wifi.conf' -x
complete -c nixsd-native -n '__nixsd_native_is build' -l wifi-passphrase-file -d 'the passphrase of --wifi is the first line of this file; without it, it is asked for' -r -F
complete -c nixsd-native -n '__nixsd_native_is build' -l ssh-host-key -d 'put the private key in file into the image, as its ssh host key' -r -F
complete -c nixsd-native -n '__nixsd_native_is build' -l age-key -d 'put the age identity in file into the image, at /var/lib/sops-nix/key.txt' -r -F
complete -c nixsd-native -n '__nixsd_native_is build' -l dry-run -d 'tell what would be downloaded and built, and stop'
complete -c nixsd-native -n '__nixsd_native_is build' -l allow-heavy -d 'go on although a kernel, a compiler or the like would be built under emulation'
complete -c nixsd-native -n '__nixsd_native_is build' -l compress -d 'compress the delivered image' -x -a 'none zstd'
complete -c nixsd-native -n '__nixsd_native_is build' -l assembly -d 'which tools make file systems' -x -a 'auto native emulated'
complete -c nixsd-native -n '__nixsd_native_is build' -l sandbox -d 'use Nix\'s own sandbox for each build, too'
complete -c nixsd-native -n '__nixsd_native_is build' -l cores -d 'processors for one build, 0 for all' -x
complete -c nixsd-native -n '__nixsd_native_is build' -l max-jobs -d 'builds at a time, 0 for one a processor' -x
complete -c nixsd-native -n '__nixsd_native_is build' -l keep-going -d 'after a failure, go on with what does not depend on it'
complete -c nixsd-native -n '__nixsd_native_is build' -l stall-timeout -d 'warn when a build neither prints nor computes for this time, 0 for never' -x
complete -c nixsd-native -n '__nixsd_native_is build' -l state-dir -d 'folder of the Nix store and of locks' -x -a '(__fish_complete_directories)'
complete -c nixsd-native -n '__nixsd_native_is build' -l cache-dir -d 'folder of downloads' -x -a '(__fish_complete_directories)'
complete -c nixsd-native -n '__nixsd_native_is build' -l log-format -d 'how progress is printed' -x -a 'auto plain json raw'
complete -c nixsd-native -n '__nixsd_native_is build' -s v -l verbose -d 'also print what builders print'
complete -c nixsd-native -n '__nixsd_native_is build' -s q -l quiet -d 'print warnings and errors only'
complete -c nixsd-native -n '__nixsd_native_is build' -l json -d 'print the result as one JSON object'
complete -c nixsd-native -n '__nixsd_native_is build' -s h -l help -d 'explain the command'
complete -c nixsd-native -n '__nixsd_native_is build' -F
complete -c nixsd-native -n '__nixsd_native_is fetch' -l demo -d 'the inputs of the demo'
complete -c nixsd-native -n '__nixsd_native_is fetch' -l system -d 'what the machine is that will build' -x -a 'x86_64-linux aarch64-linux'
complete -c nixsd-native -n '__nixsd_native_is fetch' -l check -d 'verify what the cache holds, without network, and change nothing'
complete -c nixsd-native -n '__nixsd_native_is fetch' -l nixos-release -d 'release of NixOS, such as 26.05 or unstable (default 26.05)' -x
complete -c nixsd-native -n '__nixsd_native_is fetch' -l nixpkgs -d 'another nixpkgs: the URL of a tarball, a revision, or a folder' -x
complete -c nixsd-native -n '__nixsd_native_is fetch' -l nixpkgs-sha256 -d 'the expected hash of --nixpkgs, a tarball' -x
complete -c nixsd-native -n '__nixsd_native_is fetch' -l nix -d 'another Nix: its binary tarball, a file or URL' -r -F
complete -c nixsd-native -n '__nixsd_native_is fetch' -l nix-sha256 -d 'the expected hash of --nix' -x
complete -c nixsd-native -n '__nixsd_native_is fetch' -l lock-file -d 'file that pins the inputs (default nixsd.lock beside CONFIG)' -r -F
complete -c nixsd-native -n '__nixsd_native_is fetch' -l channel-mirror -d 'URL of a mirror of NixOS channels, to resolve them at instead of https://channels.nixos.org; repeatable' -x
complete -c nixsd-native -n '__nixsd_native_is fetch' -l nix-mirror -d 'URL of a mirror of https://releases.nixos.org, asked before it; repeatable' -x
complete -c nixsd-native -n '__nixsd_native_is fetch' -l flake -d 'the lock file is that of the flake REF' -x
complete -c nixsd-native -n '__nixsd_native_is fetch' -l qemu-deb -d 'take the emulator from this .deb, a file or URL' -r -F
complete -c nixsd-native -n '__nixsd_native_is fetch' -l qemu-sha256 -d 'the .deb\'s expected hash: of --qemu-deb, or to choose another pinned one' -x
complete -c nixsd-native -n '__nixsd_native_is fetch' -l qemu-suite -d 'take the emulator that a Debian suite has now, by its signed index' -x
complete -c nixsd-native -n '__nixsd_native_is fetch' -l debian-mirror -d 'URL of a Debian mirror, before all others; repeatable' -x
complete -c nixsd-native -n '__nixsd_native_is fetch' -l offline -d 'use no network at all, neither here nor in the build'
complete -c nixsd-native -n '__nixsd_native_is fetch' -l emulation -d 'where the emulator is registered' -x -a 'auto host private none'
complete -c nixsd-native -n '__nixsd_native_is fetch' -l state-dir -d 'folder of the Nix store and of locks' -x -a '(__fish_complete_directories)'
complete -c nixsd-native -n '__nixsd_native_is fetch' -l cache-dir -d 'folder of downloads' -x -a '(__fish_complete_directories)'
complete -c nixsd-native -n '__nixsd_native_is fetch' -l log-format -d 'how progress is printed' -x -a 'auto plain json raw'
complete -c nixsd-native -n '__nixsd_native_is fetch' -s v -l verbose -d 'also print what builders print'
complete -c nixsd-native -n '__nixsd_native_is fetch' -s q -l quiet -d 'print warnings and errors only'
complete -c nixsd-native -n '__nixsd_native_is fetch' -l json -d 'print the result as one JSON object'
complete -c nixsd-native -n '__nixsd_native_is fetch' -s h -l help -d 'explain the command'
complete -c nixsd-native -n '__nixsd_native_is fetch' -F
complete -c nixsd-native -n '__nixsd_native_is update' -l nixos-release -d 'release of NixOS, such as 26.05 or unstable (default 26.05)' -x
complete -c nixsd-native -n '__nixsd_native_is update' -l nixpkgs -d 'another nixpkgs: the URL of a tarball, a revision, or a folder' -x
complete -c nixsd-native -n '__nixsd_native_is update' -l nixpkgs-sha256 -d 'the expected hash of --nixpkgs, a tarball' -x
complete -c nixsd-native -n '__nixsd_native_is update' -l nix -d 'another Nix: its binary tarball, a file or URL' -r -F
complete -c nixsd-native -n '__nixsd_native_is update' -l nix-sha256 -d 'the expected hash of --nix' -x
complete -c nixsd-native -n '__nixsd_native_is update' -l lock-file -d 'file that pins the inputs (default nixsd.lock beside CONFIG)' -r -F
complete -c nixsd-native -n '__nixsd_native_is update' -l channel-mirror -d 'URL of a mirror of NixOS channels, to resolve them at instead of https://channels.nixos.org; repeatable' -x
complete -c nixsd-native -n '__nixsd_native_is update' -l nix-mirror -d 'URL of a mirror of https://releases.nixos.org, asked before it; repeatable' -x
complete -c nixsd-native -n '__nixsd_native_is update' -l flake -d 'the lock file is that of the flake REF' -x
complete -c nixsd-native -n '__nixsd_native_is update' -l qemu-deb -d 'take the emulator from this .deb, a file or URL' -r -F
complete -c nixsd-native -n '__nixsd_native_is update' -l qemu-sha256 -d 'the .deb\'s expected hash: of --qemu-deb, or to choose another pinned one' -x
complete -c nixsd-native -n '__nixsd_native_is update' -l qemu-suite -d 'take the emulator that a Debian suite has now, by its signed index' -x
complete -c nixsd-native -n '__nixsd_native_is update' -l debian-mirror -d 'URL of a Debian mirror, before all others; repeatable' -x
complete -c nixsd-native -n '__nixsd_native_is update' -l state-dir -d 'folder of the Nix store and of locks' -x -a '(__fish_complete_directories)'
complete -c nixsd-native -n '__nixsd_native_is update' -l cache-dir -d 'folder of downloads' -x -a '(__fish_complete_directories)'
complete -c nixsd-native -n '__nixsd_native_is update' -l log-format -d 'how progress is printed' -x -a 'auto plain json raw'
complete -c nixsd-native -n '__nixsd_native_is update' -s v -l verbose -d 'also print what builders print'
complete -c nixsd-native -n '__nixsd_native_is update' -s q -l quiet -d 'print warnings and errors only'
complete -c nixsd-native -n '__nixsd_native_is update' -l json -d 'print the result as one JSON object'
complete -c nixsd-native -n '__nixsd_native_is update' -s h -l help -d 'explain the command'
complete -c nixsd-native -n '__nixsd_native_is update' -F
complete -c nixsd-native -n '__nixsd_native_is bundle' -l demo -d 'bundle what the demo needs, whatever its configuration'
complete -c nixsd-native -n '__nixsd_native_is bundle' -l sources -d 'also what no cache has and the build would download to build from'
complete -c nixsd-native -n '__nixsd_native_is bundle' -l ssh-key -d 'add the public key in file to the image\'s login; repeatable' -r -F
complete -c nixsd-native -n '__nixsd_native_is bundle' -l nixos-release -d 'release of NixOS, such as 26.05 or unstable (default 26.05)' -x
complete -c nixsd-native -n '__nixsd_native_is bundle' -l nixpkgs -d 'another nixpkgs: the URL of a tarball, a revision, or a folder' -x
complete -c nixsd-native -n '__nixsd_native_is bundle' -l nixpkgs-sha256 -d 'the expected hash of --nixpkgs, a tarball' -x
complete -c nixsd-native -n '__nixsd_native_is bundle' -l nix -d 'another Nix: its binary tarball, a file or URL' -r -F
complete -c nixsd-native -n '__nixsd_native_is bundle' -l nix-sha256 -d 'the expected hash of --nix' -x
complete -c nixsd-native -n '__nixsd_native_is bundle' -l lock-file -d 'file that pins the inputs (default nixsd.lock beside CONFIG)' -r -F
complete -c nixsd-native -n '__nixsd_native_is bundle' -l channel-mirror -d 'URL of a mirror of NixOS channels, to resolve them at instead of https://channels.nixos.org; repeatable' -x
complete -c nixsd-native -n '__nixsd_native_is bundle' -l nix-mirror -d 'URL of a mirror of https://releases.nixos.org, asked before it; repeatable' -x
complete -c nixsd-native -n '__nixsd_native_is bundle' -l flake -d 'build REF#NAME of a flake\'s nixosConfigurations instead of CONFIG; repeatable' -x
complete -c nixsd-native -n '__nixsd_native_is bundle' -l attr -d 'build another attribute of the system' -x
complete -c nixsd-native -n '__nixsd_native_is bundle' -l patch -d 'apply the patch in file to nixpkgs first; repeatable' -r -F
complete -c nixsd-native -n '__nixsd_native_is bundle' -l apply-resize2fs-patch -d 'let the image builder of NixOS 20.03 and older check the file system before it shrinks it'
complete -c nixsd-native -n '__nixsd_native_is bundle' -l disable-zfs -d 'leave ZFS out of the image'
complete -c nixsd-native -n '__nixsd_native_is bundle' -l qemu-deb -d 'take the emulator from this .deb, a file or URL' -r -F
complete -c nixsd-native -n '__nixsd_native_is bundle' -l qemu-sha256 -d 'the .deb\'s expected hash: of --qemu-deb, or to choose another pinned one' -x
complete -c nixsd-native -n '__nixsd_native_is bundle' -l qemu-suite -d 'take the emulator that a Debian suite has now, by its signed index' -x
complete -c nixsd-native -n '__nixsd_native_is bundle' -l debian-mirror -d 'URL of a Debian mirror, before all others; repeatable' -x
complete -c nixsd-native -n '__nixsd_native_is bundle' -l offline -d 'use no network at all, neither here nor in the build'
complete -c nixsd-native -n '__nixsd_native_is bundle' -l emulation -d 'where the emulator is registered' -x -a 'auto host private none'
complete -c nixsd-native -n '__nixsd_native_is bundle' -l substituter -d 'URL or folder of a binary cache to ask before https://cache.nixos.org; repeatable' -x -a '(__fish_complete_directories)'
complete -c nixsd-native -n '__nixsd_native_is bundle' -l trusted-public-key -d 'key of a binary cache, NAME:BASE64; repeatable' -x
complete -c nixsd-native -n '__nixsd_native_is bundle' -l assembly -d 'which tools will make file systems' -x -a 'auto native emulated'
complete -c nixsd-native -n '__nixsd_native_is bundle' -l state-dir -d 'folder of the Nix store and of locks' -x -a '(__fish_complete_directories)'
complete -c nixsd-native -n '__nixsd_native_is bundle' -l cache-dir -d 'folder of downloads' -x -a '(__fish_complete_directories)'
complete -c nixsd-native -n '__nixsd_native_is bundle' -l log-format -d 'how progress is printed' -x -a 'auto plain json raw'
complete -c nixsd-native -n '__nixsd_native_is bundle' -s v -l verbose -d 'also print what builders print'
complete -c nixsd-native -n '__nixsd_native_is bundle' -s q -l quiet -d 'print warnings and errors only'
complete -c nixsd-native -n '__nixsd_native_is bundle' -l json -d 'print the result as one JSON object'
complete -c nixsd-native -n '__nixsd_native_is bundle' -s h -l help -d 'explain the command'
complete -c nixsd-native -n '__nixsd_native_first bundle' -a 'create verify'
complete -c nixsd-native -n '__nixsd_native_is bundle; and not __nixsd_native_first bundle' -F
complete -c nixsd-native -n '__nixsd_native_is inspect' -l json -d 'print one JSON object'
complete -c nixsd-native -n '__nixsd_native_is inspect' -s h -l help -d 'explain the command'
complete -c nixsd-native -n '__nixsd_native_is inspect' -F
complete -c nixsd-native -n '__nixsd_native_is boot' -l check -d 'see whether it boots and lets in, and shut it down'
complete -c nixsd-native -n '__nixsd_native_is boot' -l timeout -d 'how long --check may take' -x
complete -c nixsd-native -n '__nixsd_native_is boot' -s i -l identity -d 'private key file that --check logs in with (default ssh-agent\'s and ~/.ssh/id_*)' -r -F
complete -c nixsd-native -n '__nixsd_native_is boot' -s v -l verbose -d 'with --check, print what the console shows'
complete -c nixsd-native -n '__nixsd_native_is boot' -l network -d 'let it reach the network and what listens on this machine'
complete -c nixsd-native -n '__nixsd_native_is boot' -l port -d 'port of 127.0.0.1 for ssh (default a free one)' -x
complete -c nixsd-native -n '__nixsd_native_is boot' -l memory -d 'the machine\'s memory in MiB' -x
complete -c nixsd-native -n '__nixsd_native_is boot' -l cpus -d 'the machine\'s processors' -x
complete -c nixsd-native -n '__nixsd_native_is boot' -l u-boot -d 'u-boot.bin for qemu_arm64, a file (default the installed one)' -r -F
complete -c nixsd-native -n '__nixsd_native_is boot' -s h -l help -d 'explain the command'
complete -c nixsd-native -n '__nixsd_native_is boot' -F
complete -c nixsd-native -n '__nixsd_native_is inject' -l file -d 'put a file into the finished image: SRC:DEST[:MODE[:UID:GID]], by default 0600 and root\'s; repeatable' -x
complete -c nixsd-native -n '__nixsd_native_is inject' -l wifi -d 'put the key of the Wi-Fi network SSID into the image, at /var/lib/nixsd/wifi.conf' -x
complete -c nixsd-native -n '__nixsd_native_is inject' -l wifi-passphrase-file -d 'the passphrase of --wifi is the first line of this file; without it, it is asked for' -r -F
complete -c nixsd-native -n '__nixsd_native_is inject' -l ssh-host-key -d 'put the private key in file into the image, as its ssh host key' -r -F
complete -c nixsd-native -n '__nixsd_native_is inject' -l age-key -d 'put the age identity in file into the image, at /var/lib/sops-nix/key.txt' -r -F
complete -c nixsd-native -n '__nixsd_native_is inject' -l demo -d 'use the demo\'s tools to change the image'
complete -c nixsd-native -n '__nixsd_native_is inject' -l nixos-release -d 'release of NixOS, such as 26.05 or unstable (default 26.05)' -x
complete -c nixsd-native -n '__nixsd_native_is inject' -l nixpkgs -d 'another nixpkgs: the URL of a tarball, a revision, or a folder' -x
complete -c nixsd-native -n '__nixsd_native_is inject' -l nixpkgs-sha256 -d 'the expected hash of --nixpkgs, a tarball' -x
complete -c nixsd-native -n '__nixsd_native_is inject' -l nix -d 'another Nix: its binary tarball, a file or URL' -r -F
complete -c nixsd-native -n '__nixsd_native_is inject' -l nix-sha256 -d 'the expected hash of --nix' -x
complete -c nixsd-native -n '__nixsd_native_is inject' -l lock-file -d 'file that pins the inputs (default nixsd.lock beside CONFIG)' -r -F
complete -c nixsd-native -n '__nixsd_native_is inject' -l channel-mirror -d 'URL of a mirror of NixOS channels, to resolve them at instead of https://channels.nixos.org; repeatable' -x
complete -c nixsd-native -n '__nixsd_native_is inject' -l nix-mirror -d 'URL of a mirror of https://releases.nixos.org, asked before it; repeatable' -x
complete -c nixsd-native -n '__nixsd_native_is inject' -l flake -d 'use the tools of the nixpkgs of REF#NAME' -x
complete -c nixsd-native -n '__nixsd_native_is inject' -l debian-mirror -d 'URL of a Debian mirror, before all others; repeatable' -x
complete -c nixsd-native -n '__nixsd_native_is inject' -l offline -d 'use no network at all, neither here nor in the build'
complete -c nixsd-native -n '__nixsd_native_is inject' -l bundle -d 'take everything from the file that "bundle create" made; implies --offline' -r -F
complete -c nixsd-native -n '__nixsd_native_is inject' -l substituter -d 'URL or folder of a binary cache to ask before https://cache.nixos.org; repeatable' -x -a '(__fish_complete_directories)'
complete -c nixsd-native -n '__nixsd_native_is inject' -l trusted-public-key -d 'key of a binary cache, NAME:BASE64; repeatable' -x
complete -c nixsd-native -n '__nixsd_native_is inject' -l state-dir -d 'folder of the Nix store and of locks' -x -a '(__fish_complete_directories)'
complete -c nixsd-native -n '__nixsd_native_is inject' -l cache-dir -d 'folder of downloads' -x -a '(__fish_complete_directories)'
complete -c nixsd-native -n '__nixsd_native_is inject' -l log-format -d 'how progress is printed' -x -a 'auto plain json raw'
complete -c nixsd-native -n '__nixsd_native_is inject' -s v -l verbose -d 'also print what builders print'
complete -c nixsd-native -n '__nixsd_native_is inject' -s q -l quiet -d 'print warnings and errors only'
complete -c nixsd-native -n '__nixsd_native_is inject' -l json -d 'print the result as one JSON object'
complete -c nixsd-native -n '__nixsd_native_is inject' -s h -l help -d 'explain the command'
complete -c nixsd-native -n '__nixsd_native_is inject' -F
complete -c nixsd-native -n '__nixsd_native_is flash' -l yes -d 'do not ask; needs --serial'
complete -c nixsd-native -n '__nixsd_native_is flash' -l serial -d 'the card\'s serial number, as the list shows it: no other card is written to' -x
complete -c nixsd-native -n '__nixsd_native_is flash' -l log-format -d 'how progress is printed' -x -a 'auto plain json raw'
complete -c nixsd-native -n '__nixsd_native_is flash' -l json -d 'print the result as one JSON object'
complete -c nixsd-native -n '__nixsd_native_is flash' -s q -l quiet -d 'print warnings, errors and questions only'
complete -c nixsd-native -n '__nixsd_native_is flash' -s h -l help -d 'explain the command'
complete -c nixsd-native -n '__nixsd_native_is flash' -F
complete -c nixsd-native -n '__nixsd_native_is explain' -l json -d 'print one JSON object'
complete -c nixsd-native -n '__nixsd_native_is explain' -s h -l help -d 'explain the command'
complete -c nixsd-native -n '__nixsd_native_is explain' -F
complete -c nixsd-native -n '__nixsd_native_is shell' -l demo -d 'the demo\'s root'
complete -c nixsd-native -n '__nixsd_native_is shell' -l nixos-release -d 'release of NixOS, such as 26.05 or unstable (default 26.05)' -x
complete -c nixsd-native -n '__nixsd_native_is shell' -l nixpkgs -d 'another nixpkgs: the URL of a tarball, a revision, or a folder' -x
complete -c nixsd-native -n '__nixsd_native_is shell' -l nixpkgs-sha256 -d 'the expected hash of --nixpkgs, a tarball' -x
complete -c nixsd-native -n '__nixsd_native_is shell' -l nix -d 'another Nix: its binary tarball, a file or URL' -r -F
complete -c nixsd-native -n '__nixsd_native_is shell' -l nix-sha256 -d 'the expected hash of --nix' -x
complete -c nixsd-native -n '__nixsd_native_is shell' -l lock-file -d 'file that pins the inputs (default nixsd.lock beside CONFIG)' -r -F
complete -c nixsd-native -n '__nixsd_native_is shell' -l channel-mirror -d 'URL of a mirror of NixOS channels, to resolve them at instead of https://channels.nixos.org; repeatable' -x
complete -c nixsd-native -n '__nixsd_native_is shell' -l nix-mirror -d 'URL of a mirror of https://releases.nixos.org, asked before it; repeatable' -x
complete -c nixsd-native -n '__nixsd_native_is shell' -l flake -d 'build REF#NAME of a flake\'s nixosConfigurations instead of CONFIG; repeatable' -x
complete -c nixsd-native -n '__nixsd_native_is shell' -l attr -d 'build another attribute of the system' -x
complete -c nixsd-native -n '__nixsd_native_is shell' -l patch -d 'apply the patch in file to nixpkgs first; repeatable' -r -F
complete -c nixsd-native -n '__nixsd_native_is shell' -l apply-resize2fs-patch -d 'let the image builder of NixOS 20.03 and older check the file system before it shrinks it'
complete -c nixsd-native -n '__nixsd_native_is shell' -l disable-zfs -d 'leave ZFS out of the image'
complete -c nixsd-native -n '__nixsd_native_is shell' -l qemu-deb -d 'take the emulator from this .deb, a file or URL' -r -F
complete -c nixsd-native -n '__nixsd_native_is shell' -l qemu-sha256 -d 'the .deb\'s expected hash: of --qemu-deb, or to choose another pinned one' -x
complete -c nixsd-native -n '__nixsd_native_is shell' -l qemu-suite -d 'take the emulator that a Debian suite has now, by its signed index' -x
complete -c nixsd-native -n '__nixsd_native_is shell' -l debian-mirror -d 'URL of a Debian mirror, before all others; repeatable' -x
complete -c nixsd-native -n '__nixsd_native_is shell' -l offline -d 'use no network at all, neither here nor in the build'
complete -c nixsd-native -n '__nixsd_native_is shell' -l bundle -d 'take everything from the file that "bundle create" made; implies --offline' -r -F
complete -c nixsd-native -n '__nixsd_native_is shell' -l emulation -d 'where the emulator is registered' -x -a 'auto host private none'
complete -c nixsd-native -n '__nixsd_native_is shell' -l substituter -d 'URL or folder of a binary cache to ask before https://cache.nixos.org; repeatable' -x -a '(__fish_complete_directories)'
complete -c nixsd-native -n '__nixsd_native_is shell' -l trusted-public-key -d 'key of a binary cache, NAME:BASE64; repeatable' -x
complete -c nixsd-native -n '__nixsd_native_is shell' -l builder -d 'let [USER@]HOST[:PORT] do the aarch64 work, over ssh, on all its processors; repeatable' -x
complete -c nixsd-native -n '__nixsd_native_is shell' -l builders -d 'remote builders, a spec as Nix has it: "ssh-ng://HOST aarch64-linux …" or @FILE; repeatable' -x
complete -c nixsd-native -n '__nixsd_native_is shell' -l builder-key -d 'private key file for remote builders, and for --push-to by ssh (default: those in ~/.ssh)' -r -F
complete -c nixsd-native -n '__nixsd_native_is shell' -l option -d 'hand a setting to Nix, NAME VALUE or NAME=VALUE; repeatable' -x
complete -c nixsd-native -n '__nixsd_native_is shell' -l state-dir -d 'folder of the Nix store and of locks' -x -a '(__fish_complete_directories)'
complete -c nixsd-native -n '__nixsd_native_is shell' -l cache-dir -d 'folder of downloads' -x -a '(__fish_complete_directories)'
complete -c nixsd-native -n '__nixsd_native_is shell' -l log-format -d 'how progress is printed' -x -a 'auto plain json raw'
complete -c nixsd-native -n '__nixsd_native_is shell' -s v -l verbose -d 'also print what builders print'
complete -c nixsd-native -n '__nixsd_native_is shell' -s q -l quiet -d 'print warnings and errors only'
complete -c nixsd-native -n '__nixsd_native_is shell' -s h -l help -d 'explain the command'
complete -c nixsd-native -n '__nixsd_native_is shell; and contains -- -- (commandline -opc)' -F -a '(__fish_complete_subcommand --fcs-skip=3)'
complete -c nixsd-native -n '__nixsd_native_is doctor' -s o -l output -d 'file or folder for the image' -r -F
complete -c nixsd-native -n '__nixsd_native_is doctor' -l demo -d 'look at what the demo needs, instead of NixOS'
complete -c nixsd-native -n '__nixsd_native_is doctor' -l nixos-release -d 'release of NixOS, such as 26.05 or unstable (default 26.05)' -x
complete -c nixsd-native -n '__nixsd_native_is doctor' -l nixpkgs -d 'another nixpkgs: the URL of a tarball, a revision, or a folder' -x
complete -c nixsd-native -n '__nixsd_native_is doctor' -l nixpkgs-sha256 -d 'the expected hash of --nixpkgs, a tarball' -x
complete -c nixsd-native -n '__nixsd_native_is doctor' -l nix -d 'another Nix: its binary tarball, a file or URL' -r -F
complete -c nixsd-native -n '__nixsd_native_is doctor' -l nix-sha256 -d 'the expected hash of --nix' -x
complete -c nixsd-native -n '__nixsd_native_is doctor' -l lock-file -d 'file that pins the inputs (default nixsd.lock beside CONFIG)' -r -F
complete -c nixsd-native -n '__nixsd_native_is doctor' -l channel-mirror -d 'URL of a mirror of NixOS channels, to resolve them at instead of https://channels.nixos.org; repeatable' -x
complete -c nixsd-native -n '__nixsd_native_is doctor' -l nix-mirror -d 'URL of a mirror of https://releases.nixos.org, asked before it; repeatable' -x
complete -c nixsd-native -n '__nixsd_native_is doctor' -l flake -d 'look at what a flake REF#NAME needs; repeatable' -x
complete -c nixsd-native -n '__nixsd_native_is doctor' -l qemu-deb -d 'take the emulator from this .deb, a file or URL' -r -F
complete -c nixsd-native -n '__nixsd_native_is doctor' -l qemu-sha256 -d 'the .deb\'s expected hash: of --qemu-deb, or to choose another pinned one' -x
complete -c nixsd-native -n '__nixsd_native_is doctor' -l qemu-suite -d 'take the emulator that a Debian suite has now, by its signed index' -x
complete -c nixsd-native -n '__nixsd_native_is doctor' -l debian-mirror -d 'URL of a Debian mirror, before all others; repeatable' -x
complete -c nixsd-native -n '__nixsd_native_is doctor' -l offline -d 'use no network at all, neither here nor in the build'
complete -c nixsd-native -n '__nixsd_native_is doctor' -l bundle -d 'take everything from the file that "bundle create" made; implies --offline' -r -F
complete -c nixsd-native -n '__nixsd_native_is doctor' -l emulation -d 'where the emulator is registered' -x -a 'auto host private none'
complete -c nixsd-native -n '__nixsd_native_is doctor' -l substituter -d 'URL or folder of a binary cache to ask before https://cache.nixos.org; repeatable' -x -a '(__fish_complete_directories)'
complete -c nixsd-native -n '__nixsd_native_is doctor' -l trusted-public-key -d 'key of a binary cache, NAME:BASE64; repeatable' -x
complete -c nixsd-native -n '__nixsd_native_is doctor' -l builder -d 'let [USER@]HOST[:PORT] do the aarch64 work, over ssh, on all its processors; repeatable' -x
complete -c nixsd-native -n '__nixsd_native_is doctor' -l builders -d 'remote builders, a spec as Nix has it: "ssh-ng://HOST aarch64-linux …" or @FILE; repeatable' -x
complete -c nixsd-native -n '__nixsd_native_is doctor' -l builder-key -d 'private key file for remote builders, and for --push-to by ssh (default: those in ~/.ssh)' -r -F
complete -c nixsd-native -n '__nixsd_native_is doctor' -l state-dir -d 'folder of the Nix store and of locks' -x -a '(__fish_complete_directories)'
complete -c nixsd-native -n '__nixsd_native_is doctor' -l cache-dir -d 'folder of downloads' -x -a '(__fish_complete_directories)'
complete -c nixsd-native -n '__nixsd_native_is doctor' -l log-format -d 'how progress is printed' -x -a 'auto plain json raw'
complete -c nixsd-native -n '__nixsd_native_is doctor' -s v -l verbose -d 'also print what builders print'
complete -c nixsd-native -n '__nixsd_native_is doctor' -s q -l quiet -d 'print warnings and errors only'
complete -c nixsd-native -n '__nixsd_native_is doctor' -l json -d 'print the result as one JSON object'
complete -c nixsd-native -n '__nixsd_native_is doctor' -s h -l help -d 'explain the command'
complete -c nixsd-native -n '__nixsd_native_is binfmt' -l qemu-deb -d 'take the emulator from this .deb, a file or URL' -r -F
complete -c nixsd-native -n '__nixsd_native_is binfmt' -l qemu-sha256 -d 'the .deb\'s expected hash: of --qemu-deb, or to choose another pinned one' -x
complete -c nixsd-native -n '__nixsd_native_is binfmt' -l qemu-suite -d 'take the emulator that a Debian suite has now, by its signed index' -x
complete -c nixsd-native -n '__nixsd_native_is binfmt' -l debian-mirror -d 'URL of a Debian mirror, before all others; repeatable' -x
complete -c nixsd-native -n '__nixsd_native_is binfmt' -l offline -d 'use no network at all, neither here nor in the build'
complete -c nixsd-native -n '__nixsd_native_is binfmt' -l state-dir -d 'folder of the Nix store and of locks' -x -a '(__fish_complete_directories)'
complete -c nixsd-native -n '__nixsd_native_is binfmt' -l cache-dir -d 'folder of downloads' -x -a '(__fish_complete_directories)'
complete -c nixsd-native -n '__nixsd_native_is binfmt' -l log-format -d 'how progress is printed' -x -a 'auto plain json raw'
complete -c nixsd-native -n '__nixsd_native_is binfmt' -s v -l verbose -d 'also print what builders print'
complete -c nixsd-native -n '__nixsd_native_is binfmt' -s q -l quiet -d 'print warnings and errors only'
complete -c nixsd-native -n '__nixsd_native_is binfmt' -l json -d 'print the result as one JSON object'
complete -c nixsd-native -n '__nixsd_native_is binfmt' -s h -l help -d 'explain the command'
complete -c nixsd-native -n '__nixsd_native_first binfmt' -a 'status register unregister'
complete -c nixsd-native -n '__nixsd_native_is clean' -l cache -d 'remove all downloads'
complete -c nixsd-native -n '__nixsd_native_is clean' -l store -d 'remove the Nix store'
complete -c nixsd-native -n '__nixsd_native_is clean' -l all -d 'remove both, and the folders themselves'
complete -c nixsd-native -n '__nixsd_native_is clean' -l state-dir -d 'folder of the Nix store and of locks' -x -a '(__fish_complete_directories)'
complete -c nixsd-native -n '__nixsd_native_is clean' -l cache-dir -d 'folder of downloads' -x -a '(__fish_complete_directories)'
complete -c nixsd-native -n '__nixsd_native_is clean' -l log-format -d 'how progress is printed' -x -a 'auto plain json raw'
complete -c nixsd-native -n '__nixsd_native_is clean' -s v -l verbose -d 'also print what builders print'
complete -c nixsd-native -n '__nixsd_native_is clean' -s q -l quiet -d 'print warnings and errors only'
complete -c nixsd-native -n '__nixsd_native_is clean' -l json -d 'print the result as one JSON object'
complete -c nixsd-native -n '__nixsd_native_is clean' -s h -l help -d 'explain the command'
complete -c nixsd-native -n '__nixsd_native_is completion' -s h -l help -d 'explain the command'
complete -c nixsd-native -n '__nixsd_native_first completion' -a 'bash zsh fish'
complete -c nixsd-native -n '__nixsd_native_is version' -l json -d 'print one JSON object'
complete -c nixsd-native -n '__nixsd_native_is version' -l sbom -d 'print this program\'s bill of materials (CycloneDX)'
complete -c nixsd-native -n '__nixsd_native_is version' -l licenses -d 'print the licences of what is compiled in'
complete -c nixsd-native -n '__nixsd_native_is version' -s h -l help -d 'explain the command'
complete -c nixsd-native -n '__nixsd_native_first help' -a 'init build fetch update bundle inspect boot inject flash explain shell doctor binfmt clean completion version boards emulation caches air-gap'
