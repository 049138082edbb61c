package h2

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Identifiers of settings, RFC 9113, section 6.5.2.
const (
	settingHeaderTableSize   = 0x1
	settingMaxConcurrent     = 0x3
	settingInitialWindowSize = 0x4
	settingLen               = 6
)

// Peer is what the other side has announced.
type Peer struct {
	HeaderTableSize uint32
	MaxConcurrent   uint32
	InitialWindow   int64
}

// NewPeer is a peer that has said nothing yet.
func NewPeer() Peer {
	const defaultTable = 4096 // RFC 7541
	return Peer{HeaderTableSize: defaultTable, MaxConcurrent: math.MaxUint32, InitialWindow: InitialWindow}
}

// Apply takes over a SETTINGS frame that is not an acknowledgement.
func (p *Peer) Apply(f Frame) error {
	b := f.Payload
	if len(b)%settingLen != 0 {
		return fmt.Errorf("a SETTINGS frame of %d bytes; it has 6 for each setting", len(b))
	}
	for ; len(b) > 0; b = b[settingLen:] {
		v := binary.BigEndian.Uint32(b[2:])
		switch binary.BigEndian.Uint16(b) {
		case settingHeaderTableSize:
			p.HeaderTableSize = v
		case settingMaxConcurrent:
			p.MaxConcurrent = v
		case settingInitialWindowSize:
			if v > maxWindow {
				return fmt.Errorf("an initial window of %d bytes; the most is %d", v, maxWindow)
			}
			p.InitialWindow = int64(v)
		}
	}
	return nil
}
