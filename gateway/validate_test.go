package gateway

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// What is wrong with a request is said so that its sender needs no look into the proto.
func TestValidateSaysWhatToSend(t *testing.T) {
	for _, tt := range []struct {
		msg  proto.Message
		want string
	}{
		{&candorv1.GetLimitRequest{Name: "limits/declines"}, ""},
		{&candorv1.GetLimitRequest{}, "name: it is empty; fill it in"},
		{&candorv1.GetCertificateRequest{Name: "ünï"}, `name: "ünï" is not of the form ^certificates/[0-9a-f]{16}\.[0-9]{1,9}$`},
		{
			&candorv1.GetCertificateRequest{Name: strings.Repeat("ü", 1<<20)},
			`name: "` + strings.Repeat("ü", 50) + `…" is not of the form ^certificates/[0-9a-f]{16}\.[0-9]{1,9}$`,
		},
		{&candorv1.GetArtefactRequest{}, "name: it is empty; fill it in"},
		{&candorv1.ListLimitsRequest{PageSize: -1}, "page_size: must be greater than or equal to 0 and less than or equal to 1000"},
		{
			&candorv1.RecordOutcomeRequest{PredictionId: "01939d4e-6a5c-7c3f-8f57-1f0a6c3e9b11"},
			"truth: it is missing; send one of label, value",
		},
	} {
		err := validate(tt.msg)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || err.Error() != "INVALID_REQUEST: "+tt.want) {
			t.Errorf("%T: %v, want %q", tt.msg, err, tt.want)
		}
	}
}
