package export

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/muster-iot/muster/fleet"
)

// pages are n alerts in pages of two, each read when it is needed only.
func pages(n int, asked *[]string, failAt string) Page[fleet.Alert] {
	return func(after string) ([]fleet.Alert, string, error) {
		*asked = append(*asked, after)
		if failAt != "" && after == failAt {
			return nil, "", errors.New("the store is away")
		}
		first, _ := strconv.Atoi(after) // "" is 0
		var rows []fleet.Alert
		for i := first; i < min(n, first+2); i++ {
			rows = append(rows, fleet.Alert{ID: strconv.Itoa(i), Device: "lamp-1", Text: "=1+1\n\"x\",ü", Value: `{"c":1}`, Raised: time.Unix(1_800_000_000, 5_000_000)})
		}
		if first+2 >= n {
			return rows, "", nil
		}
		return rows, strconv.Itoa(first + 2), nil
	}
}

func TestAListIsWrittenPageByPage(t *testing.T) {
	t.Parallel()
	for _, format := range []Format{CSV, JSONL} {
		var asked []string
		s, err := Alerts(format, pages(5, &asked, ""))
		if err != nil || len(asked) != 1 {
			t.Fatalf("%s: %v, %d pages read before the first row is written", format, err, len(asked))
		}
		var out bytes.Buffer
		flushed := 0
		if err := s.Write(&out, func() {
			if flushed++; len(asked) != flushed {
				t.Errorf("%s: %d pages read, %d written", format, len(asked), flushed)
			}
		}); err != nil {
			t.Fatal(err)
		}
		if strings.Join(asked, " ") != " 2 4" || !strings.HasSuffix(s.File(), "."+string(format)) {
			t.Errorf("%s: asked for %q, %s", format, asked, s.File())
		}
		rows := 0
		if format == CSV {
			all, err := csv.NewReader(&out).ReadAll()
			if err != nil || all[0][0] != "id" || all[1][5] != "'=1+1\n\"x\",ü" || all[1][1] != "2027-01-15T08:00:00.005Z" {
				t.Errorf("got %q, %v", all, err)
			}
			rows = len(all) - 1
		} else {
			for lines := bufio.NewScanner(&out); lines.Scan(); rows++ {
				var row struct {
					Description string
					Value       struct{ C int }
				}
				if err := json.Unmarshal(lines.Bytes(), &row); err != nil || row.Value.C != 1 || !strings.HasPrefix(row.Description, "=1+1\n") {
					t.Errorf("got %s, %v", lines.Bytes(), err)
				}
			}
		}
		if rows != 5 {
			t.Errorf("%s: %d rows", format, rows)
		}
	}
}

func TestAnErrorIsReturnedBeforeTheFirstRowOrBreaksTheListOff(t *testing.T) {
	t.Parallel()
	var asked []string
	first := func(string) ([]fleet.Alert, string, error) { return nil, "", fleet.Unavailable }
	if _, err := Alerts(CSV, first); !errors.Is(err, fleet.Unavailable) {
		t.Errorf("got %v", err)
	}
	s, err := Alerts(JSONL, pages(5, &asked, "2"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Write(new(bytes.Buffer), func() {}); err == nil {
		t.Error("a list that broke off looks like a whole one")
	}
}

func TestTextThatSpreadsheetsCalculateIsMadeHarmless(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"=HYPERLINK(\"http://x/\"&A1)": "'=HYPERLINK(\"http://x/\"&A1)", "+1": "'+1", "-2": "'-2", "@SUM(A1)": "'@SUM(A1)", "\t=1": "'\t=1", "\r=1": "'\r=1",
		"\n=1": "'\n=1", "": "", "lamp": "lamp", "a=b": "a=b", "'x": "'x",
	} {
		if got := cell(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	if cell([]string{"-a", "b"}) != "'-a b" || cell(json.RawMessage(`-1`)) != "'-1" || cell(-1) != "-1" {
		t.Error("lists and JSON are text too, numbers of Muster's own are not")
	}
}

func TestMessagesKeepTheirBytes(t *testing.T) {
	t.Parallel()
	messages := []fleet.Message{{Payload: []byte(`{"a":1}`)}, {Payload: []byte("plain")}, {Payload: []byte{0xff, 0}}}
	s, err := Messages(JSONL, func(string) ([]fleet.Message, string, error) { return messages, "", nil })
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := s.Write(&out, func() {}); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{`"message":{"a":1},"base64":""`, `"message":"plain","base64":""`, `"message":"","base64":"/wA="`} {
		if line := strings.Split(out.String(), "\n")[i]; !strings.Contains(line, want) {
			t.Errorf("got %s, want %s", line, want)
		}
	}
}
