package limits

import "testing"

func TestResourceNames(t *testing.T) {
	for name, want := range map[string]string{
		"declines":                      "limits/declines",
		StopOfModel("m"):                "limits/stop:model:m",
		KeyName("declines", "Café/1"):   "limits/declines/keys/Caf%C3%A9%2F1",
		KeyName("declines", ""):         "limits/declines/keys/~empty",
		OtherKeys("declines"):           "limits/declines/keys/~other",
		KeyName("declines", "a/keys/b"): "limits/declines/keys/a%2Fkeys%2Fb",
	} {
		if got := ResourceName(name); got != want {
			t.Errorf("%q is %q, want %q", name, got, want)
		}
		if got := NameOf(want); got != name {
			t.Errorf("%q is back %q, want %q", want, got, name)
		}
		if got := NameOf(want[len("limits/"):]); got != name {
			t.Errorf("without prefix %q is back %q, want %q", want, got, name)
		}
	}
}
