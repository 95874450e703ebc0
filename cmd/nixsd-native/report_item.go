package main

import (
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/cheggaaa/pb/v3"
)

// An item is one download, unpacking or copy.
type item struct {
	id          string // as the caller names it
	doing, name string // "downloading", "qemu-user.deb"
	done, total int64  // bytes; total is 0 if unknown
	ended       bool
	begun       time.Time
	moved       time.Time // when done last changed
	bar         *pb.ProgressBar

	rate    int64         // as pace last returned
	left    time.Duration // likewise
	sampled time.Time     // when

	shown   int64 // done at the last line about it, in views of lines
	shownAt time.Time
}

func newItem(doing, name string, done, total int64, now time.Time) *item {
	it := &item{doing: doing, name: name}
	it.restart(done, total, now)
	return it
}

// restart begins anew, with a meter that knows nothing of the past.
func (it *item) restart(done, total int64, now time.Time) {
	it.done, it.total, it.begun, it.moved = done, total, now, now
	it.bar = pb.New64(total).SetCurrent(done).SetWriter(io.Discard)
	it.rate, it.left, it.sampled = 0, -1, now
	it.sample() // the meter starts at its first use
}

// set takes over how far the item is. A size that was exceeded is none.
func (it *item) set(done, total int64, now time.Time) {
	if done > total {
		total = 0
	}
	if done < it.done {
		it.restart(done, total, now)
	}
	if done != it.done {
		it.moved = now
	}
	it.done, it.total = done, total
	it.bar.SetTotal(total).SetCurrent(done)
}

// end takes over the size, which need not be what the progress counted.
func (it *item) end(total int64, now time.Time) {
	it.done, it.total, it.moved, it.ended = total, total, now, true
}

// paceTemplate makes pb print its speed and remaining time, bare.
const paceTemplate = `{{speed . "%s" "0"}} {{rtime . "%s" "-" "-"}}`

// maxLeft bounds the times left that are worth telling; pb's overflow beyond.
const maxLeft = 100 * time.Hour

// sampleEvery is how often the pace is measured: often enough to be news, rarely
// enough to be read.
const sampleEvery = time.Second

// pace returns pb's moving average in bytes a second, 0 if unknown, and the time
// left, negative if unknown.
func (it *item) pace(now time.Time) (rate int64, left time.Duration) {
	if now.Sub(it.sampled) >= sampleEvery {
		it.rate, it.left = it.sample()
		it.sampled = now
	}
	return it.rate, it.left
}

func (it *item) sample() (rate int64, left time.Duration) {
	rateText, leftText, _ := strings.Cut(it.bar.SetTemplateString(paceTemplate).String(), " ")
	rate, err := strconv.ParseInt(rateText, 10, 64)
	if err != nil || rate <= 0 || rate == math.MaxInt64 {
		return 0, -1
	}
	left, err = time.ParseDuration(leftText)
	if err != nil || it.total <= 0 || left < 0 || left > maxLeft {
		return rate, -1
	}
	return rate, left
}

// amount returns "12.3 of 67.8 MiB".
func (it *item) amount() string { return sizeOf(it.done, it.total) }

// notable reports whether an ended item is worth a line of its own.
func (it *item) notable() bool {
	return it.lasted() >= time.Second || it.done >= 10<<20
}

func (it *item) lasted() time.Duration { return it.moved.Sub(it.begun) }

// result returns the line that remains of an ended item, its name shortened so
// that the line fits into w cells.
func (it *item) result(w int) string {
	verb, rest := itemVerbs[it.doing]+" ", "  "+size(it.done)+"  "+duration(it.lasted())
	return verb + shorten(it.name, max(w-len(verb)-len(rest), len("qemu..deb"))) + rest
}
