package report

import (
	"fmt"
	"time"
)

// Asked is how long requests of one kind took, in ms.
type Asked struct {
	What     string  `json:"what"`
	Requests int     `json:"requests"`
	P50      float64 `json:"p50"`
	P99      float64 `json:"p99"`
	Max      float64 `json:"max"`
	CPU      float64 `json:"cpu"` // of the server and its Redis, each, with what else it did meanwhile
}

// Summary sums up how long requests of one kind took. CPU is left to the caller.
func Summary(what string, took []time.Duration) Asked {
	return Asked{
		What: what, Requests: len(took), P50: Milliseconds(took, 0.5), P99: Milliseconds(took, 0.99), Max: Milliseconds(took, 1),
	}
}

// latencies is the table of what was asked, nothing where nothing was.
func (r *Result) latencies() (text []byte) {
	if len(r.Asked) == 0 {
		return nil
	}
	text = append(text, "\nms\tp50\tp99\tmax\tserver CPU\trequests\t\n"...)
	for _, a := range r.Asked {
		text = fmt.Appendf(text, "%s\t%s\t%s\t%s\t%s\t%d\t\n", a.What, Number(a.P50), Number(a.P99), Number(a.Max), Number(a.CPU), a.Requests)
	}
	return text
}

// Milliseconds are the q-quantile of durations.
func Milliseconds(took []time.Duration, q float64) float64 {
	values := make([]float64, len(took))
	for i, d := range took {
		values[i] = float64(d) / float64(time.Millisecond)
	}
	return quantile(values, q)
}
