package config

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"

	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// DigestSize is the length of a [Digest] in bytes.
const DigestSize = 8

// Digest identifies how a model's rows are decided: it changes with the model's entry (its primary and policy) and with the
// ensembles that the policy falls back to, and with nothing else. Two gateways of one build that have read the same
// configuration agree about it, whatever the order of its keys. What is only watched (the policy's monitors), and what becomes of
// decisions while the store is lost, decides nothing and is left out. It is nil when there is no such model.
//
// Records carry it; it is not a defence against somebody who looks for collisions.
func Digest(cfg *candorv1.Config, model string) []byte {
	entry, ok := cfg.GetModels()[model]
	if !ok {
		return nil
	}
	if p := entry.GetPolicy(); p.GetMonitors() != nil || p.GetOnStoreLost() != nil {
		entry = proto.CloneOf(entry)
		entry.Policy.Monitors, entry.Policy.OnStoreLost = nil, nil
	}
	h := sha256.New()
	digest(h, entry)
	if name := entry.GetPolicy().GetFallback().GetEnsemble(); name != "" {
		h.Write([]byte(name))
		digest(h, cfg.GetEnsembles()[name])
	}
	for _, tier := range entry.GetPolicy().GetThen() {
		h.Write([]byte(tier.GetEnsemble()))
		digest(h, cfg.GetEnsembles()[tier.GetEnsemble()])
	}
	return h.Sum(nil)[:DigestSize]
}

// digest adds a message with its length, so that what is in one can't pass for the other.
func digest(h hash.Hash, message proto.Message) {
	// A message that came from a configuration holds valid text only, the one thing that marshalling can trip over.
	text, _ := proto.MarshalOptions{Deterministic: true}.Marshal(message)
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(text))))
	h.Write(text)
}
