package h2

import (
	"encoding/binary"
	"net"
)

// shareFrom is the payload size from which it is cheaper to hand a slice to writev than to copy it.
const shareFrom = 2048

// Writer gathers frames and writes them with one call of the system. It is not safe for concurrent use.
type Writer struct {
	dst   net.Conn
	buf   []byte // copied bytes
	start int    // of those that are not in bufs yet
	bufs  net.Buffers
}

// NewWriter writes to dst.
func NewWriter(dst net.Conn) *Writer { return &Writer{dst: dst} }

// Raw appends bytes that are frames already, or a preface, and returns them where they lie, to be patched before the next call.
func (w *Writer) Raw(b []byte) []byte {
	n := len(w.buf)
	w.buf = append(w.buf, b...)
	return w.buf[n:]
}

// Data appends a DATA frame. The payload must not change before the next Flush has returned.
func (w *Writer) Data(stream uint32, payload []byte, end bool) {
	var flags byte
	if end {
		flags = EndStream
	}
	w.buf = AppendHeader(w.buf, len(payload), Data, flags, stream)
	if len(payload) < shareFrom {
		w.buf = append(w.buf, payload...)
		return
	}
	// When buf grows, what bufs holds of the old one stays as it was.
	w.bufs = append(w.bufs, w.buf[w.start:], payload)
	w.start = len(w.buf)
}

// WindowUpdate appends a WINDOW_UPDATE frame; stream 0 is the connection.
func (w *Writer) WindowUpdate(stream uint32, n int) {
	w.buf = AppendHeader(w.buf, 4, WindowUpdate, 0, stream)
	w.buf = binary.BigEndian.AppendUint32(w.buf, uint32(n))
}

// Settings announces the window of streams and how many of them the other side may have open; 0: as many as it likes.
func (w *Writer) Settings(window, streams int) {
	n := settingLen
	if streams > 0 {
		n += settingLen
	}
	w.buf = AppendHeader(w.buf, n, Settings, 0, 0)
	w.buf = binary.BigEndian.AppendUint16(w.buf, settingInitialWindowSize)
	w.buf = binary.BigEndian.AppendUint32(w.buf, uint32(window))
	if streams > 0 {
		w.buf = binary.BigEndian.AppendUint16(w.buf, settingMaxConcurrent)
		w.buf = binary.BigEndian.AppendUint32(w.buf, uint32(streams))
	}
}

// AckSettings acknowledges the other side's settings.
func (w *Writer) AckSettings() { w.buf = AppendHeader(w.buf, 0, Settings, Ack, 0) }

// AckPing answers a PING.
func (w *Writer) AckPing(f Frame) {
	w.buf = AppendHeader(w.buf, len(f.Payload), Ping, Ack, 0)
	w.buf = append(w.buf, f.Payload...)
}

// Flush writes what was gathered.
func (w *Writer) Flush() error {
	defer func() { w.buf, w.bufs, w.start = w.buf[:0], w.bufs[:0], 0 }()
	if len(w.bufs) == 0 {
		if len(w.buf) == 0 {
			return nil
		}
		_, err := w.dst.Write(w.buf)
		return err
	}
	if w.start < len(w.buf) {
		w.bufs = append(w.bufs, w.buf[w.start:])
	}
	bufs := w.bufs // WriteTo moves the slice's begin
	_, err := bufs.WriteTo(w.dst)
	return err
}

// AppendHeader appends a frame's header.
func AppendHeader(b []byte, n int, kind, flags byte, stream uint32) []byte {
	b = append(b, byte(n>>16), byte(n>>8), byte(n), kind, flags)
	return binary.BigEndian.AppendUint32(b, stream)
}

// SetStream writes a stream's id into a frame whose header begins at b.
func SetStream(b []byte, stream uint32) { binary.BigEndian.PutUint32(b[5:], stream) }
