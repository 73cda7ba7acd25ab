package rest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// A short request has a short answer, and a stranger's is short.
func TestAnswersNameSomeOfManyFaults(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var fields, form strings.Builder
	for i := range 500 {
		fmt.Fprintf(&fields, `,"x%d":1`, i)
		fmt.Fprintf(&form, "&x%d=1", i)
	}
	long := strings.Repeat("y", 500_000)
	for name, row := range map[string]struct{ method, path, contentType, body string }{
		"JSON, public":           {http.MethodPost, "/oauth/token", "application/json", `{"username":"a"` + fields.String() + `}`},
		"form, public":           {http.MethodPost, "/oauth/token", "application/x-www-form-urlencoded", "username=a" + form.String()},
		"JSON":                   {http.MethodPut, "/v1/devices/lamp-7", "application/json", `{"name":"a"` + fields.String() + `}`},
		"nested":                 {http.MethodPost, "/oauth/token", "application/x-www-form-urlencoded", "username=a" + strings.ReplaceAll(form.String(), "=1", "[a]=1")},
		"query":                  {http.MethodGet, "/v1/devices?x=1" + form.String(), "", ""},
		"a field with long name": {http.MethodPut, "/v1/devices/lamp-7", "application/json", `{"` + long + `":1}`},
		"tags":                   {http.MethodPut, "/v1/devices/lamp-7/tags", "application/json", `{"` + long + `":1}`},
	} {
		t.Run(name, func(t *testing.T) {
			status, answer := w.do(row.method, row.path, row.contentType, row.body)
			var p struct{ Fields map[string]string }
			if err := json.Unmarshal([]byte(answer), &p); err != nil || status/100 != 4 || len(p.Fields) > 10 || len(answer) > 8<<10 {
				t.Errorf("got %d with %d faults in %d bytes, %v; want at most 10 in 8 KiB", status, len(p.Fields), len(answer), err)
			}
		})
	}
}

func TestBodiesOfPublicOperationsAreShort(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, path := range []string{"/oauth/token", "/v1/invitations/accept"} {
		for _, kind := range []string{"application/json", "application/x-www-form-urlencoded"} {
			if status, answer := w.do(http.MethodPost, path, kind, strings.Repeat(" ", 8<<10+1)); status != http.StatusRequestEntityTooLarge {
				t.Errorf("%s, %s: got %d %s, want 413", path, kind, status, answer)
			}
		}
	}
}

func TestBodiesAreBoundedAndTyped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, row := range map[string]struct {
		contentType, body string
		status            int
	}{
		"JSON with charset": {"application/json; charset=utf-8", `{"name":"x"}`, 200},
		"no type is JSON":   {"", `{"name":"x"}`, 200},
		"empty":             {"application/json", "", 200},
		"other type":        {"text/plain", "name=x", 415},
		"multipart":         {"multipart/form-data; boundary=x", "--x--", 415},
		"too long":          {"application/json", `{"name":"` + strings.Repeat("x", 1<<20) + `"}`, 413},
		"deep":              {"application/json", `{"groups":` + strings.Repeat("[", 100_000), 400},
	} {
		t.Run(name, func(t *testing.T) {
			if status, body := w.do(http.MethodPut, "/v1/devices/lamp-7", row.contentType, row.body); status != row.status {
				t.Errorf("got %d %.200s, want %d", status, body, row.status)
			}
		})
	}
}
