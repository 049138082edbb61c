package interop_test

import "testing"

// TestClients runs every client against the same gateway, and another one whose primary is down, and prints what each of them
// saw.
func TestClients(t *testing.T) {
	needsInterop(t)
	w := start(t)
	p := newPlan(t, w)
	p.PrimaryDown = start(t, p.BackendModel).gateway
	rec := &record{}
	t.Cleanup(func() { t.Logf("\n%s", rec) })
	t.Run("Triton", func(t *testing.T) {
		runScript(t, rec, p, script{client: "tritonclient", file: "triton.py", python: required(t, "CANDOR_PYTHON_TRITON")})
	})
	t.Run("OpenInference", func(t *testing.T) {
		runScript(t, rec, p, script{client: "open-inference-grpc", file: "oip.py", python: required(t, "CANDOR_PYTHON_OIP")})
	})
	t.Run("Grpcurl", func(t *testing.T) { runGrpcurl(t, rec, p) })
}
