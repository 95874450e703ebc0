#!/bin/sh
# Makes the files beside it, see README.md. Needs apt, curl, dpkg, gpg, python3.
# usage: generate.sh MIRROR, where MIRROR is the URL of a Debian archive
set -eu
mirror=$1
cd "$(dirname "$0")"
here=$PWD
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkdir -p gpg trixie

# --- gpg
export GNUPGHOME="$tmp/gpg"
mkdir -m 700 "$GNUPGHOME"
g() { time=$1; shift; gpg --batch --yes --quiet --faked-system-time "$time" --passphrase '' --pinentry-mode loopback "$@"; }
for name in good second short unknown; do
    expire=never
    [ $name = short ] && expire=2026-06-01
    g 20260101T000000 --quick-generate-key "$name test key <$name@example.org>" ed25519 sign $expire
    [ $name = unknown ] || g 20260101T000000 --armor --output gpg/$name.asc --export $name@example.org
done
cat >"$tmp/Release" <<'END'
Origin: Example
Suite: testing
Codename: example
Date: Sun, 01 Feb 2026 00:00:00 UTC
Valid-Until: Sun, 01 Nov 2026 00:00:00 UTC
Acquire-By-Hash: yes
Architectures: all amd64 arm64
Components: main contrib
Description: A line that gpg escapes follows
SHA256:
 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855        0 main/binary-arm64/Packages
 ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad        3 main/binary-arm64/Packages.xz
- dashed: yes
END
sed -i 's/^- dashed/-dashed/' "$tmp/Release"
sign() { out=$1; shift; g 20260201T000000 --output "gpg/InRelease.$out" "$@" --clearsign "$tmp/Release"; }
sign good --local-user good@example.org
sign short --local-user short@example.org
sign unknown --local-user unknown@example.org
sign both --local-user second@example.org --local-user good@example.org
sign sha1 --local-user good@example.org --digest-algo SHA1
sign lapsing --local-user good@example.org --default-sig-expire 30d
revocation=$(grep -l 'good@example.org' "$GNUPGHOME"/openpgp-revocs.d/*.rev)
sed 's/^:---/---/' "$revocation" | g 20260301T000000 --import
g 20260301T000000 --armor --output gpg/revoked.asc --export good@example.org
gpgconf --kill gpg-agent

# --- dpkg
python3 - >versions.txt <<'END'
import itertools, subprocess
v = """0 00 1 1.0 1.00 1.0-0 1.0-1 1.0-1.1 1.0~ 1.0~~ 1.0~rc1 1.0~rc1-1 1.0a 1.0+b1 1.0.1 1.1
1.10 1.9 1a 1~ 0:1 1:0 1:1.0 2:0~ 10:0 01:0 2.26.3+dfsg-1+b3 2.26.3+dfsg-1 2.26.3+dfsg-1~bpo12+1
7.2+dfsg-7+deb12u18+b3 1:10.0.13+ds-0+deb13u1 1:11.1.3+ds-1~bpo13+1 1:11.1.3+ds-1 1.0-1-1 1.0-1~1
99999999999999999999999 99999999999999999999998 1.0A 1.0Z 1.0.a 1.0+""".split()
for a, b in itertools.combinations_with_replacement(v, 2):
    op = next(sign for sign, word in (("<<", "lt"), ("=", "eq"), (">>", "gt"))
              if subprocess.run(["dpkg", "--compare-versions", a, word, b]).returncode == 0)
    print(a, op, b)
END

# --- the archive and apt
curl -sSf "$mirror/dists/trixie/InRelease" >"$tmp/InRelease"
gzip -9n <"$tmp/InRelease" >trixie/InRelease.gz
curl -sSf "$mirror/dists/trixie/main/binary-amd64/Packages.xz" | xz -d >"$tmp/Packages"
mkdir -p "$tmp/apt/none" "$tmp/apt/lists/partial" "$tmp/apt/cache/archives/partial"
: >"$tmp/apt/status"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >"$tmp/apt/sources"
cat >"$tmp/apt/conf" <<END
Dir::State "$tmp/apt"; Dir::State::status "$tmp/apt/status"; Dir::State::lists "$tmp/apt/lists";
Dir::Cache "$tmp/apt/cache"; Dir::Etc::sourcelist "$tmp/apt/sources"; Dir::Etc::sourceparts "$tmp/apt/none";
Dir::Etc::preferencesparts "$tmp/apt/none"; Dir::Etc::main "none";
Dir::Etc::parts "$tmp/apt/none"; Acquire::Languages "none";
APT::Architecture "amd64"; APT::Architectures { "amd64"; }; APT::Install-Recommends "0"; Debug::NoLocking "1";
APT::Sandbox::User "root";
END
export APT_CONFIG="$tmp/apt/conf"
apt-get -qq update
for root in nix-bin openssh-server linux-image-amd64 e2fsprogs base-files; do
    apt-get -s install $root | awk '/^Inst/ {print $2}' | LC_ALL=C sort >trixie/closure-$root.txt
done
python3 - "$tmp/Packages" trixie/closure-*.txt <<'END' | gzip -9n >trixie/Packages.gz
import re, sys
stanzas, provides = {}, {}
for text in open(sys.argv[1], encoding="utf-8").read().strip().split("\n\n"):
    field = dict(re.findall(r"^([\w-]+): ?(.*)$", text, re.M))
    stanzas[field["Package"]] = text, field
    for name in re.findall(r"(?:^|, *)([^ ,:]+)", field.get("Provides", "")):
        provides.setdefault(name, []).append(field["Package"])
chosen = {name for f in sys.argv[2:] for name in open(f).read().split()}
keep = set(chosen)
for name in chosen:
    for key in ("Depends", "Pre-Depends"):
        for other in re.findall(r"(?:^|[,|] *)([^ ,:|]+)", stanzas[name][1].get(key, "")):
            keep |= {n for n in [other] + provides.get(other, [])[:3] if n in stanzas}
for name in sorted(keep):
    print(stanzas[name][0] + "\n")
END
