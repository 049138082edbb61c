package h2

import (
	"encoding/binary"
	"fmt"
)

// PrefixLen is what stands before every gRPC message: a byte for compression, four for the length.
const PrefixLen = 5

// Message returns a message with its prefix.
func Message(msg []byte) []byte {
	out := make([]byte, PrefixLen, PrefixLen+len(msg))
	binary.BigEndian.PutUint32(out[1:], uint32(len(msg)))
	return append(out, msg...)
}

// MessageLen reads the prefix at the begin of a body that has at least PrefixLen bytes.
func MessageLen(body []byte) int { return int(binary.BigEndian.Uint32(body[1:])) }

// OneMessage returns the only message of a body.
func OneMessage(body []byte) ([]byte, error) {
	if len(body) < PrefixLen {
		return nil, fmt.Errorf("a body of %d bytes, where a message was expected", len(body))
	}
	if body[0] != 0 {
		return nil, fmt.Errorf("a compressed message, which nobody asked for")
	}
	if n := MessageLen(body); n != len(body)-PrefixLen {
		return nil, fmt.Errorf("a message of %d bytes in a body of %d; expected one message and nothing else", n, len(body))
	}
	return body[PrefixLen:], nil
}
