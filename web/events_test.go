package web_test

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"
)

// stream opens an event stream and answers its lines.
func (s *site) stream() (*http.Response, *bufio.Reader) {
	s.Helper()
	req, err := http.NewRequestWithContext(s.Context(), http.MethodGet, s.url+"/events", nil)
	if err != nil {
		s.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	resp, err := s.client.Do(req)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = resp.Body.Close() })
	if kind := resp.Header.Get("Content-Type"); kind != "text/event-stream" {
		s.Fatalf("a stream is %q", kind)
	}
	return resp, bufio.NewReader(resp.Body)
}

// moved waits for an event.
func moved(t *testing.T, r *bufio.Reader) {
	t.Helper()
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatalf("the stream ended: %v", err)
		}
		if strings.TrimSpace(line) == "event: moved" {
			return
		}
	}
}

func TestEvents(t *testing.T) {
	s := newSite(t, newDesk())
	_, first := s.stream()
	moved(t, first) // between the page and its stream something may have moved
	s.desk.mu.Lock()
	was := s.desk.moved
	s.desk.moved = make(chan struct{})
	s.desk.mu.Unlock()
	close(was)
	moved(t, first)

	// A person's fifth stream ends their first.
	for range 4 {
		_, r := s.stream()
		moved(t, r)
	}
	if _, err := io.ReadAll(first); err != nil {
		t.Errorf("the oldest stream ended with %v", err)
	}

	_, last := s.stream()
	moved(t, last)
	s.web.Close()
	if _, err := io.ReadAll(last); err != nil {
		t.Errorf("at the end a stream ended with %v", err)
	}
}

// htmx gets the title and the main part; everybody else the whole page.
func TestFragments(t *testing.T) {
	s := newSite(t, newDesk())
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/queue", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("HX-Request", "true")
	part, whole := s.do(req), s.get("/queue")
	if strings.Contains(part.body, "<html") || !strings.HasPrefix(part.body, "<title>") || !strings.Contains(part.body, `<main id="main"`) {
		t.Errorf("the part is\n%s", part.body)
	}
	if !strings.Contains(whole.body, "<html") || whole.Header.Get("Vary") != "HX-Request" || !strings.Contains(whole.text(t), "No login: anybody who reaches this page acts as ann") {
		t.Errorf("the page is\n%s", whole.body)
	}
}

func TestSettings(t *testing.T) {
	s := newSite(t, newDesk())
	for back, want := range map[string]string{"/queue": "/queue", "//evil.example": "/", `/\evil.example`: "/", "https://evil.example": "/", "": "/"} {
		form := s.get("/queue").form(t, "/settings")
		form.Set("theme", "dark")
		form.Del("keys")
		form.Set("back", back)
		if r := s.post("/settings", form); r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != want {
			t.Errorf("back to %q leads to %d %q", back, r.StatusCode, r.Header.Get("Location"))
		}
	}
	if page := s.get("/queue"); !strings.Contains(page.body, `data-theme="dark" data-keys="off"`) {
		t.Error("the settings are not remembered")
	}
}
