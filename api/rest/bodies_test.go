package rest_test

import (
	"net/http"
	"strings"
	"testing"
)

func TestBodiesAreBoundedAndTyped(t *testing.T) {
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
