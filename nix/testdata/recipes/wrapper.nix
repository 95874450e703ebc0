{ imports = [ (/. + "/inputs/some one's \"\${folder}\"/sd-card.nix") (/. + "/etc/nixsd/assembly.nix") ]; }
