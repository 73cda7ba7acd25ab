package humane

import "encoding/json"

// Flat returns the values of a JSON object by their path, as in modem.version: texts without quotes,
// everything else as JSON has it. What is not an object has none.
func Flat(object []byte) map[string]string {
	all := make(map[string]string)
	var fields map[string]json.RawMessage
	if json.Unmarshal(object, &fields) == nil {
		flatten(all, "", fields)
	}
	return all
}

func flatten(all map[string]string, prefix string, fields map[string]json.RawMessage) {
	for name, value := range fields {
		var inner map[string]json.RawMessage
		var text string
		switch {
		case json.Unmarshal(value, &inner) == nil && inner != nil:
			flatten(all, prefix+name+".", inner)
		case value[0] == '"' && json.Unmarshal(value, &text) == nil:
			all[prefix+name] = text
		default:
			all[prefix+name] = string(value)
		}
	}
}
