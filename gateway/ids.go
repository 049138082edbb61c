package gateway

import (
	"encoding/binary"
	"math/rand/v2"

	"github.com/google/uuid"
)

// newID is the id of a prediction: a UUID of version 7 (RFC 9562), so that ids made one after another lie side by side in the
// store. Its random part has to be unique, not secret: nobody is told of another's prediction who knows its id. So it comes from
// the process's own generator (ChaCha8, seeded by the system) instead of a system call.
func newID() uuid.UUID {
	id, err := uuid.NewV7FromReader(generator{})
	if err != nil {
		panic(err) // the generator doesn't fail
	}
	return id
}

type generator struct{}

func (generator) Read(b []byte) (int, error) {
	var word [8]byte
	for rest := b; len(rest) > 0; {
		binary.LittleEndian.PutUint64(word[:], rand.Uint64())
		rest = rest[copy(rest, word[:]):]
	}
	return len(b), nil
}
