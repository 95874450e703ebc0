# A module system as small as an SD image allows: imports, disabledModules, options
# with types, definitions with mkIf, mkMerge, mkDefault and mkForce. Other than
# NixOS's it does not refuse definitions of options that it does not know: it lists
# them.
lib:

let
  ordinary = 100; # priority of a definition without mkOverride

  middle = 1000; # place of a definition without mkOrder

  # A definition as those it stands for: { file, priority, order, value }.
  discharge =
    d:
    let
      v = d.value;
      type = if lib.isAttrs v then v._type or "" else "";
    in
    if type == "if" then
      lib.optionals v.condition (discharge (d // { value = v.content; }))
    else if type == "merge" then
      lib.concatMap (value: discharge (d // { inherit value; })) v.contents
    else if type == "override" then
      discharge (d // { inherit (v) priority; value = v.content; })
    else if type == "order" then
      discharge (d // { order = v.priority; value = v.content; })
    else
      [ ({ priority = ordinary; order = middle; } // d) ];

  # The same for a set of definitions, but with the properties moved into the set,
  # so that what is defined can be known before any condition is.
  pushDown =
    d:
    let
      v = d.value;
      type = if lib.isAttrs v then v._type or "" else "";
      into = wrap: content: map (c: c // { value = lib.mapAttrs (_: wrap) c.value; }) (pushDown (d // { value = content; }));
    in
    if type == "if" then
      into (lib.mkIf v.condition) v.content
    else if type == "merge" then
      lib.concatMap (value: pushDown (d // { inherit value; })) v.contents
    else if type == "override" then
      into (lib.mkOverride v.priority) v.content
    else if type == "order" then
      into (lib.mkOrder v.priority) v.content
    else
      [ d ];

  strongest =
    defs:
    let
      best = lib.foldl' (p: d: if d.priority < p then d.priority else p) 10000 defs;
    in
    lib.filter (d: d.priority == best) defs;

  isOption = v: lib.isAttrs v && v._type or "" == "option";

  # Options that know where they are declared.
  declared =
    file: tree:
    if isOption tree then
      { declarations = [ file ]; } // tree
    else
      lib.mapAttrs (_: declared file) tree;

  # A module and those that it imports:
  # { file, key, disabled, options, config, imports }.
  load =
    args: importer: module:
    let
      isFile = lib.isPath module || lib.isString module;
      file = if isFile then toString module else importer;
      raw = if isFile then import module else module;
      body = if lib.isFunction raw then raw (builtins.intersectAttrs (lib.functionArgs raw) args) else raw;
      structured = body ? config || body ? options;
    in
    {
      file = body._file or file;
      key = if isFile then file else null;
      disabled = map (locate args) (body.disabledModules or [ ]);
      options = declared (body._file or file) (body.options or { });
      config =
        if structured then
          body.config or { }
        else
          removeAttrs body [ "imports" "disabledModules" "_file" "key" ];
      imports = map (load args file) (body.imports or [ ]);
    };

  # The modules of trees, those of files once, without the disabled ones and what
  # only they import.
  flatten =
    disabled: seen: trees:
    lib.foldl' (
      seen: m:
      if m.key != null && (lib.elem m.key disabled || lib.any (s: s.key == m.key) seen) then
        seen
      else
        flatten disabled (seen ++ [ m ]) m.imports
    ) seen trees;

  allDisabled = trees: lib.concatMap (m: m.disabled ++ allDisabled m.imports) trees;

  locate = args: m: if lib.isString m && !lib.hasPrefix "/" m then toString args.modulesPath + "/" + m else toString m;

  # Options declared in several modules, in one tree.
  mergeOptions =
    loc: trees:
    let
      names = lib.unique (lib.concatMap lib.attrNames trees);
      at =
        name:
        let
          found = map (t: t.${name}) (lib.filter (t: t ? ${name}) trees);
        in
        if lib.any isOption found then
          lib.foldl' (combine (loc ++ [ name ])) (lib.head found) (lib.tail found)
        else
          mergeOptions (loc ++ [ name ]) found;
    in
    lib.genAttrs names at;

  combine =
    loc: a: b:
    if isOption b && a.type.combine or null != null then
      a // b // { type = a.type.combine b.type; declarations = a.declarations ++ b.declarations; }
    else
      throw "the option `${lib.concatStringsSep "." loc}' is declared twice";

  value =
    loc: option: defs:
    let
      all = builtins.sort (a: b: a.order < b.order) (strongest (lib.concatMap discharge defs));
    in
    if all != [ ] then
      option.type.merge loc all
    else
      option.default or (throw "the option `${lib.concatStringsSep "." loc}' is used but not defined");

  # The configuration below loc and the names of definitions without an option.
  evalTree =
    loc: options: defs:
    let
      flat = lib.concatMap pushDown defs;
      below =
        name:
        map (d: {
          inherit (d) file;
          value = d.value.${name};
        }) (lib.filter (d: d.value ? ${name}) flat);
      parts = lib.mapAttrs (
        name: option:
        if isOption option then
          { config = value (loc ++ [ name ]) option (below name); unknown = [ ]; }
        else
          evalTree (loc ++ [ name ]) option (below name)
      ) options;
      strangers = lib.filter (n: !(options ? ${n})) (lib.unique (lib.concatMap (d: lib.attrNames d.value) flat));
    in
    {
      config = lib.mapAttrs (_: p: p.config) parts;
      unknown =
        lib.concatMap (n: leaves (loc ++ [ n ]) (lib.concatMap discharge (below n))) strangers
        ++ lib.concatMap (p: p.unknown) (lib.attrValues parts);
    };

  # The dotted names of what is defined at loc and below.
  leaves =
    loc: defs:
    let
      sets = lib.filter (d: lib.isAttrs d.value && !lib.isDerivation d.value && !(d.value ? outPath)) defs;
      names = lib.unique (lib.concatMap (d: lib.attrNames d.value) sets);
      below = name: lib.concatMap (d: if d.value ? ${name} then discharge { inherit (d) file; value = d.value.${name}; } else [ ]) sets;
    in
    if names == [ ] then
      lib.optional (defs != [ ]) (lib.concatStringsSep "." loc)
    else
      lib.concatMap (n: leaves (loc ++ [ n ]) (below n)) names;
in
{
  inherit strongest;
  dischargeDefinition = discharge;

  evalModules =
    {
      modules,
      args ? { },
      prefix ? [ ],
    }:
    let
      trees = map (load (args // { inherit lib config options; }) "the configuration") modules;
      active = flatten (allDisabled trees) [ ] trees;
      options = mergeOptions prefix (map (m: m.options) active);
      tree = evalTree prefix options (map (m: { inherit (m) file; value = m.config; }) active);
      config = tree.config;
    in
    {
      inherit config options;
      inherit (tree) unknown;
    };
}
