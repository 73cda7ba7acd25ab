package wire_test

import (
	"encoding/hex"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/wire"
)

// limits is every constant of limits.go: a number, or a time.Duration.
var limits = map[string]any{
	"Protocol": wire.Protocol, "MaxNesting": wire.MaxNesting, "MaxElements": wire.MaxElements, "MaxTopic": wire.MaxTopic,
	"MaxTopicLevels": wire.MaxTopicLevels, "MaxName": wire.MaxName, "MaxText": wire.MaxText, "MaxWord": wire.MaxWord,
	"MaxFacts": wire.MaxFacts, "MaxAttach": wire.MaxAttach, "MaxHello": wire.MaxHello, "MaxControl": wire.MaxControl,
	"MaxAttachBytes": wire.MaxAttachBytes, "MaxAlert": wire.MaxAlert, "MaxMessage": wire.MaxMessage, "MaxCommand": wire.MaxCommand,
	"MinChunk": wire.MinChunk, "MaxChunk": wire.MaxChunk, "DefaultChunk": wire.DefaultChunk, "MaxWindow": wire.MaxWindow,
	"DefaultWindow": wire.DefaultWindow, "MaxInFlight": wire.MaxInFlight, "MaxWant": wire.MaxWant, "MaxPacket": wire.MaxPacket,
	"HelloBurst": wire.HelloBurst, "HelloInterval": wire.HelloInterval, "WantBurst": wire.WantBurst, "WantInterval": wire.WantInterval,
	"MessageBurst": wire.MessageBurst, "MessageInterval": wire.MessageInterval, "WelcomeTimeout": wire.WelcomeTimeout,
	"ChunkTimeout": wire.ChunkTimeout, "ApplyTimeout": wire.ApplyTimeout, "SlotTimeout": wire.SlotTimeout,
	"GatewayBurst": wire.GatewayBurst, "GatewayInterval": wire.GatewayInterval, "PacketBurst": wire.PacketBurst, "PacketInterval": wire.PacketInterval,
	"ConnectBurst": wire.ConnectBurst, "ConnectInterval": wire.ConnectInterval, "RivalBurst": wire.RivalBurst, "RivalInterval": wire.RivalInterval,
	"UpdateTimeout": wire.UpdateTimeout, "TakeoverPause": wire.TakeoverPause,
}

func TestDocumentedLimitsAreTheCodes(t *testing.T) {
	documented := map[string]bool{}
	for _, row := range table(t, "## Limits") {
		name := strings.Trim(row[0], "`")
		documented[name] = true
		switch want := limits[name].(type) {
		case int:
			if row[1] != strconv.Itoa(want) {
				t.Errorf("%s: the document says %s, the code %d", name, row[1], want)
			}
		case time.Duration:
			if got, err := time.ParseDuration(strings.ReplaceAll(row[1], " ", "")); err != nil || got != want {
				t.Errorf("%s: the document says %s, the code %v", name, row[1], want)
			}
		default:
			t.Errorf("%s: documented, and not known here", name)
		}
	}
	for _, name := range constants(t, "limits.go") {
		if !documented[name] {
			t.Errorf("%s is not documented", name)
		}
	}
}

func TestDocumentedReasonsAreTheCodes(t *testing.T) {
	documented := map[fleet.ReasonCode]bool{}
	for _, row := range table(t, "## Reason codes") {
		n, err := strconv.ParseUint(row[0], 10, 16)
		if err != nil {
			t.Fatal(err)
		}
		code := fleet.ReasonCode(n)
		documented[code] = true
		free := map[bool]string{true: "yes", false: "no"}[wire.Free(code)]
		if row[1] != wire.ReasonText(code) || row[2] != free {
			t.Errorf("reason %d: the document says %q, free %s, the code %q, %s", n, row[1], row[2], wire.ReasonText(code), free)
		}
	}
	for code := range fleet.ReasonCode(1000) {
		if known := wire.ReasonText(code) != "reason "+uitoa(code); known != documented[code] {
			t.Errorf("reason %d: known %v, documented %v", code, known, documented[code])
		}
	}
}

// An example is a block ```vector message/name with the digits of that vector.
func TestDocumentedExamplesAreVectors(t *testing.T) {
	known := map[string][]byte{}
	for v := range vectors(t) {
		known[v.message+"/"+v.name] = v.data
	}
	examples := regexp.MustCompile("(?s)```vector (\\S+)\n(.*?)```").FindAllStringSubmatch(document(t), -1)
	shown := map[string]bool{}
	for _, example := range examples {
		name := example[1]
		message, _, _ := strings.Cut(name, "/")
		shown[message] = true
		digits := regexp.MustCompile(`(?m)^#.*$|\s`).ReplaceAllString(example[2], "")
		if want, ok := known[name]; !ok || digits != hex.EncodeToString(want) {
			t.Errorf("%s: got %s, want %x", name, digits, want)
		}
	}
	for message := range codecs {
		if !shown[message] {
			t.Errorf("no example of %s", message)
		}
	}
}

func TestEveryTopicIsDocumented(t *testing.T) {
	text := document(t)
	for _, topic := range topicsOf("{id}", "{ble}") {
		topic = strings.NewReplacer("/7", "/{n}", "/log/boot", "/{name}", "/reboot", "/{name}").Replace(topic)
		if strings.Contains(topic, "{ble}") {
			topic = "d/{gw}/b/{ble}/up/..."
		}
		if !strings.Contains(text, "`"+topic+"`") && !strings.Contains(text, "`"+strings.Replace(topic, "{id}", "{gw}", 1)+"`") {
			t.Errorf("%s is not documented", topic)
		}
	}
}

func document(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// table is the rows of the first table after a heading, without its head.
func table(t *testing.T, heading string) (rows [][]string) {
	t.Helper()
	_, text, found := strings.Cut(document(t), "\n"+heading+"\n")
	if !found {
		t.Fatalf("no heading %q", heading)
	}
	for line := range strings.SplitSeq(text, "\n") {
		if !strings.HasPrefix(line, "|") {
			if len(rows) > 0 {
				break
			}
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rows = append(rows, cells)
	}
	if len(rows) < 3 {
		t.Fatalf("no table below %q", heading)
	}
	return slices.Clone(rows[2:])
}

// constants is the exported constants a file of this package declares.
func constants(t *testing.T, file string) (names []string) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, decl := range parsed.Decls {
		group, ok := decl.(*ast.GenDecl)
		if !ok || group.Tok != token.CONST {
			continue
		}
		for _, spec := range group.Specs {
			for _, name := range spec.(*ast.ValueSpec).Names {
				if name.IsExported() {
					names = append(names, name.Name)
				}
			}
		}
	}
	return names
}
