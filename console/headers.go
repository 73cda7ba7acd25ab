package console

import (
	"embed"
	"io/fs"
	"net/http"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzhttp"
)

// policy restricts what a page may load: files of this server only, no inline scripts or
// styles, no frames around it.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

//go:embed static/*.css static/*.js static/*.svg
var files embed.FS

// secured adds the security headers to every response.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// compressed compresses pages, styles and scripts for browsers that take it. Event streams and
// images pass as they are. The length of an answer varies at random, so that it reveals nothing of
// what a page has besides what was asked for (the BREACH attack).
func compressed(next http.Handler) http.Handler {
	wrap, err := gzhttp.NewWrapper(
		gzhttp.ContentTypes([]string{"text/html", "text/css", "text/javascript", "application/json", "image/svg+xml"}),
		gzhttp.MinSize(1024), gzhttp.RandomJitter(32, 0, false),
	)
	if err != nil {
		panic(err) // the options are constants
	}
	wrapped := wrap(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if slices.Contains(streamPaths, r.URL.Path) {
			next.ServeHTTP(w, r) // gzhttp would keep the header until the first event
			return
		}
		wrapped(w, r)
	})
}

// streamPaths are the addresses of event streams.
var streamPaths = []string{"/live", "/events/stream"}

// static serves the embedded files. Pages add a tag of their content to the address, so browsers
// may cache them.
func static() http.Handler {
	sub, err := fs.Sub(files, "static")
	if err != nil {
		panic(err) // the folder is embedded
	}
	server := http.StripPrefix("/static/", http.FileServerFS(sub))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/") {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		server.ServeHTTP(w, r)
	})
}
