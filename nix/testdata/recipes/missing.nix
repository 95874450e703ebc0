{ imports = [ ./nowhere.nix ]; x = import ./nowhere.nix; }
