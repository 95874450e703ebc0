package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestFindLiterals(t *testing.T) {
	age := "AGE-SECRET-KEY-1" + strings.Repeat("Q", 58)
	for _, tt := range []struct {
		in   string
		want []literal
	}{
		{"{\n  networking.wireless.networks.\"my net\".psk = \"secret123\";\n}", []literal{{2, "a Wi-Fi key"}}},
		{"{ x = { psk=\"secret123\"; }; }", []literal{{1, "a Wi-Fi key"}}},
		{`pskRaw = "ext:psk_home";`, nil},
		{`pskRaw = "extra";`, []literal{{1, "a Wi-Fi key"}}},
		{`psk = "";`, nil},
		{`psk = "${secret}";`, nil},
		{`# psk = "secret123";`, nil},
		{`/* password = "x"; */`, nil},
		{`initialPassword = "nixos";`, []literal{{1, "a password"}}},
		{`users.users.root.password = lib.mkForce "x";`, []literal{{1, "a password"}}},
		{`password = ''x'';`, []literal{{1, "a password"}}},
		{`passwordFile = "/run/secrets/x";`, nil},
		{`password = "/run/secrets/x";`, nil},
		{`hashedPassword = "$6$abc";`, []literal{{1, "the hash of a password, which can be guessed at"}}},
		{`hashedPassword = "!";`, nil},
		{`hashedPasswordFile = "$6";`, nil},
		{`privateKey = "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=";`, []literal{{1, "a WireGuard key"}}},
		{`publicKey = "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=";`, nil},
		{"''\n-----BEGIN OPENSSH PRIVATE KEY-----\n''", []literal{{2, "a private key"}}},
		{"# -----BEGIN PRIVATE KEY-----", []literal{{1, "a private key"}}},
		{"-----BEGIN PUBLIC KEY-----", nil},
		{age, []literal{{1, "an age identity"}}},
		{"age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq", nil},
		{"x = \"ghp_" + strings.Repeat("a", 36) + "\";", []literal{{1, "a token of GitHub"}}},
		{"\n\"glpat-" + strings.Repeat("a", 20) + "\"", []literal{{2, "a token of GitLab"}}},
		{`"AKIAIOSFODNN7EXAMPLE"`, []literal{{1, "a key of AWS"}}},
		{`token = "abc";`, []literal{{1, "a token"}}},
		{`tokenFile = "abc";`, nil},
		{`services.openssh.settings.PasswordAuthentication = "no";`, nil},
		{"token = \"a\"; # AKIAIOSFODNN7EXAMPLE", []literal{{1, "a key of AWS"}}}, // once a line
	} {
		if got := findLiterals([]byte(tt.in)); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("findLiterals(%q) = %v; want %v", tt.in, got, tt.want)
		}
	}
}

// The configuration that lies in this tree has none.
func TestFindLiteralsOfTheTree(t *testing.T) {
	config, err := os.ReadFile(filepath.Join(top, "sd-card.nix"))
	if err != nil {
		t.Fatal(err)
	}
	if all := findLiterals(config); len(all) > 0 {
		t.Errorf("findLiterals(sd-card.nix) = %v; want none", all)
	}
}

func FuzzFindLiterals(f *testing.F) {
	f.Add([]byte("{\n psk = \"x\"; # glpat-aaaaaaaaaaaaaaaaaaaa\n}"))
	f.Fuzz(func(t *testing.T, config []byte) {
		lines := 1 + strings.Count(string(config), "\n")
		for _, l := range findLiterals(config) {
			if l.line < 1 || l.line > lines || l.what == "" {
				t.Fatalf("findLiterals(%q) has %v; want one of %d lines", config, l, lines)
			}
		}
	})
}
