# Types of options. A type has a name, a check of one value, and a merge of several
# definitions, each { file, value }, at a place. One that may be declared several
# times has combine, too, which adds another declaration's type to it.
lib:

let
  where = loc: lib.concatStringsSep "." loc;
  describe = defs: lib.concatStringsSep ", " (map (d: d.file) defs);

  one =
    loc: defs:
    if lib.length (lib.unique (map (d: d.value) defs)) == 1 then
      (lib.head defs).value
    else
      throw "the option `${where loc}' is defined several times, in ${describe defs}";

  mkType =
    {
      name,
      check,
      merge ? one,
      combine ? null,
      of ? null, # what combine wants to know of the other type
    }:
    {
      inherit
        name
        check
        combine
        of
        ;
      merge =
        loc: defs:
        let
          bad = lib.filter (d: !check d.value) defs;
        in
        if bad == [ ] then
          merge loc defs
        else
          throw "the option `${where loc}' in ${describe bad} is not of type `${name}'";
    };

  types = {
    anything = mkType {
      name = "anything";
      check = _: true;
      merge =
        loc: defs:
        if lib.length defs > 1 && lib.all (d: lib.isAttrs d.value && !lib.isDerivation d.value) defs then
          (types.attrsOf types.anything).merge loc defs
        else
          one loc defs;
    };
    unspecified = types.anything;
    raw = types.anything;
    bool = mkType { name = "boolean"; check = lib.isBool; };
    int = mkType { name = "signed integer"; check = lib.isInt; };
    str = mkType { name = "string"; check = lib.isString; };
    lines = mkType {
      name = "strings concatenated with \"\\n\"";
      check = lib.isString;
      merge = _: defs: lib.concatStringsSep "\n" (map (d: d.value) defs);
    };
    path = mkType {
      name = "absolute path";
      check = v: lib.isPath v || lib.isDerivation v || (lib.isString v && lib.hasPrefix "/" v);
    };
    package = mkType {
      name = "package";
      check = v: lib.isDerivation v || lib.isPath v;
    };
    enum =
      values:
      mkType {
        name = "one of ${builtins.toJSON values}";
        check = v: lib.elem v values;
      };
    nullOr =
      t:
      mkType {
        name = "null or ${t.name}";
        check = v: v == null || t.check v;
        merge =
          loc: defs:
          if lib.all (d: d.value == null) defs then null else t.merge loc (lib.filter (d: d.value != null) defs);
      };
    either =
      a: b:
      mkType {
        name = "${a.name} or ${b.name}";
        check = v: a.check v || b.check v;
        merge = loc: defs: (if lib.all (d: a.check d.value) defs then a else b).merge loc defs;
      };
    listOf =
      t:
      mkType {
        name = "list of ${t.name}";
        check = lib.isList;
        merge =
          loc: defs:
          lib.concatMap (
            d: map (value: t.merge loc [ { inherit (d) file; inherit value; } ]) d.value
          ) defs;
      };
    attrsOf =
      t:
      mkType {
        name = "attribute set of ${t.name}";
        check = lib.isAttrs;
        of = t;
        combine = if t.combine == null then null else other: types.attrsOf (t.combine other.of);
        merge =
          loc: defs:
          let
            flat = lib.concatMap lib.dischargeDefinition defs;
            names = lib.unique (lib.concatMap (d: lib.attrNames d.value) flat);
            of =
              name:
              lib.concatMap (
                d:
                lib.optionals (d.value ? ${name}) (
                  lib.dischargeDefinition {
                    inherit (d) file;
                    value = d.value.${name};
                  }
                )
              ) flat;
          in
          lib.mapAttrs (name: defs: t.merge (loc ++ [ name ]) (lib.strongest defs)) (
            lib.filterAttrs (_: defs: defs != [ ]) (lib.genAttrs names of)
          );
      };
    submodule = module: types.submodules [ module ];
    submodules =
      modules:
      mkType {
        name = "submodule";
        check = v: lib.isAttrs v || lib.isFunction v;
        of = modules;
        combine = other: types.submodules (modules ++ other.of);
        merge =
          loc: defs:
          (lib.evalModules {
            modules = modules ++ map (d: { _file = d.file; config = d.value; }) defs;
            args.name = lib.elemAt loc (lib.length loc - 1);
            prefix = loc;
          }).config;
      };
  };
in
types
