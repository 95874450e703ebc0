{
  a = 1;
  b = pkgs.hello;
}
