package wire_test

import (
	"encoding/hex"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// codec turns the fields of a vector into a message and back.
type codec struct {
	decode func(data []byte) ([]string, error)
	encode func(t testing.TB, fields []string) []byte
}

var codecs = map[string]codec{
	"hello":    {show(wire.DecodeHello, showHello), build(buildHello)},
	"welcome":  {show(wire.DecodeWelcome, showWelcome), build(buildWelcome)},
	"offer":    {show(wire.DecodeOffer, showOffer), build(buildOffer)},
	"chunk":    {show(wire.ParseChunk, showChunk), build(buildChunk)},
	"want":     {show(wire.DecodeWant, showWant), build(buildWant)},
	"report":   {show(wire.DecodeReport, showReport), build(buildReport)},
	"stop":     {show(wire.DecodeStop, showStop), build(buildStop)},
	"alert":    {show(wire.DecodeAlert, showAlert), build(buildAlert)},
	"attach":   {show(wire.DecodeAttach, showAttach), build(buildAttach)},
	"attached": {show(wire.DecodeAttached, showAttached), build(buildAttached)},
}

func show[M any](decode func([]byte) (M, error), fields func(*shown, M)) func([]byte) ([]string, error) {
	return func(data []byte) ([]string, error) {
		m, err := decode(data)
		if err != nil {
			return nil, err
		}
		var s shown
		fields(&s, m)
		return s.lines, nil
	}
}

func build(encode func(*given) []byte) func(testing.TB, []string) []byte {
	return func(t testing.TB, fields []string) []byte {
		g := &given{TB: t, values: map[string][]string{}}
		for _, field := range fields {
			name, value, _ := strings.Cut(field, " = ")
			g.values[name] = append(g.values[name], value)
		}
		data := encode(g)
		for name := range g.values {
			t.Errorf("unknown field %s", name)
		}
		return data
	}
}

func showHello(s *shown, h wire.Hello) {
	s.version("version", h.Version)
	s.text("product", h.Product)
	s.bytes("digest", zeroless(h.Digest[:]))
	s.always("chunk", uint64(h.Chunk))
	s.always("window", uint64(h.Window))
	if p := h.Partial; p != nil {
		s.bytes("partial_image", p.Image[:])
		s.always("partial_next", uint64(p.Next))
		s.always("partial_chunk", uint64(p.Chunk))
	}
	s.number("max_image", h.MaxImage)
	s.line("updates", strconv.FormatBool(h.UpdatesOn))
	if l := h.Last; l != nil {
		s.bytes("last_update", l.Update[:])
		s.always("last_outcome", uint64(l.Result))
		s.always("last_reason", uint64(l.Reason))
	}
	s.text("hardware", h.Hardware)
	s.bytes("facts", h.Facts)
	s.number("boot", h.Boot)
	s.truth("caches", h.Caches)
}

func buildHello(g *given) []byte {
	h := wire.NewHello(g.version("version"))
	h.Product, h.Hardware, h.Facts = g.text("product"), g.text("hardware"), g.bytes("facts")
	h.Chunk, h.Window = uint32(g.number("chunk")), uint32(g.number("window"))
	h.MaxImage, h.Boot = g.number("max_image"), g.number("boot")
	h.UpdatesOn, h.Caches = g.truth("updates"), g.truth("caches")
	copy(h.Digest[:], g.bytes("digest"))
	if g.has("partial_image") {
		h.Partial = &wire.Partial{Next: uint32(g.number("partial_next")), Chunk: uint32(g.number("partial_chunk"))}
		copy(h.Partial.Image[:], g.bytes("partial_image"))
	}
	if g.has("last_update") {
		h.Last = &wire.Outcome{Result: wire.OutcomeCode(g.number("last_outcome")), Reason: fleet.ReasonCode(g.number("last_reason"))}
		copy(h.Last.Update[:], g.bytes("last_update"))
	}
	return h.Encode()
}

func showWelcome(s *shown, w wire.Welcome) {
	s.number("boot", w.Boot)
	s.always("time", uint64(w.Time.Unix()))
	s.version("target", w.Target)
	s.text("why", w.Why)
	s.number("reason", uint64(w.Reason))
	s.number("again", uint64(w.Again/time.Second))
}

func buildWelcome(g *given) []byte {
	return wire.Welcome{
		Boot: g.number("boot"), Time: time.Unix(int64(g.number("time")), 0), Target: g.version("target"), Why: g.text("why"),
		Reason: fleet.ReasonCode(g.number("reason")), Again: time.Duration(g.number("again")) * time.Second,
	}.Encode()
}

func showOffer(s *shown, o wire.Offer) {
	image := o.Image()
	s.bytes("update", o.Update[:])
	s.version("version", o.Version)
	s.bytes("image", image[:])
	s.always("size", uint64(o.Size))
	s.bytes("digest", o.Digest[:])
	s.always("chunk", uint64(o.Chunk))
	s.always("count", uint64(o.Count))
	s.always("first", uint64(o.First))
	s.bytes("signature", o.Signature)
	s.truth("cached", o.Cached)
}

func buildOffer(g *given) []byte {
	g.bytes("image") // follows from the digest
	o := wire.Offer{
		Version: g.version("version"), Size: int64(g.number("size")), Chunk: uint32(g.number("chunk")), Count: uint32(g.number("count")),
		First: uint32(g.number("first")), Signature: g.bytes("signature"), Cached: g.truth("cached"),
	}
	copy(o.Update[:], g.bytes("update"))
	copy(o.Digest[:], g.bytes("digest"))
	return o.Encode()
}

func showChunk(s *shown, c wire.Chunk) {
	s.bytes("image", c.Image[:])
	s.always("index", uint64(c.Index))
	s.bytes("data", c.Data)
}

func buildChunk(g *given) []byte {
	c := wire.Chunk{Index: uint32(g.number("index")), Data: g.bytes("data")}
	copy(c.Image[:], g.bytes("image"))
	return wire.AppendChunk(nil, c)
}

func showWant(s *shown, w wire.Want) {
	s.bytes("image", w.Image[:])
	s.always("first", uint64(w.First))
	s.always("count", uint64(w.Count))
	s.number("chunk", uint64(w.Chunk))
}

func buildWant(g *given) []byte {
	w := wire.Want{First: uint32(g.number("first")), Count: uint32(g.number("count")), Chunk: uint32(g.number("chunk"))}
	copy(w.Image[:], g.bytes("image"))
	return w.Encode()
}

func showReport(s *shown, r wire.Report) {
	s.bytes("image", zeroless(r.Image[:]))
	s.always("state", uint64(r.State))
	s.number("reason", uint64(r.Reason))
	s.text("text", r.Text)
	s.number("next", uint64(r.Next))
	s.bytes("update", zeroless(r.Update[:]))
}

func buildReport(g *given) []byte {
	r := wire.Report{
		State: wire.ReportState(g.number("state")), Reason: fleet.ReasonCode(g.number("reason")),
		Text: g.text("text"), Next: uint32(g.number("next")),
	}
	copy(r.Image[:], g.bytes("image"))
	copy(r.Update[:], g.bytes("update"))
	return r.Encode()
}

func showStop(s *shown, p wire.Stop) {
	s.bytes("image", p.Image[:])
	s.always("reason", uint64(p.Reason))
	s.bytes("update", zeroless(p.Update[:]))
}

func buildStop(g *given) []byte {
	p := wire.Stop{Reason: fleet.ReasonCode(g.number("reason"))}
	copy(p.Image[:], g.bytes("image"))
	copy(p.Update[:], g.bytes("update"))
	return p.Encode()
}

func showAlert(s *shown, a wire.Alert) {
	s.always("type", a.Type)
	s.text("text", a.Text)
	s.bytes("value", a.Value)
}

func buildAlert(g *given) []byte {
	return wire.Alert{Type: g.number("type"), Text: g.text("text"), Value: g.bytes("value")}.Encode()
}

func showAttach(s *shown, a wire.Attach) {
	for _, id := range a.IDs {
		s.text("id", string(id))
	}
}

func buildAttach(g *given) []byte {
	var a wire.Attach
	for g.has("id") {
		a.IDs = append(a.IDs, fleet.DeviceID(g.text("id")))
	}
	return a.Encode()
}

func showAttached(s *shown, a wire.Attached) {
	for _, o := range a.Outcomes {
		s.line("outcome", strconv.Quote(string(o.ID))+" "+uitoa(o.Reason))
	}
}

func buildAttached(g *given) []byte {
	var a wire.Attached
	for g.has("outcome") {
		id, reason, _ := strings.Cut(g.take("outcome"), " ")
		n, err := strconv.ParseUint(reason, 10, 16)
		if err != nil {
			g.Fatal(err)
		}
		a.Outcomes = append(a.Outcomes, wire.AttachOutcome{ID: fleet.DeviceID(strings.Trim(id, `"`)), Reason: fleet.ReasonCode(n)})
	}
	return a.Encode()
}

// shown collects the fields of a message; an absent one makes no line.
type shown struct{ lines []string }

func (s *shown) line(name, value string)      { s.lines = append(s.lines, name+" = "+value) }
func (s *shown) always(name string, n uint64) { s.line(name, strconv.FormatUint(n, 10)) }

func (s *shown) number(name string, n uint64) {
	if n != 0 {
		s.always(name, n)
	}
}

func (s *shown) truth(name string, b bool) {
	if b {
		s.line(name, "true")
	}
}

func (s *shown) text(name, value string) {
	if value != "" {
		s.line(name, strconv.Quote(value))
	}
}

func (s *shown) bytes(name string, b []byte) {
	if len(b) > 0 {
		s.line(name, hex.EncodeToString(b))
	}
}

func (s *shown) version(name string, v fleet.Version) {
	if n, ok := v.Whole(); ok {
		s.always(name, uint64(n))
	} else {
		s.text(name, v.String())
	}
}

// given holds the fields of a vector until a message has taken them.
type given struct {
	testing.TB
	values map[string][]string
}

func (g *given) has(name string) bool { return len(g.values[name]) > 0 }

func (g *given) take(name string) string {
	values := g.values[name]
	if len(values) == 0 {
		return ""
	}
	g.values[name] = values[1:]
	if len(values) == 1 {
		delete(g.values, name)
	}
	return values[0]
}

func (g *given) text(name string) string {
	value := g.take(name)
	if value == "" {
		return ""
	}
	text, err := strconv.Unquote(value)
	if err != nil {
		g.Fatalf("%s: %v", name, err)
	}
	return text
}

func (g *given) number(name string) uint64 {
	value := g.take(name)
	if value == "" {
		return 0
	}
	n, err := strconv.ParseUint(value, 10, 64)
	if err != nil {
		g.Fatalf("%s: %v", name, err)
	}
	return n
}

func (g *given) truth(name string) bool { return g.take(name) == "true" }

func (g *given) bytes(name string) []byte {
	value := g.take(name)
	if value == "" {
		return nil
	}
	b, err := hex.DecodeString(value)
	if err != nil {
		g.Fatalf("%s: %v", name, err)
	}
	return b
}

func (g *given) version(name string) fleet.Version {
	value := g.take(name)
	if text, err := strconv.Unquote(value); err == nil {
		value = text
	}
	return fleet.ReportedVersion(value)
}

func zeroless(b []byte) []byte {
	for _, c := range b {
		if c != 0 {
			return b
		}
	}
	return nil
}

func uitoa(r fleet.ReasonCode) string { return strconv.FormatUint(uint64(r), 10) }
