package nix

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strings"
)

// ProductsFile is, below an output, the list of what it holds for people, as Hydra
// reads it.
const ProductsFile = "nix-support/hydra-build-products"

// maxProducts bounds that file in bytes.
const maxProducts = 64 << 10

// outputInProducts is the output in a line of a list of products.
var outputInProducts = regexp.MustCompile(`(?m)^file \S+ "?(/nix/store/[^/\s]+)/`)

// ImageOfLast finds the image of an earlier build's list of products, whose output is
// not known otherwise.
func ImageOfLast(products io.Reader) (string, error) {
	text, err := io.ReadAll(io.LimitReader(products, maxProducts))
	if err != nil {
		return "", err
	}
	m := outputInProducts.FindSubmatch(text)
	if m == nil {
		return "", errors.New("no image is named")
	}
	return Image(bytes.NewReader(text), string(m[1]))
}

// Image finds the SD image of an output in its list of products, whose lines are
// "file sd-image PATH". Iso images and other files named there are accepted when
// there is nothing better, so that other attributes can be built. The path is below
// output, or it is an error.
func Image(products io.Reader, output string) (string, error) {
	var other string
	scan := bufio.NewScanner(io.LimitReader(products, maxProducts))
	for scan.Scan() {
		fields := strings.SplitN(scan.Text(), " ", 3)
		if len(fields) != 3 || fields[0] != "file" {
			continue
		}
		name := strings.Trim(fields[2], `"`)
		if path.Clean(name) != name || !strings.HasPrefix(name, output+"/") {
			return "", fmt.Errorf("the build's product %q is not in %s", name, output)
		}
		if fields[1] == "sd-image" {
			return name, nil
		}
		if other == "" {
			other = name
		}
	}
	if err := scan.Err(); err != nil {
		return "", err
	}
	if other == "" {
		return "", fmt.Errorf("%s names no image in its %s", output, ProductsFile)
	}
	return other, nil
}
