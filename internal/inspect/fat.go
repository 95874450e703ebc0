package inspect

import "encoding/binary"

// A fatTable is a file allocation table: for each cluster the one that follows it in its
// file. The first two entries stand for no cluster.
type fatTable struct {
	bytes    []byte
	bits     int // of an entry: 12, 16 or 32
	clusters int64
}

// next returns the entry of a cluster, 0 if it is free.
func (t fatTable) next(cluster int64) int64 {
	at := cluster * int64(t.bits) / 8
	if at+int64(t.bits+7)/8 > int64(len(t.bytes)) {
		return 0
	}
	entry := t.bytes[at:]
	switch t.bits {
	case 12:
		return int64(binary.LittleEndian.Uint16(entry)) >> (4 * (cluster % 2)) & 0xfff
	case 16:
		return int64(binary.LittleEndian.Uint16(entry))
	default:
		return int64(binary.LittleEndian.Uint32(entry)) & 0x0fffffff
	}
}

// free counts the clusters of no file.
func (t fatTable) free() (n int64) {
	for c := range t.clusters {
		if t.next(c+2) == 0 {
			n++
		}
	}
	return n
}

// loops reports whether the clusters of a file never end, which its reader would follow
// for ever.
func (t fatTable) loops() bool {
	walks := make([]uint32, t.clusters+2) // who came by each cluster: the walk from that one
	for first := int64(2); first < t.clusters+2; first++ {
		for c := first; c >= 2 && c < t.clusters+2; c = t.next(c) {
			if walks[c] == uint32(first) {
				return true
			}
			if walks[c] != 0 {
				break
			}
			walks[c] = uint32(first)
		}
	}
	return false
}
