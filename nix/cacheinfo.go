package nix

import (
	"errors"
	"fmt"
	"strings"
)

// CheckCacheInfo says what is wrong with a binary cache by its nix-cache-info: that it
// is none, or one for another store.
func CheckCacheInfo(info []byte) error {
	for line := range strings.Lines(string(info)) {
		name, value, ok := strings.Cut(line, ":")
		if !ok || strings.TrimSpace(name) != "StoreDir" {
			continue
		}
		if dir := strings.TrimSpace(value); dir != "/nix/store" {
			return fmt.Errorf("it is for the store %.100q", clean(dir))
		}
		return nil
	}
	return errors.New("its nix-cache-info names no StoreDir")
}
