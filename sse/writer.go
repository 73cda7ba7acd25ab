package sse

import (
	"net/http"
	"strings"
	"time"
)

// writeTimeout ends a stream whose client has read nothing for so long.
const writeTimeout = 20 * time.Second

// Writer sends text to one client.
type Writer struct {
	writer  http.ResponseWriter
	control *http.ResponseController
}

// NewWriter answers a request with 200 and the headers of a stream of events.
func NewWriter(w http.ResponseWriter) *Writer {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back
	w.WriteHeader(http.StatusOK)
	return &Writer{writer: w, control: http.NewResponseController(w)}
}

// Write sends text, which is server-sent events already, at once.
func (w *Writer) Write(text string) error {
	_ = w.control.SetWriteDeadline(time.Now().Add(writeTimeout)) // a test's recorder has none
	if _, err := w.writer.Write([]byte(text)); err != nil {
		return err
	}
	return w.control.Flush()
}

// lineBreaks are what ends a line in a stream; clients read each as LF.
var lineBreaks = strings.NewReplacer("\r\n", "\ndata: ", "\r", "\ndata: ", "\n", "\ndata: ")

// Event formats one event. Line breaks in data are kept, as LF; name has none.
func Event(name, data string) string {
	return "event: " + name + "\ndata: " + lineBreaks.Replace(data) + "\n\n"
}
