package cloud_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/muster-iot/muster/cloud/cloudtest"
)

// exchange sends a request as it is and returns the answer; what follows the head may fail,
// because the server may have closed the connection.
func (w *world) exchange(head string, body func(io.Writer)) *http.Response {
	w.Helper()
	conn := cloudtest.Must[net.Conn](w)(net.Dial("tcp", w.Cloud.Addresses().HTTP))
	w.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(conn, head); err != nil {
		w.Fatal(err)
	}
	sent := make(chan struct{})
	go func() { defer close(sent); body(conn) }()
	answer := cloudtest.Must[*http.Response](w)(http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: strings.Fields(head)[0]}))
	<-sent
	return answer
}

func TestBodiesOfGetAndHeadAreRefusedUnread(t *testing.T) {
	t.Parallel()
	w := serve(t)
	for _, row := range []struct{ name, head, kind string }{
		{"console, chunked", "GET /sign-in HTTP/1.1\r\nTransfer-Encoding: chunked\r\n", "text/plain; charset=utf-8"},
		{"console, with a length", "GET /sign-in HTTP/1.1\r\nContent-Length: 1000000\r\n", "text/plain; charset=utf-8"},
		{"console, HEAD", "HEAD /sign-in HTTP/1.1\r\nContent-Length: 1\r\n", "text/plain; charset=utf-8"},
		{"API", "GET /v1/devices HTTP/1.1\r\nTransfer-Encoding: chunked\r\n", "application/json"},
		{"API, the body announced only", "GET /v1/devices HTTP/1.1\r\nContent-Length: 1\r\nExpect: 100-continue\r\n", "application/json"},
		{"WebSocket", "GET /mqtt HTTP/1.1\r\nContent-Length: 1\r\nSec-WebSocket-Protocol: mqtt\r\n", "text/plain; charset=utf-8"},
		{"health", "GET /healthz HTTP/1.1\r\nContent-Length: 1\r\n", "text/plain; charset=utf-8"},
	} {
		t.Run(row.name, func(t *testing.T) {
			answer := w.exchange(row.head+"Host: x\r\n\r\n", func(io.Writer) {})
			if answer.StatusCode != http.StatusBadRequest || !answer.Close || answer.Header.Get("Content-Type") != row.kind {
				t.Errorf("got %d, close %t, %s; want 400, close, %s", answer.StatusCode, answer.Close, answer.Header.Get("Content-Type"), row.kind)
			}
		})
	}
	answer := w.exchange("GET /healthz HTTP/1.1\r\nContent-Length: 0\r\nHost: x\r\n\r\n", func(io.Writer) {})
	if answer.StatusCode != http.StatusOK {
		t.Errorf("an empty body: got %d, want 200", answer.StatusCode)
	}
}

func TestALongMultipartGetCostsNoFileAndLittleMemory(t *testing.T) {
	temporary := t.TempDir()
	w := serve(t)
	t.Setenv("TMPDIR", temporary) // where net/http would spool the form
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	answer := w.exchange("GET /sign-in HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Type: multipart/form-data; boundary=x\r\n\r\n",
		func(out io.Writer) {
			part := "--x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"f\"\r\n\r\n"
			_, err := fmt.Fprintf(out, "%x\r\n%s\r\n", len(part), part)
			chunk := fmt.Sprintf("%x\r\n%s\r\n", 1<<20, strings.Repeat("x", 1<<20))
			for i := 0; i < 64 && err == nil; i++ {
				_, err = io.WriteString(out, chunk)
			}
			_, _ = io.WriteString(out, "9\r\n\r\n--x--\r\n\r\n0\r\n\r\n") // the server may have closed
		})
	runtime.ReadMemStats(&after)
	if answer.StatusCode != http.StatusBadRequest {
		t.Errorf("got %d, want 400", answer.StatusCode)
	}
	if spooled := cloudtest.Must[[]os.DirEntry](t)(os.ReadDir(temporary)); len(spooled) > 0 {
		t.Errorf("%d temporary files, want none", len(spooled))
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 16<<20 {
		t.Errorf("%d bytes allocated for a body of 64 MiB, want at most 16 MiB", used)
	}
}
