package cli

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/audit/chain"
	"github.com/muster-iot/muster/fleet"
)

type auditVerifyCmd struct {
	remote
	File  string `arg:"" optional:"" help:"Exported entries as JSON lines or an array; - reads standard input. Without a file, all that the server keeps." placeholder:"FILE"`
	Noted string `help:"Number and hash of an entry that was noted earlier: the log must still have it." placeholder:"NUMBER:HASH"`
}

// verified is what the verb prints with --json.
type verified struct {
	Sound    bool         `json:"sound"`
	Entries  int          `json:"entries"`
	Unlinked int          `json:"unlinked"`
	First    uint64       `json:"first"`
	Last     uint64       `json:"last"`
	Hash     string       `json:"hash"`
	Missing  []chain.Span `json:"missing"`
	Changed  []chain.Span `json:"changed"`
	Repeated []chain.Span `json:"repeated"`
	Problem  string       `json:"problem,omitempty"`
}

// Run verifies the chain of the audit log.
func (c *auditVerifyCmd) Run(ctx context.Context) error {
	noted, err := parseNoted(c.Noted)
	if err != nil {
		return err
	}
	var v auditVerifier
	head := api.AuditHead{}
	if c.File == "" {
		head, err = c.fromServer(ctx, &v)
	} else {
		err = c.fromFile(&v)
	}
	if err != nil {
		return err
	}
	out := v.result(noted, head)
	err = c.show(out, func(t *table) { out.draw(t) })
	if err == nil && !out.Sound {
		err = errors.New(out.Problem)
	}
	return err
}

func parseNoted(text string) (chain.Link, error) {
	if text == "" {
		return chain.Link{}, nil
	}
	noted, err := chain.ParseLink(text)
	if err != nil {
		err = fmt.Errorf("--noted: %w: write it as muster audit verify prints it", err)
	}
	return noted, err
}

// fromServer adds all entries of the server. What is recorded meanwhile is left out.
func (c *auditVerifyCmd) fromServer(ctx context.Context, v *auditVerifier) (head api.AuditHead, err error) {
	s, err := c.reach(ctx)
	if err != nil {
		return head, err
	}
	if head, err = s.AuditHead(ctx); err != nil {
		return head, err
	}
	for after := ""; ; {
		page, err := s.Audit(ctx, api.AuditFilter{After: after, Limit: api.MaxRows})
		if err != nil {
			return head, err
		}
		for i := range page.Items {
			if page.Items[i].Number <= head.Number {
				v.add(&page.Items[i])
			}
		}
		if after = page.Next; after == "" {
			return head, nil
		}
	}
}

func (c *auditVerifyCmd) fromFile(v *auditVerifier) error {
	in := io.Reader(os.Stdin)
	if c.File != "-" {
		file, err := os.Open(c.File)
		if err != nil {
			return err
		}
		defer file.Close()
		in = file
	}
	lines := json.NewDecoder(in)
	for {
		var value json.RawMessage
		if err := lines.Decode(&value); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("%s at byte %d: not JSON: %w", c.File, lines.InputOffset(), err)
		}
		entries := make([]api.AuditEntry, 1)
		var err error
		if value[0] == '[' {
			err = json.Unmarshal(value, &entries)
		} else {
			err = json.Unmarshal(value, &entries[0])
		}
		if err != nil {
			return fmt.Errorf("%s before byte %d: not an entry of the audit log: %w", c.File, lines.InputOffset(), err)
		}
		for i := range entries {
			v.add(&entries[i])
		}
	}
}

// auditVerifier verifies entries as the API shows them.
type auditVerifier struct {
	chain.Verifier
	mislabeled []uint64 // numbers whose hash is not the one that is shown
}

func (v *auditVerifier) add(e *api.AuditEntry) {
	entry := fleet.AuditEntry{
		Team: fleet.TeamID(e.Team), User: fleet.UserID(e.User), Email: e.Email, Action: e.Action, Object: e.Object,
		Product: fleet.ProductID(e.Product), Before: orEmpty(e.Before), After: orEmpty(e.After), Token: e.Token, From: e.From, Number: e.Number,
	}
	if e.At != nil {
		entry.At = *e.At
	}
	prev, _ := hex.DecodeString(e.Prev) // another length breaks the chain
	copy(entry.Prev[:], prev)
	v.Add(&entry)
	if e.Number > 0 && chain.Digest(&entry).String() != e.Hash {
		v.mislabeled = append(v.mislabeled, e.Number)
	}
}

// orEmpty is the inverse of the API's null for "".
func orEmpty(p api.Payload) string {
	if string(p) == "null" {
		return ""
	}
	return string(p)
}

func (v *auditVerifier) result(noted chain.Link, head api.AuditHead) verified {
	r := v.Findings()
	out := verified{
		Entries: r.Entries, Unlinked: r.Unlinked, First: r.First.Number, Last: r.Last.Number, Hash: r.Last.Digest.String(),
		Missing: append([]chain.Span{}, r.Missing...), Changed: append([]chain.Span{}, r.Broken...), Repeated: append([]chain.Span{}, r.Repeated...),
	}
	switch {
	case len(r.Broken) > 0:
		out.Problem = "the log was changed: the chain is broken at " + spansText(r.Broken)
	case len(r.Repeated) > 0:
		out.Problem = "the log was changed: more than one entry has the number " + spansText(r.Repeated)
	case len(v.mislabeled) > 0:
		out.Problem = fmt.Sprintf("entries were changed: %d do not have their hash, the first is %d", len(v.mislabeled), v.mislabeled[0])
	case head.Number > 0 && !(r.Last.Number == head.Number && r.Last.Digest.String() == head.Hash):
		out.Problem = fmt.Sprintf("the newest entries were removed: the log ends with %d, its chain with %d", r.Last.Number, head.Number)
	case noted.Number > r.Last.Number:
		out.Problem = fmt.Sprintf("entry %d is missing: the log ends with %d", noted.Number, r.Last.Number)
	case noted.Number > 0 && noted.Number >= r.First.Number && !covers(r.Missing, noted.Number) && !r.Has(noted):
		out.Problem = fmt.Sprintf("the log was rewritten: entry %d has another hash than the one that was noted", noted.Number)
	}
	out.Sound = out.Problem == ""
	return out
}

func covers(spans []chain.Span, number uint64) bool {
	for _, s := range spans {
		if s.First <= number && number <= s.Last {
			return true
		}
	}
	return false
}

func (v *verified) draw(t *table) {
	if v.Entries > 0 {
		t.row("Entries", fmt.Sprintf("%d, numbers %d to %d", v.Entries, v.First, v.Last))
	} else {
		t.row("Entries", "0")
	}
	if v.Unlinked > 0 {
		t.row("Older than the chain", v.Unlinked)
	}
	if len(v.Missing) > 0 {
		t.row("Not kept", spansText(v.Missing)+" (retention drops the oldest entries of each user)")
	}
	if v.Sound {
		t.row("Result", "sound: nothing that is kept was changed")
	} else {
		t.row("Result", v.Problem)
	}
	if v.Sound && v.Entries > 0 {
		t.row("Note elsewhere", fmt.Sprintf("%d:%s", v.Last, v.Hash))
	}
}

// spansText lists the first of spans.
func spansText(spans []chain.Span) string {
	const most = 10
	var words []string
	for i, s := range spans {
		switch {
		case i == most:
			return strings.Join(append(words, "…"), ", ")
		case s.First == s.Last:
			words = append(words, strconv.FormatUint(s.First, 10))
		default:
			words = append(words, fmt.Sprintf("%d–%d", s.First, s.Last))
		}
	}
	return strings.Join(words, ", ")
}
