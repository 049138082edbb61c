package people

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/go-webauthn/webauthn/webauthn"
)

// keyNotes is what people want to know of a passkey. It stands in the passkey's data, beside the credential record's own members.
type keyNotes struct {
	// Label is the name that its user gave it; empty: none.
	Label string `json:"candorLabel,omitempty"`
	// Added and Used are when it was made and when it was used last, to the second; zero: not known.
	Added time.Time `json:"candorAdded,omitzero"`
	Used  time.Time `json:"candorUsed,omitzero"`
}

// used are the notes after a use.
func (n keyNotes) used(now time.Time) keyNotes {
	n.Used = now.UTC().Truncate(time.Second)
	return n
}

// notesOf a user's passkey; none where they have no such one.
func notesOf(u User, id []byte) (n keyNotes) {
	for _, k := range u.Passkeys {
		if bytes.Equal(k.ID, id) && json.Unmarshal(k.Data, &n) != nil {
			return keyNotes{}
		}
	}
	return n
}

// encodePasskey makes one object of the credential record and the notes.
func encodePasskey(c *webauthn.Credential, n keyNotes) (Passkey, error) {
	members := map[string]json.RawMessage{}
	n.Added = n.Added.UTC().Truncate(time.Second)
	for _, part := range []any{c, n} {
		data, err := json.Marshal(part)
		if err == nil {
			err = json.Unmarshal(data, &members)
		}
		if err != nil {
			return Passkey{}, fmt.Errorf("people: encode a passkey: %w", err)
		}
	}
	data, err := json.Marshal(members)
	if err != nil {
		return Passkey{}, fmt.Errorf("people: encode a passkey: %w", err)
	}
	return Passkey{ID: bytes.Clone(c.ID), Data: data}, nil
}
