{
  services.openssh.enable = true
  networking.hostName = "board";
}
