# As nixpkgs' flake.nix, as far as configurations of an SD image use it.
{
  description = "The demo's packages and modules";

  outputs =
    { self }:
    {
      lib = import ./lib // {
        nixosSystem = args: import ./nixos/lib/eval-config.nix args;
      };
    };
}
