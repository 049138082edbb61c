package config

import "testing"

func TestWebhooks(t *testing.T) {
	const nobody = "warning: webhooks: nobody may make their secrets"
	for name, tc := range map[string]struct {
		hook string
		want []string
	}{
		"good":                   {`{url: "https://example.com/candor"}`, nil},
		"inside, allowed":        {`{url: "http://10.0.0.1:8080/x", allow_private: true}`, nil},
		"a name":                 {`{url: "https://receiver.internal/"}`, nil},
		"plain text":             {`{url: "http://example.com/"}`, []string{"webhooks.w.url: would be sent in plain text"}},
		"another scheme":         {`{url: "ftp://example.com/"}`, []string{"webhooks.w.url: is not an http or https URL"}},
		"a user":                 {`{url: "https://u:p@example.com/"}`, []string{"webhooks.w.url: has a user or a password"}},
		"a fragment":             {`{url: "https://example.com/#x"}`, []string{"webhooks.w.url: has a fragment"}},
		"loopback":               {`{url: "https://127.0.0.1/"}`, []string{`webhooks.w.url: "127.0.0.1" points inside`}},
		"loopback, by name":      {`{url: "https://localhost:1/"}`, []string{`webhooks.w.url: "localhost" points inside`}},
		"loopback, in IPv6":      {`{url: "https://[::1]/"}`, []string{"webhooks.w.url: points inside"}},
		"metadata":               {`{url: "https://169.254.169.254/"}`, []string{"webhooks.w.url: points inside"}},
		"a consumer of nobody's": {`{url: "https://example.com/", consumers: [nobody]}`, []string{"webhooks.w.consumers[0]: there is no consumer"}},
	} {
		t.Run(name, func(t *testing.T) {
			text := base(t, edit{"roles: [reviewer, operator]", "roles: [reviewer, operator, admin]"}, edit{"limits:", "webhooks: {w: " + tc.hook + "}\nlimits:"})
			_, faults := Parse("test.yaml", text)
			expect(t, faults, tc.want)
		})
	}
	_, faults := Parse("test.yaml", base(t, edit{"limits:", "webhooks: {w: {url: \"https://example.com/\"}}\nlimits:"}))
	expect(t, faults, []string{nobody})
}

// An alert's address is held to the same rules.
func TestAlertsAddress(t *testing.T) {
	for webhook, want := range map[string][]string{
		`"https://alerts.example.com/"`:              nil,
		`"http://alerts.example.com/"`:               {"limits.stop.webhook: would be sent in plain text"},
		`"http://127.0.0.1:9/", allow_private: true`: nil,
		`"https://192.168.0.1/"`:                     {"limits.stop.webhook: points inside"},
	} {
		_, faults := Parse("test.yaml", base(t, edit{"max_count: 10", "max_count: 10, webhook: " + webhook}))
		expect(t, faults, want)
	}
}
