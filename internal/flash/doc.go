// Package flash writes the image of a disk to a card and proves that the card has it.
//
//	wipe ──► discard ──► tags ──► chunks ──► flush ──► look ──► first block
//	                      │         read ─► write ─► check (behind, past the cache)
//	                      └─ one at 0, others at the powers of two beyond
//
// What is not data of the image must read as zeros, too: file systems rely on it where an
// image has holes. What a card reads as where it was discarded is for it to decide, so all
// of that is read, and written where it is not zeros.
//
// Each chunk is read back and compared while later ones are written. That alone would miss a
// card that has less memory than it says and lets late writes land on early ones. Memory
// that is too small repeats at a power of two (as its address lines do), so tags stand at 0
// and at such distances, and at the end they, the blocks of the image at such distances and
// a block of every chunk are looked at again. The first block of the image, with the
// partition table, is written when all else is known to be right: a card that was not
// finished looks empty, and nothing boots from it.
package flash
