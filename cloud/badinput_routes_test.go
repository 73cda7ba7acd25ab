package cloud_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/cloud/cloudtest"
	"github.com/muster-iot/muster/fleet"
)

// schema is the OpenAPI schema of one value.
type schema struct {
	Ref         string             `json:"$ref"`
	Type        any                `json:"type"` // a word or several
	Format      string             `json:"format"`
	Description string             `json:"description"`
	Enum        []any              `json:"enum"`
	AnyOf       []*schema          `json:"anyOf"`
	OneOf       []*schema          `json:"oneOf"`
	Items       *schema            `json:"items"`
	Properties  map[string]*schema `json:"properties"`
}

// parameter is one of an operation's path, query or header.
type parameter struct {
	Name     string  `json:"name"`
	In       string  `json:"in"`
	Required bool    `json:"required"`
	Schema   *schema `json:"schema"`
	Example  any     `json:"example"`
}

// described is an operation as the OpenAPI document describes it.
type described struct {
	ID          string       `json:"operationId"`
	Parameters  []parameter  `json:"parameters"`
	RequestBody *requestBody `json:"requestBody"`

	method, path string
}

type requestBody struct {
	Content map[string]struct {
		Schema  *schema         `json:"schema"`
		Example json.RawMessage `json:"example"`
	} `json:"content"`
}

// required is a query with the parameters that can't be left out, but for one.
func (d described) required(but string) (query string) {
	for _, p := range d.Parameters {
		if p.In == "query" && p.Required && p.Name != but {
			query += p.Name + "=" + url.QueryEscape(fmt.Sprint(p.Example)) + "&"
		}
	}
	return query
}

// contract is the document, read as a client reads it.
type contract struct {
	Paths      map[string]map[string]described `json:"paths"`
	Components struct {
		Schemas map[string]*schema `json:"schemas"`
	} `json:"components"`
}

// contract loads the document.
func (w *world) contract() (c contract) {
	w.Helper()
	answer := cloudtest.Must[*http.Response](w)(http.DefaultClient.Do(cloudtest.Must[*http.Request](w)(
		http.NewRequestWithContext(w.Context(), http.MethodGet, w.URL("")+"/v1/openapi.json", nil))))
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(&c); err != nil {
		w.Fatal(err)
	}
	return c
}

// operations are those of the document, by path and method.
func (c contract) operations() (all []described) {
	for _, path := range slices.Sorted(maps.Keys(c.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(c.Paths[path])) {
			op := c.Paths[path][method]
			op.method, op.path = strings.ToUpper(method), path
			all = append(all, op)
		}
	}
	return all
}

// resolve follows a reference.
func (c contract) resolve(s *schema) *schema {
	if s.Ref != "" {
		return c.Components.Schemas[s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]]
	}
	return s
}

// types are the JSON types a value may have; none: any.
func (c contract) types(s *schema) (types []string) {
	s = c.resolve(s)
	switch t := s.Type.(type) {
	case string:
		types = append(types, t)
	case []any:
		for _, word := range t {
			types = append(types, word.(string))
		}
	}
	for _, other := range slices.Concat(s.AnyOf, s.OneOf) {
		types = append(types, c.types(other)...)
	}
	return types
}

// object is the schema of an object among what s may be, or nil.
func (c contract) object(s *schema) *schema {
	s = c.resolve(s)
	if len(s.Properties) > 0 {
		return s
	}
	for _, other := range slices.Concat(s.AnyOf, s.OneOf) {
		if found := c.object(other); found != nil {
			return found
		}
	}
	return nil
}

// waived are inputs that are answered otherwise, and why.
var waived = map[string]string{
	"CreateToken":      "OAuth's words for a wrong proof name no field (RFC 6749 §5.2)",
	"AcceptInvitation": "without a proof nothing else is looked at",
	"ShowInvitation":   "without a proof nothing else is looked at",
	"ImportDevices":    "the answer lists what is not an id, as Particle's does",
}

// bad is one input that no client should send.
type bad struct {
	what  string
	value string // as it stands in the path, the query or the body
	field string // that the answer has to name; "": none
}

// Texts no client should send, as they stand in a path or a query.
var (
	endless  = strings.Repeat("a", 10_000)
	badTexts = map[string]string{"invalid UTF-8": "%ff%fe", "a zero byte": "a%00b", "10 kB": endless}
	badPaths = map[string]string{
		"invalid UTF-8": "%ff%fe", "a zero byte": "a%00b", "10 kB": endless, "upwards": "..", "upwards, escaped": "%2e%2e%2f",
		"upwards and down": "..%2f..%2fetc%2fpasswd", "here": "%2e", "a slash": "%2f", "a backslash": "..%5c",
	}
)

// queries are wrong values of a query parameter.
func (c contract) queries(p parameter) (inputs []bad) {
	add := func(what, value string) {
		inputs = append(inputs, bad{what: what, value: p.Name + "=" + value, field: p.Name})
	}
	types := c.types(p.Schema)
	switch s := c.resolve(p.Schema); {
	case slices.Contains(types, "integer"):
		for _, text := range []string{"x", "-1", "1.5", "0x10", "99999999999999999999", "%ff"} {
			add("the number "+text, text)
		}
	case slices.Contains(types, "boolean"):
		for _, text := range []string{"maybe", "2", "%ff"} {
			add("the flag "+text, text)
		}
	case s.Format == "date-time":
		for _, text := range []string{"yesterday", "0", "2026-13-01T00:00:00Z", "%ff"} {
			add("the time "+text, text)
		}
	default:
		for what, text := range badTexts {
			add(what, text)
		}
		if len(s.Enum) > 0 {
			add("another word", "nonsense")
		}
	}
	add("ten thousand times", strings.Repeat("a&"+p.Name+"=", 10_000)+"a")
	return inputs
}

// values are wrong values, in JSON, for the property at path of an object.
func (c contract) values(path string, s *schema) (inputs []bad) {
	if s = c.resolve(s); strings.HasPrefix(s.Description, "Accepted for other clouds") || strings.HasPrefix(s.Description, "Any JSON") {
		return nil
	}
	types := c.types(s)
	add := func(what, value string) { inputs = append(inputs, bad{what: what, value: value, field: path}) }
	is := func(word string) bool { return slices.Contains(types, word) }
	if !is("string") && !is("array") {
		add("a text", `"no such thing"`)
	}
	if !is("integer") && !is("number") {
		add("a number", "5")
	} else {
		for _, number := range []string{"-1", "1.5", "1e30", "99999999999999999999"} {
			add("the number "+number, number)
		}
	}
	if !is("boolean") {
		add("a flag", "true")
	}
	if !is("array") {
		add("a list", `["a"]`)
	} else {
		add("a list of numbers", "[1,2]")
		add("a list of nulls and objects", `[{"a":null}]`)
		add("ten thousand", `["a"`+strings.Repeat(`,"a"`, 10_000)+"]")
	}
	if !is("object") {
		add("an object", `{"a":{"b":1}}`)
	}
	if is("string") || is("array") {
		wrap := func(text string) string {
			if is("array") {
				return `["` + text + `"]`
			}
			return `"` + text + `"`
		}
		add("20 kB", wrap(strings.Repeat("x", 20_000)))
		add("invalid UTF-8", wrap("a\xff\xfe"))
		add("a zero byte", wrap(`a\u0000b`))
		if s.Enum != nil {
			add("another word", `"nonsense"`)
		}
	}
	return inputs
}

// bodies are wrong JSON bodies of an object: example, with one property wrong.
func (c contract) bodies(prefix string, s *schema, example map[string]json.RawMessage) (inputs []bad) {
	with := func(name, value string) string {
		body := map[string]json.RawMessage{}
		maps.Copy(body, example)
		delete(body, name)
		var b strings.Builder // json.Marshal would mend what is wrong
		b.WriteByte('{')
		for key, raw := range body {
			b.WriteString(`"` + key + `":` + string(raw) + ",")
		}
		b.WriteString(`"` + name + `":` + value + "}")
		return b.String()
	}
	inputs = append(inputs, bad{"an unknown field", with("no_such_field", "1"), prefix + "no_such_field"})
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		for _, input := range c.values(prefix+name, s.Properties[name]) {
			inputs = append(inputs, bad{name + ": " + input.what, with(name, input.value), input.field})
		}
		if below := c.object(s.Properties[name]); below != nil {
			inner := map[string]json.RawMessage{}
			_ = json.Unmarshal(example[name], &inner) // absent: an empty object does
			for _, input := range c.bodies(prefix+name+".", below, inner) {
				body := with(name, input.value)
				if name == "product" { // it stands alone
					body = `{"product":` + input.value + "}"
				}
				inputs = append(inputs, bad{name + "." + input.what, body, input.field})
			}
		}
	}
	return inputs
}

// noBodies are bodies that are not JSON objects at all.
var noBodies = map[string]string{
	"cut short": `{"name"`, "a list": "[1]", "a number": "5", "a text": `"x"`, "two objects": "{} {}", "deep nesting": strings.Repeat("[", 20_000),
	"over the limit": `{"name":"` + strings.Repeat("x", 1<<20) + `"}`, "no text at all": "\x00\xff",
}

// refused sends a request and reports an answer that is not a 4xx in JSON, or doesn't name
// the field.
func (s *stage) refused(op described, method, address, contentType, body string, input bad) {
	s.Helper()
	request := cloudtest.Must[*http.Request](s)(http.NewRequestWithContext(s.Context(), method, s.URL("")+address, strings.NewReader(body)))
	request.Header.Set("Authorization", "Bearer "+s.tokens[fleet.Owner])
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	answer := cloudtest.Must[*http.Response](s)(http.DefaultTransport.RoundTrip(request))
	defer answer.Body.Close()
	if op.ID == "ImportDevices" && answer.StatusCode == http.StatusOK && strings.HasPrefix(input.field, "id") {
		return
	}
	if answer.StatusCode/100 != 4 {
		s.Errorf("%s, %s: got %d, want a refusal", op.ID, input.what, answer.StatusCode)
		return
	}
	text := cloudtest.Must[[]byte](s)(io.ReadAll(io.LimitReader(answer.Body, 100_000)))
	var p api.Problem
	if err := json.Unmarshal(text, &p); err != nil || p.Code == "" || p.Description == "" || !utf8.Valid(text) {
		s.Errorf("%s, %s: got %d %.300s, want a problem in JSON", op.ID, input.what, answer.StatusCode, text)
	}
	if len(text) > 4000 {
		s.Errorf("%s, %s: the answer has %d bytes: it repeats what it got", op.ID, input.what, len(text))
	}
	_, named := p.Fields[input.field]
	if _, below := p.Fields[input.field[strings.LastIndexByte(input.field, '.')+1:]]; below { // product.name is called name
		named = true
	}
	for name := range p.Fields {
		named = named || strings.HasPrefix(name, input.field+"[") // one in the list
	}
	if input.field != "" && !named && answer.StatusCode != http.StatusRequestEntityTooLarge && waived[op.ID] == "" {
		s.Errorf("%s, %s: got %d %.300s, want field %s named", op.ID, input.what, answer.StatusCode, text, input.field)
	}
}

// TestEveryOperationRefusesBadInput walks the operations of the OpenAPI document: each path
// and query parameter and each property of each body is sent what it can't be.
func TestEveryOperationRefusesBadInput(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.UploadVersions(100, 7) // of the examples
	c := s.contract()
	subject := s.subject(own, "{device}{group}{alert}{email}{version}")
	defer s.stageRelease(subject, own)()
	defer s.stageChannel(subject, own)()
	tried := map[string]int{}
	for _, op := range c.operations() {
		good := s.fill(op.path, subject)
		for _, p := range op.Parameters {
			switch p.In {
			case "path":
				for what, text := range badPaths {
					if p.Name == "prefix" && !strings.Contains(what, "byte") && !strings.Contains(what, "UTF") && !strings.Contains(what, "kB") {
						continue // a name may begin with anything
					}
					others := maps.Clone(subject)
					delete(others, p.Name)
					address := strings.ReplaceAll(s.fill(op.path, others), "{"+p.Name+"}", text)
					s.refused(op, op.method, address, "", "", bad{what: p.Name + ": " + what})
					tried["path"]++
				}
			case "query":
				for _, input := range c.queries(p) {
					s.refused(op, op.method, good+"?"+op.required(p.Name)+input.value, "", "", bad{p.Name + ": " + input.what, "", input.field})
					tried["query"]++
				}
			}
		}
		s.refused(op, op.method, good+"?"+op.required("")+"no_such_parameter=1", "", "", bad{"an unknown parameter", "", "no_such_parameter"})
		if op.RequestBody == nil {
			continue
		}
		content, ok := op.RequestBody.Content[asJSON]
		if !ok {
			continue
		}
		for what, body := range noBodies {
			s.refused(op, op.method, good, asJSON, body, bad{what: what})
			tried["body"]++
		}
		s.refused(op, op.method, good, "application/xml", "<name/>", bad{what: "another content type"})
		if content.Schema.Items != nil {
			continue // it has no fields
		}
		example := map[string]json.RawMessage{}
		if err := json.Unmarshal(content.Example, &example); err != nil {
			t.Fatal(op.ID, err)
		}
		for _, input := range c.bodies("", c.object(content.Schema), example) {
			s.refused(op, op.method, good, asJSON, input.value, input)
			tried["body"]++
		}
		for _, name := range slices.Sorted(maps.Keys(c.object(content.Schema).Properties)) {
			s.refused(op, op.method, good, asForm, url.QueryEscape(name)+"=%ff%fe", bad{name + ": invalid UTF-8 in a form", "", name})
			tried["form"]++
		}
		s.refused(op, op.method, good, asForm, "no_such_field=1", bad{"an unknown field of a form", "", "no_such_field"})
	}
	t.Logf("tried %v", tried)
}
