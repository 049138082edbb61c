package review

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

func TestPayloadRoundTrip(t *testing.T) {
	p := &candorv1.ReviewPayload{Tensors: []*candorv1.PayloadTensor{
		{Name: "image", Datatype: "FP32", Shape: []int64{2}, Values: []float64{0.5, -1}},
	}}
	data, sum, err := EncodePayload(p)
	if err != nil {
		t.Fatal(err)
	}
	back, err := DecodePayload(data, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	if back.GetSha256() != hex.EncodeToString(sum[:]) || back.GetDeleted() {
		t.Errorf("sha256 %q, deleted %t", back.GetSha256(), back.GetDeleted())
	}
	data2, sum2, err := EncodePayload(back)
	if err != nil || string(data2) != string(data) || sum2 != sum {
		t.Errorf("the digest isn't stable once it is set: %v", err)
	}
	back.Sha256 = ""
	if !proto.Equal(p, back) {
		t.Errorf("got %v, want %v", back, p)
	}
	p.Sha256 = strings.Repeat("0", 64)
	if _, _, err := EncodePayload(p); err == nil || !strings.Contains(err.Error(), "sha256") {
		t.Errorf("a wrong digest: %v; want an error that names sha256", err)
	}
	gone, err := DecodePayload(nil, sum[:])
	if err != nil || !gone.GetDeleted() || gone.GetSha256() == "" || len(gone.GetTensors()) != 0 {
		t.Errorf("removed contents: %v, %v", gone, err)
	}
}

const aUUID = "0198c0de-0000-7000-8000-00000000000a"

func TestPageToken(t *testing.T) {
	created := time.UnixMicro(1_790_000_000_123_456).UTC()
	at, id, err := ParsePageToken(PageToken(Item{ID: aUUID, Created: created}))
	if err != nil || !at.Equal(created) || id != aUUID {
		t.Errorf("got %v, %q, %v", at, id, err)
	}
	token := PageToken(Item{ID: aUUID, Created: created})
	for _, bad := range []string{
		"", "?", "YWJj", "MTI", "MTIv", "eC95", token + "\n", token[:len(token)-1],
		PageToken(Item{ID: "an-id", Created: created}), PageToken(Item{ID: strings.ToUpper(aUUID), Created: created}),
		base64.RawURLEncoding.EncodeToString([]byte("+1/" + aUUID)),
	} {
		if _, _, err := ParsePageToken(bad); !errors.Is(err, ErrPageToken) {
			t.Errorf("%q: %v; want ErrPageToken", bad, err)
		}
	}
}
