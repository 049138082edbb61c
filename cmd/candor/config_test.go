package main

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

func TestWriteConfig(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	resp := &candorv1.GetConfigurationResponse{
		LoadTime: timestamppb.New(at), Digest: "fedcba9876543210", ReloadTime: timestamppb.New(at.Add(time.Minute)), ReloadResult: candorv1.ReloadResult_RELOAD_RESULT_UNCHANGED, Models: []*candorv1.ModelPolicy{{Model: "fraud", PolicyDigest: "0123456789abcdef"}},
	}
	write := func() string {
		t.Helper()
		var b strings.Builder
		if err := writeConfig(&b, resp); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	if got := write(); !strings.Contains(got, "in force since 2026-03-01T12:00:00Z\ndigest fedcba9876543210\nlast reload 2026-03-01T12:01:00Z: unchanged\n") || !strings.Contains(got, "0123456789abcdef") || strings.Contains(got, "refused") {
		t.Errorf("%s", got)
	}
	resp.RefuseTime, resp.Faults = timestamppb.New(at.Add(time.Hour)), []string{"candor.yaml:1:1: one", "candor.yaml:2:1: two"}
	if got := write(); !strings.HasSuffix(got, "refused at 2026-03-01T13:00:00Z:\ncandor.yaml:1:1: one\ncandor.yaml:2:1: two\n") {
		t.Errorf("%s", got)
	}
}
