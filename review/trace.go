package review

import (
	"crypto/sha256"
	"encoding/hex"
)

// TraceIDs are the ids of the W3C trace, and of the one span in it, of an item's review. They are made of the item's id and not drawn:
// the prediction's span can link to its review before there is one, whichever gateway ends the item knows them, and nobody has to store
// them.
func TraceIDs(itemID string) (trace [16]byte, span [8]byte) {
	sum := sha256.Sum256([]byte("review:" + itemID))
	copy(trace[:], sum[:])
	copy(span[:], sum[len(trace):])
	return trace, span
}

// ReviewTraceparent is of the review's own trace, which links to Traceparent; empty: it isn't finished, or its prediction wasn't traced.
func (i *Item) ReviewTraceparent() string {
	if !i.Final() || i.Traceparent == "" {
		return ""
	}
	trace, span := TraceIDs(i.ID)
	return "00-" + hex.EncodeToString(trace[:]) + "-" + hex.EncodeToString(span[:]) + "-01"
}
