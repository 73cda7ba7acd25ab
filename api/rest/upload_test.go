package rest_test

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"strings"
	"testing"
)

type part struct{ name, file, value string }

func multipartBody(t *testing.T, parts ...part) (contentType string, body []byte) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, p := range parts {
		var to io.Writer
		var err error
		if p.file != "" {
			to, err = w.CreateFormFile(p.name, p.file)
		} else {
			to, err = w.CreateFormField(p.name)
		}
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(to, p.value)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), b.Bytes()
}

func TestUploadTakesPartsInAnyOrder(t *testing.T) {
	image, number, title := part{"file", "firmware.bin", "IMAGE"}, part{name: "version", value: "7"}, part{name: "title", value: "Seven"}
	for name, row := range map[string]struct {
		parts   []part
		chunked bool
	}{
		"file first":            {[]part{image, number, title}, false},
		"file first, no length": {[]part{image, number, title}, true},
		"file last":             {[]part{number, title, image}, false},
		"binary":                {[]part{{"binary", `C:\build\firmware.bin`, "IMAGE"}, number, title, {name: "mandatory", value: "true"}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServe(t)
			contentType, body := multipartBody(t, row.parts...)
			var reader io.Reader = bytes.NewReader(body)
			if row.chunked {
				reader = struct{ io.Reader }{reader} // hides its length
			}
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.server.URL+"/v1/products/lamp/firmware", reader)
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Content-Type", contentType)
			request.Header.Set("Authorization", "Bearer "+testToken)
			status, answer := read(t, request)
			if status != http.StatusCreated {
				t.Fatalf("got %d %s", status, answer)
			}
			u := s.ota.uploaded
			if s.ota.image != "IMAGE" || u.Version != version("7") || u.Title != "Seven" || u.File != "firmware.bin" || u.Product != 42 || u.By != "me@example.com" {
				t.Errorf("got %q, %+v", s.ota.image, u)
			}
		})
	}
}

func TestUploadRefusals(t *testing.T) {
	s := newServe(t)
	number := part{name: "version", value: "7"}
	long := part{"file", "f", strings.Repeat("x", 1000+32*(16<<10)+(64<<10))}
	for name, row := range map[string]struct {
		parts  []part
		status int
		field  string
	}{
		"no file":       {[]part{number}, 422, "file"},
		"no version":    {[]part{{"file", "f", "x"}}, 422, "version"},
		"bad version":   {[]part{{"file", "f", "x"}, {name: "version", value: "1.4"}}, 422, "version"},
		"unknown field": {[]part{{"file", "f", "x"}, number, {name: "colour", value: "red"}}, 422, "colour"},
		"two files":     {[]part{{"file", "f", "x"}, {"file", "f", "x"}, number}, 422, "file"},
		"long title":    {[]part{{"file", "f", "x"}, number, {name: "title", value: strings.Repeat("x", (16<<10)+1)}}, 422, "title"},
		"long image":    {[]part{long, number}, 413, ""},
	} {
		t.Run(name, func(t *testing.T) {
			contentType, body := multipartBody(t, row.parts...)
			status, answer := s.do(t, http.MethodPost, "/v1/products/lamp/firmware", contentType, string(body))
			if status != row.status || row.field != "" && !strings.Contains(answer, `"`+row.field+`":`) {
				t.Errorf("got %d %s, want %d about %q", status, answer, row.status, row.field)
			}
		})
	}
	if status, answer := s.do(t, http.MethodPost, "/v1/products/lamp/firmware", "application/json", "{}"); status != 415 {
		t.Errorf("JSON: got %d %s, want 415", status, answer)
	}
	if status, answer := s.do(t, http.MethodPost, "/v1/products/lamp/firmware", "multipart/form-data; boundary=x", "--x\r\ncut"); status != 400 {
		t.Errorf("a cut body: got %d %s, want 400", status, answer)
	}
}

func TestUploadLeavesNoFilesBehind(t *testing.T) {
	s := newServe(t)
	for _, parts := range [][]part{{{"file", "f", "x"}, {name: "version", value: "7"}}, {{"file", "f", "x"}}} {
		contentType, body := multipartBody(t, parts...)
		s.do(t, http.MethodPost, "/v1/products/lamp/firmware", contentType, string(body))
	}
	if left, err := os.ReadDir(s.spool); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
