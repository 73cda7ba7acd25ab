package cloudtest

import (
	"bufio"
	"net/http"
	"strconv"
	"strings"
)

// Metric reads one sample of /metrics, named as it stands there: "muster_connections" or
// `muster_ignored_total{reason="rate"}`. A sample that is not there is 0.
func (s *Server) Metric(name string) float64 {
	s.Helper()
	request := Must[*http.Request](s)(http.NewRequestWithContext(s.Context(), http.MethodGet, s.URL("/metrics"), nil))
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		s.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		s.Fatalf("/metrics: %s", answer.Status)
	}
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		if value, found := strings.CutPrefix(lines.Text(), name+" "); found {
			return Must[float64](s)(strconv.ParseFloat(value, 64))
		}
	}
	if err := lines.Err(); err != nil {
		s.Fatal(err)
	}
	return 0
}
