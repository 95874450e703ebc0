package main

import (
	"fmt"
	"path/filepath"

	"nixsd-native/sandbox"
)

// staged are the mounts that every sandbox of this run gets.
type staged struct {
	stage  *sandbox.Stage
	root   string
	mounts []sandbox.Mount
	copied bool
	filled bool // with mounts
}

// prepareRoot mounts, once, an empty folder.
func (m *rootMonitor) prepareRoot() (*staged, error) {
	if m.staged != nil {
		return m.staged, nil
	}
	dir := filepath.Join(runDir, "stage")
	if err := makeFolder(dir, 0o755, 0, 0); err != nil {
		return nil, err
	}
	stage, err := sandbox.NewStage(dir)
	if err != nil {
		return nil, err
	}
	s := &staged{stage: stage}
	if s.root, err = stage.Root(); err != nil {
		return nil, err
	}
	m.staged = s
	return s, nil
}

// prepare mounts, once, what sandboxes may see.
func (m *rootMonitor) prepare(bare bool) (*staged, error) {
	s, err := m.prepareRoot()
	if err != nil || s.filled || bare {
		return s, err
	}
	if m.looks { // a sandbox sees all folders
		m.looks = false
		if err := m.makeFolders(); err != nil {
			return nil, err
		}
	}
	for i, bind := range mounts(nixDir(m.state), m.cache) {
		bound, err := s.stage.Bind(fmt.Sprintf("mount%d", i), bind)
		if err != nil {
			return nil, err
		}
		s.mounts = append(s.mounts, bound)
	}
	for _, t := range m.trees {
		bound, copied, err := m.bind(s.stage, t)
		if err != nil {
			return nil, err
		}
		s.mounts, s.copied = append(s.mounts, bound), s.copied || copied
	}
	s.filled = true
	return s, nil
}

// bindSSH mounts this program as ssh.
func (s *staged) bindSSH(name string) (sandbox.Mount, error) {
	program, err := openProgram()
	if err != nil {
		return sandbox.Mount{}, err
	}
	defer program.Close()
	return s.stage.Bind(name, sshMount(fmt.Sprintf("/proc/self/fd/%d", program.Fd())))
}
