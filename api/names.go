package api

import (
	"encoding/json"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/muster-iot/muster/fleet"
)

// maxNames bounds the group names of one request.
const maxNames = 1000

// Names is a list of group names: a JSON array, or a text of names separated by commas.
type Names []string

// Check returns fleet.Invalid for more than maxNames.
func (n Names) Check() error {
	if len(n) > maxNames {
		return fleet.Errorf(fleet.Invalid, "%d names: send at most %d", len(n), maxNames)
	}
	return nil
}

// UnmarshalJSON reads ["a","b"] or "a,b". Errors are fleet.Invalid.
func (n *Names) UnmarshalJSON(data []byte) error {
	var list []string
	if json.Unmarshal(data, &list) == nil {
		*n = SplitNames(list...)
		return n.Check()
	}
	var text string
	if json.Unmarshal(data, &text) != nil {
		return fleet.Errorf(fleet.Invalid, "expected a list of names such as [\"beta\",\"eu\"]")
	}
	*n = SplitNames(text)
	return n.Check()
}

// Schema describes a list of strings.
func (Names) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: "array", Items: &huma.Schema{Type: "string"}, Examples: []any{[]string{"beta", "eu"}}}
}

// SplitNames cuts texts at commas and drops empty parts; it is never nil.
func SplitNames(texts ...string) Names {
	names := Names{}
	for _, text := range texts {
		for name := range strings.SplitSeq(text, ",") {
			if name = strings.TrimSpace(name); name != "" {
				names = append(names, name)
			}
		}
	}
	return names
}
