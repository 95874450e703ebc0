# An address by DHCP on every card.
{
  environment.etcFiles."etc/udhcpc/default.script" = builtins.readFile ./udhcpc;
}
