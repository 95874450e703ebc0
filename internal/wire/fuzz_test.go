package wire

import (
	"encoding/binary"
	"reflect"
	"slices"
	"testing"
)

// framed is a message as it stands on the wire, whatever it holds.
func framed(body string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
}

// Whatever a peer writes is refused, or is a message that arrives the same when it is
// sent on.
func FuzzRecv(f *testing.F) {
	f.Add(framed(`{"Text":"one","Bytes":"AAEC"}`))
	f.Add(slices.Concat(framed(`{}`), framed(`{"Text":"\ud800"}`), framed(`null`)))
	f.Add(framed(`{"Text":`))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, '{', '}'})
	f.Add([]byte{0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		peer, us := pair(t)
		go func() { peer.c.Write(data); peer.Close() }()
		for received := 0; ; received++ {
			var got message
			files, err := us.Recv(&got)
			CloseAll(files)
			if err != nil {
				return
			}
			if least := (received + 1) * len(framed("{}")); least > len(data) {
				t.Fatalf("%d messages in %d bytes", received+1, len(data))
			}
			from, to := pair(t)
			sent := make(chan error, 1)
			go func() { sent <- from.Send(got) }()
			var again message
			if _, err := to.Recv(&again); err != nil || <-sent != nil || !reflect.DeepEqual(got, again) {
				t.Fatalf("%+v arrives as %+v, %v", got, again, err)
			}
		}
	})
}
