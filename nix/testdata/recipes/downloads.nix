# Derivations that need a file, and others. nixpkgs's fetchers are like byFetchurl,
# byGit and structured.
let
  sha256 = "0000000000000000000000000000000000000000000000000000000000000000";
  fixed =
    name: more:
    derivation (
      {
        inherit name;
        system = "x86_64-linux";
        builder = "/bin/sh";
        outputHashMode = "flat";
        outputHashAlgo = "sha256";
        outputHash = sha256;
      }
      // more
    );
in
{
  builtin = builtins.derivation {
    name = "builtin.tar.gz";
    system = "builtin";
    builder = "builtin:fetchurl";
    url = "https://example.org/builtin.tar.gz";
    outputHashMode = "flat";
    outputHashAlgo = "sha256";
    outputHash = sha256;
  };
  byFetchurl = fixed "hello-2.12.tar.gz" {
    urls = [
      "mirror://gnu/hello/hello-2.12.tar.gz"
      "https://example.org/hello-2.12.tar.gz"
    ];
  };
  byGit = fixed "source" {
    url = "https://example.org/repo.git";
    outputHashMode = "recursive";
  };
  structured = fixed "structured.tar.gz" {
    __structuredAttrs = true;
    urls = [ "https://example.org/structured.tar.gz" ];
  };
  vendored = fixed "vendor" {
    impureEnvVars = [
      "http_proxy"
      "https_proxy"
    ];
    outputHashMode = "recursive";
  };
  local = fixed "local.deb" { url = "file:///inputs/0123-local.deb"; };
  text = fixed "text" { script = "echo https://example.org > $out"; };
  plain = derivation {
    name = "plain";
    system = "x86_64-linux";
    builder = "/bin/sh";
    url = "https://example.org/not-fetched";
  };
}
