package web_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"mime"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

const attack = `<script>alert(1)</script><img src=x onerror=alert(2)>"'><svg onload=alert(3)>`

// Whatever holds markup is text: on each page there is no element and no attribute that we didn't write.
func TestNothingIsMarkup(t *testing.T) {
	d := newDesk()
	d.queue.Description = attack
	d.queue.Reasons = []string{attack}
	d.queue.EscalateTo = []string{attack}
	d.queue.Holders = []*candorv1.QueueHolder{{Reviewer: attack, LeaseExpireTime: d.it.LeaseExpireTime}}
	d.it.Model, d.it.Field, d.it.Labels, d.it.EscalationNote, d.it.EscalatedBy = attack, attack, []string{attack, "ham"}, attack, attack
	d.it.AppealReason, d.it.Consumer, d.it.PredictionId, d.it.TraceUrl = attack, attack, attack, "javascript:alert(1)"
	d.it.Answers = []*candorv1.StageAnswer{{Stage: attack, Version: attack, Label: attack}}
	d.it.Payload.Tensors = []*candorv1.PayloadTensor{
		{Name: attack, Datatype: attack, Texts: [][]byte{[]byte(attack)}, View: candorv1.PayloadView_PAYLOAD_VIEW_TEXT},
		{Name: attack, Texts: [][]byte{[]byte(`{"` + strings.ReplaceAll(attack, `"`, `\"`) + `": "` + strings.ReplaceAll(attack, `"`, `\"`) + `"}`)}, View: candorv1.PayloadView_PAYLOAD_VIEW_JSON},
		{Name: attack, Texts: [][]byte{[]byte(attack)}, View: candorv1.PayloadView_PAYLOAD_VIEW_IMAGE},
		{Name: attack, Values: []float64{1}, View: candorv1.PayloadView_PAYLOAD_VIEW_TABLE, Features: []*candorv1.FeatureSpec{{Name: attack, Unit: attack}}},
	}
	s := newSite(t, d, candorv1.Role_ROLE_ADMIN)
	verdict := &candorv1.Verdict{Answer: &candorv1.Verdict_Label{Label: attack}, Author: reviewer, Note: attack, Reason: attack, CreateTime: d.it.CreateTime}
	for _, state := range []string{"held", "answered", "final"} {
		switch state {
		case "answered":
			d.it.State, d.it.Verdict, d.it.UndoUntil = candorv1.ReviewState_REVIEW_STATE_RESOLVED, verdict, d.it.ExpireTime
		case "final":
			d.it.FinalTime, d.it.Verdict.Author, d.it.HeldBy = d.it.CreateTime, attack, attack
		}
		for _, path := range []string{"/queue", "/work", "/items", "/items?queue=" + "%3Cscript%3E&model=%22%3E%3Cscript%3E", "/items/" + itemID, "/golden", "/appeal?prediction=%22%3E%3Cscript%3E&field=%22%3E%3Cscript%3E&opened=%22%3E%3Cscript%3E", "/items/" + itemID + "?in=%22%3E%3Cscript%3E&done=%3Cscript%3E"} {
			page := s.get(path)
			if page.StatusCode != http.StatusOK {
				t.Fatalf("%s of an item that is %s: %d", path, state, page.StatusCode)
			}
			for n := range page.parse(t).Descendants() {
				if n.Data == "script" && !strings.HasPrefix(attr(n, "src"), "/static/") || n.Data == "svg" && attr(n, "class") == "" || n.Data == "style" {
					t.Errorf("%s, %s: there is an element <%s>", path, state, n.Data)
				}
				for _, a := range n.Attr {
					if strings.HasPrefix(a.Key, "on") || a.Key == "style" || strings.HasPrefix(a.Val, "javascript:") {
						t.Errorf("%s, %s: <%s %s=%q>", path, state, n.Data, a.Key, a.Val)
					}
				}
			}
			if path == "/items/"+itemID && !strings.Contains(page.text(t), "alert(1)") {
				t.Errorf("%s: the text itself is missing", state)
			}
		}
	}
}

// The headers hold on every answer, whoever gives it.
func TestHeaders(t *testing.T) {
	s := newSite(t, newDesk())
	page := s.get("/items/" + itemID)
	css := page.body[strings.Index(page.body, "/static/"):]
	css = css[:strings.IndexByte(css, '"')]
	for path, status := range map[string]int{
		"/queue": 200, "/work": 200, "/items": 200, "/items/" + itemID: 200, "/": 303, "/none": 404, "/items/7": 404, "/static/none": 404, css: 200,
		"/items/" + itemID + "/image/0/0": 404, "/items/" + itemID + "/image/9/9": 404, "/items/" + itemID + "/file/0/0": 200, "/items/" + itemID + "/file/0/1": 404,
	} {
		r := s.get(path)
		h := r.Header
		if r.StatusCode != status {
			t.Errorf("%s is answered by %d, want %d", path, r.StatusCode, status)
		}
		csp := h.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: Content-Security-Policy %q", path, csp)
		}
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "no-referrer" || h.Get("Cross-Origin-Opener-Policy") != "same-origin" {
			t.Errorf("%s: headers %v", path, h)
		}
		if immutable := strings.Contains(h.Get("Cache-Control"), "immutable"); immutable != (path == css) {
			t.Errorf("%s: Cache-Control %q", path, h.Get("Cache-Control"))
		}
	}
}

// bomb is a PNG of a few bytes whose header claims a size.
func bomb(width, height uint32) []byte {
	var b bytes.Buffer
	b.WriteString("\x89PNG\r\n\x1a\n")
	chunk := append([]byte("IHDR"), binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, width), height)...)
	chunk = append(chunk, 8, 0, 0, 0, 0)
	b.Write(binary.BigEndian.AppendUint32(nil, uint32(len(chunk)-4)))
	b.Write(chunk)
	b.Write(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(chunk)))
	return b.Bytes()
}

func TestPictures(t *testing.T) {
	photo := image.NewRGBA(image.Rect(0, 0, 5, 4))
	photo.Set(1, 1, color.RGBA{200, 10, 10, 255})
	var asPNG, asJPEG bytes.Buffer
	if err := png.Encode(&asPNG, photo); err != nil {
		t.Fatal(err)
	}
	if err := jpeg.Encode(&asJPEG, photo, nil); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		data []byte
		// says is why it isn't shown; empty: it is.
		says string
	}{
		{"png", append(asPNG.Bytes(), "<script>"...), ""},
		{"jpeg", asJPEG.Bytes(), ""},
		{"svg", []byte(`<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>`), "neither PNG nor JPEG nor GIF"},
		{"html", []byte("<html><script>alert(1)</script>"), "neither PNG nor JPEG nor GIF"},
		{"nothing", []byte{}, "neither PNG nor JPEG nor GIF"},
		{"bomb", bomb(60000, 60000), "60000×60000 pixels"},
		{"long bomb", bomb(1<<31-1, 1), "more than are decoded"},
		{"wide bomb", bomb(8000, 8000), "more than are decoded"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDesk()
			d.it.Payload.Tensors = []*candorv1.PayloadTensor{{Name: "scan", Datatype: "BYTES", Texts: [][]byte{tt.data}, View: candorv1.PayloadView_PAYLOAD_VIEW_IMAGE}}
			s := newSite(t, d)
			page, img := s.get("/items/"+itemID), s.get("/items/"+itemID+"/image/0/0")
			if tt.says != "" {
				if !strings.Contains(page.text(t), tt.says) || img.StatusCode != http.StatusUnsupportedMediaType || strings.Contains(page.body, "/image/0/0") {
					t.Errorf("the page says %q, the picture is answered by %d", page.text(t), img.StatusCode)
				}
				file := s.get("/items/" + itemID + "/file/0/0")
				kind, _, err := mime.ParseMediaType(file.Header.Get("Content-Disposition"))
				if err != nil || kind != "attachment" || file.Header.Get("Content-Type") != "application/octet-stream" || file.body != string(tt.data) ||
					!strings.HasPrefix(file.Header.Get("Content-Security-Policy"), "sandbox;") {
					t.Errorf("its bytes come as %v", file.Header)
				}
				return
			}
			got, err := png.Decode(strings.NewReader(img.body))
			if err != nil || img.Header.Get("Content-Type") != "image/png" || got.Bounds() != photo.Bounds() || strings.Contains(img.body, "<script>") {
				t.Errorf("the picture is %s, %v", img.Header.Get("Content-Type"), err)
			}
			if !strings.Contains(page.body, `src="/items/`+itemID+`/image/0/0"`) {
				t.Error("the page doesn't show it")
			}
		})
	}
}

// A header may be right and what follows broken.
func TestBrokenPicture(t *testing.T) {
	d := newDesk()
	d.it.Payload.Tensors = []*candorv1.PayloadTensor{{Name: "scan", Texts: [][]byte{bomb(5, 5)}, View: candorv1.PayloadView_PAYLOAD_VIEW_IMAGE}}
	if r := newSite(t, d).get("/items/" + itemID + "/image/0/0"); r.StatusCode != http.StatusUnsupportedMediaType {
		t.Errorf("answered by %d", r.StatusCode)
	}
}

func TestGreyImage(t *testing.T) {
	d := newDesk()
	d.it.Payload.Tensors = []*candorv1.PayloadTensor{
		{Name: "digit", Shape: []int64{1, 2, 3}, Values: []float64{0, 8, 16, 99, -4, 4}, ImageMax: 16, View: candorv1.PayloadView_PAYLOAD_VIEW_GRAY_IMAGE},
		{Name: "wrong", Shape: []int64{7, 7}, Values: []float64{1, 2}, View: candorv1.PayloadView_PAYLOAD_VIEW_GRAY_IMAGE},
	}
	s := newSite(t, d)
	img, err := png.Decode(strings.NewReader(s.get("/items/" + itemID + "/image/0/0").body))
	if err != nil || img.Bounds() != image.Rect(0, 0, 3, 2) {
		t.Fatalf("%v, %v", img, err)
	}
	// From the least, -4, to the declared largest, 16.
	for i, want := range []uint8{51, 153, 255, 255, 0, 102} {
		if got := color.GrayModel.Convert(img.At(i%3, i/3)).(color.Gray).Y; got != want {
			t.Errorf("pixel %d is %d, want %d", i, got, want)
		}
	}
	if text := s.get("/items/" + itemID).text(t); !strings.Contains(text, "its shape is not that of one") {
		t.Errorf("the page says %q", text)
	}
}

func TestPayloadInWords(t *testing.T) {
	d := newDesk()
	d.it.Payload.Tensors = []*candorv1.PayloadTensor{
		{Name: "features", Values: []float64{1200, 3, 0.5, -7}, View: candorv1.PayloadView_PAYLOAD_VIEW_TABLE, Features: []*candorv1.FeatureSpec{
			{Name: "amount", Unit: "EUR", TypicalMin: proto.Float64(1), TypicalMax: proto.Float64(900)}, {Name: "age", Unit: "d", TypicalMin: proto.Float64(30)},
		}},
		{Name: "mail", Texts: [][]byte{[]byte("a\u202eb\x00c\xffd\u200be")}, View: candorv1.PayloadView_PAYLOAD_VIEW_TEXT},
		{Name: "doc", Texts: [][]byte{[]byte(`{"b": [1, true, null, "x"], "a": 1e400}`)}, View: candorv1.PayloadView_PAYLOAD_VIEW_JSON},
		{Name: "no doc", Texts: [][]byte{[]byte(`{"b": `)}, View: candorv1.PayloadView_PAYLOAD_VIEW_JSON},
		{Name: "scan", Shape: []int64{9000, 9000}},
	}
	s := newSite(t, d)
	text := s.get("/items/" + itemID).text(t)
	for _, want := range []string{
		"amount 1200EUR 1 to 900 above typical", "age 3d from 30 below typical", "[2] 0.5", "[3] −7",
		"aU+202EbU+0000cFFdU+200Be", "b array, 4 entries 0: 1 1: true 2: null 3: “x” a: 1e400", "it ends too early", "too large to be kept",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page doesn't say %q in\n%s", want, text)
		}
	}
	d.it.Payload = &candorv1.ReviewPayload{Deleted: true, Sha256: "ab"}
	if text := s.get("/items/" + itemID).text(t); !strings.Contains(text, "The input was removed") {
		t.Errorf("of a deleted payload the page says %q", text)
	}
	d.it.Payload = nil
	if text := s.get("/items/" + itemID).text(t); !strings.Contains(text, "The input is not kept") {
		t.Errorf("of a redacted payload the page says %q", text)
	}
}
