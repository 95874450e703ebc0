package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"nixsd-native/internal/image"
	"nixsd-native/internal/inspect"
	"nixsd-native/internal/shell"
)

// An inspectJob is the command inspect with its flags.
type inspectJob struct {
	json bool
	name string
	file *os.File
}

func inspectCommand() command {
	return command{
		name:    "inspect",
		args:    "IMAGE",
		summary: "tell what an image holds, and whether it would boot",
		help: `IMAGE is a .img, a .img.zst, or the device of an SD card. It is only read, and
nothing is mounted. Each warning is about something that may keep the card from
booting, or everybody out. If no board would boot it, the exit code is 4.`,
		new: func(fs *pflag.FlagSet) job {
			j := new(inspectJob)
			fs.BoolVar(&j.json, "json", false, "print one JSON object")
			return j
		},
	}
}

func (j *inspectJob) check(args []string) error {
	if len(args) != 1 {
		return usageErrorf("", "inspect takes one IMAGE")
	}
	j.name = args[0]
	return nil
}

func (j *inspectJob) opens() []string { return []string{j.name} }

func (j *inspectJob) take(files []*os.File) { j.file = files[0] }

func (j *inspectJob) run(ctx context.Context, a *app) error {
	f, size, err := plainImage(ctx, j.name, j.file)
	if err != nil {
		return err
	}
	defer f.Close()
	r, err := inspect.Read(f, size)
	if not := (*inspect.NotImageError)(nil); errors.As(err, &not) {
		return &codedError{exitVerify, fmt.Sprintf("%s: %v", j.name, err), []string{"name the .img or .img.zst that a build delivered, or the whole card's device"}}
	}
	if err != nil {
		return err
	}
	if j.json {
		err = json.NewEncoder(a.out).Encode(r)
	} else {
		_, err = fmt.Fprintln(a.out, strings.Join(describeImage(j.name, r), "\n"))
	}
	if err != nil {
		return err
	}
	return unbootable(j.name, r)
}

// unbootable is the error of an image that no board would boot, nil for another.
func unbootable(name string, r *inspect.Report) error {
	if len(r.Broken) == 0 {
		return nil
	}
	return &codedError{exitVerify, fmt.Sprintf("%s would not boot: %s", name, r.Broken[0]), []string{rebuild(r.Broken[0])}}
}

// rebuild says what helps with an image that no board boots.
func rebuild(why string) string {
	if strings.Contains(why, "cut off") {
		return "copy it again, or build it again"
	}
	return "build it again; if it is a card, write it again: nixsd-native flash"
}

// zstdMagic begins what zstd compressed (RFC 8878, section 3.1.1).
const zstdMagic = "\x28\xb5\x2f\xfd"

// isZstd reports whether a file is one that zstd compressed.
func isZstd(f *os.File) bool {
	head := make([]byte, len(zstdMagic))
	n, _ := f.ReadAt(head, 0)
	return string(head[:n]) == zstdMagic
}

// checkKind refuses what no image can be read from.
func checkKind(name string, file *os.File) error {
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() && info.Mode()&(os.ModeDevice|os.ModeCharDevice) != os.ModeDevice {
		return usageErrorf("name an image, or a card's device", "%s is neither a file nor a device", name)
	}
	return nil
}

// plainImage returns an image as a file that can be read anywhere, and its length in
// bytes. A compressed one is decompressed into a file without a name.
func plainImage(ctx context.Context, name string, file *os.File) (*os.File, int64, error) {
	if err := checkKind(name, file); err != nil {
		return nil, 0, err
	}
	if !isZstd(file) {
		size, err := file.Seek(0, io.SeekEnd) // of a device, too
		return file, size, err
	}
	f, err := os.CreateTemp("", "nixsd-native-image-*")
	if err != nil {
		return nil, 0, err
	}
	os.Remove(f.Name())
	sum, err := image.Decompress(ctx, f, file, nil)
	if isDiskFull(err) {
		f.Close()
		return nil, 0, &codedError{exitOutput, fmt.Sprintf("%s cannot be decompressed: %v", name, err), []string{"set TMPDIR to a folder with room, or decompress it yourself: zstd -d " + shell.Path(name)}}
	}
	if err != nil {
		f.Close()
		return nil, 0, &codedError{exitVerify, fmt.Sprintf("%s: %v", name, err), []string{"the file is damaged: copy or build it again"}}
	}
	return f, sum.Size, nil
}

// describeImage returns what a person reads.
func describeImage(name string, r *inspect.Report) []string {
	lines := [][]string{
		{"image", fmt.Sprintf("%s, %s", cleanWord(name), size(r.Size))},
		{"table", fmt.Sprintf("%s, id %s", r.Table, r.ID)},
	}
	for _, p := range r.Partitions {
		lines = append(lines, []string{fmt.Sprintf("partition %d", p.Number), describePartition(p)})
	}
	for _, e := range r.Boot {
		text := e.Label
		if e.Title != "" {
			text += fmt.Sprintf(" (%s)", e.Title)
		}
		lines = append(lines, []string{"boot", cleanWord(fmt.Sprintf("%s: %s", text, e.Kernel))}, []string{"", cleanWord(e.Options)})
	}
	if len(r.Boot) > 0 {
		lines = append(lines, []string{"system", cleanWord(describeSystem(r.System))})
	}
	for _, l := range r.System.Logins {
		lines = append(lines, describeLogin(l)...)
	}
	for _, w := range r.Warnings {
		lines = append(lines, []string{"WARNING", cleanWord(w)})
	}
	return align(lines, nil)
}

func describePartition(p inspect.Partition) string {
	text := fmt.Sprintf("%s at %s, type %s", size(p.Size), size(p.Start), p.Type)
	if p.Bootable {
		text += ", bootable"
	}
	v := p.Volume
	if v == nil {
		return text + ", no known file system"
	}
	return cleanWord(fmt.Sprintf("%s, %s %s (%s), %s used, %s free", text, v.Type, v.Label, v.ID, size(max(0, v.Size-v.Free)), size(v.Free)))
}

func describeSystem(s inspect.System) string {
	parts := []string{cmp.Or(strings.TrimSpace(s.Name+" "+s.Version), "none found")}
	if s.Kernel != "" {
		parts = append(parts, "Linux "+s.Kernel)
	}
	if s.HostName != "" {
		parts = append(parts, "host name "+s.HostName)
	}
	return strings.Join(append(parts, map[bool]string{true: "sshd starts", false: "no sshd"}[s.SSH]), ", ")
}

func describeLogin(l inspect.Login) (lines [][]string) {
	what := map[string]string{inspect.PasswordSet: "a password", inspect.PasswordEmpty: "an empty password, at the console"}[l.Password]
	if l.Auto {
		what = "logged in at the console by itself"
	}
	if what != "" {
		lines = append(lines, []string{"login", cleanWord(fmt.Sprintf("%s: %s", l.User, what))})
	}
	for _, k := range l.Keys {
		lines = append(lines, []string{"login", cleanWord(fmt.Sprintf("%s: key %s (%s) %s", l.User, k.Fingerprint, k.Type, k.Comment))})
	}
	return lines
}
