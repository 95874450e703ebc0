# The part of nixpkgs' lib that configurations of an SD image use, under its names.
let
  lib = {
    inherit (builtins)
      all
      any
      attrNames
      attrValues
      concatLists
      concatMap
      concatStringsSep
      elem
      elemAt
      filter
      foldl'
      genList
      head
      isAttrs
      isBool
      isInt
      isList
      isPath
      isString
      length
      listToAttrs
      mapAttrs
      removeAttrs
      replaceStrings
      splitVersion
      stringLength
      substring
      tail
      ;

    concatStrings = builtins.concatStringsSep "";
    concatMapStringsSep =
      sep: f: list:
      builtins.concatStringsSep sep (map f list);
    lines = list: lib.concatStrings (map (l: l + "\n") list);
    hasPrefix = prefix: s: builtins.substring 0 (builtins.stringLength prefix) s == prefix;
    hasSuffix =
      suffix: s:
      let
        n = builtins.stringLength s - builtins.stringLength suffix;
      in
      n >= 0 && builtins.substring n (builtins.stringLength s) s == suffix;
    # Text as it may stand in a store path's name.
    sanitize =
      s: lib.concatStrings (map (c: if builtins.isList c then "-" else c) (builtins.split "[^0-9A-Za-z+._?=-]" s));

    optional = condition: value: if condition then [ value ] else [ ];
    optionals = condition: list: if condition then list else [ ];
    optionalString = condition: s: if condition then s else "";
    optionalAttrs = condition: attrs: if condition then attrs else { };

    imap0 = f: list: builtins.genList (i: f i (builtins.elemAt list i)) (builtins.length list);
    unique = builtins.foldl' (seen: x: if builtins.elem x seen then seen else seen ++ [ x ]) [ ];
    mapAttrsToList = f: attrs: map (name: f name attrs.${name}) (builtins.attrNames attrs);
    filterAttrs =
      keep: attrs:
      builtins.removeAttrs attrs (builtins.filter (n: !keep n attrs.${n}) (builtins.attrNames attrs));
    genAttrs = names: f: builtins.listToAttrs (map (name: { inherit name; value = f name; }) names);
    nameValuePair = name: value: { inherit name value; };
    recursiveUpdate =
      a: b:
      a
      // builtins.mapAttrs (
        name: value:
        if builtins.isAttrs value && builtins.isAttrs (a.${name} or null) then
          lib.recursiveUpdate a.${name} value
        else
          value
      ) b;

    isFunction = f: builtins.isFunction f || (builtins.isAttrs f && f ? __functor);
    functionArgs = f: if builtins.isAttrs f then f.__functionArgs or { } else builtins.functionArgs f;
    setFunctionArgs = f: args: {
      __functor = self: f;
      __functionArgs = args;
    };
    isDerivation = value: builtins.isAttrs value && value.type or "" == "derivation";

    # Properties of definitions, see modules.nix.
    mkIf = condition: content: { _type = "if"; inherit condition content; };
    mkMerge = contents: { _type = "merge"; inherit contents; };
    mkOverride = priority: content: { _type = "override"; inherit priority content; };
    mkDefault = lib.mkOverride 1000;
    mkForce = lib.mkOverride 50;
    mkBefore = lib.mkOrder 500;
    mkAfter = lib.mkOrder 1500;
    mkOrder = priority: content: { _type = "order"; inherit priority content; };

    mkOption = args: { _type = "option"; } // args;
    mkEnableOption =
      text:
      lib.mkOption {
        type = lib.types.bool;
        default = false;
        description = text;
      };

    inherit (import ./modules.nix lib) evalModules dischargeDefinition strongest;
    types = import ./types.nix lib;
  };
in
lib
