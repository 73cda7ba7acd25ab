package simulator

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/simulator/mqttlite"
)

func TestReadCredentials(t *testing.T) {
	for _, row := range []struct{ name, text, want string }{
		{"lines", "device,secret,version\na,s1\n# a comment\n\n b , s2 , 1.4.0 \r\n", "[{a s1    } {b s2 1.4.0   }]"},
		{"objects", `{"device":"a","secret":"s"}` + "\n" + `{"device":"b","secret":"t","version":"7","hardware":"rev-c"}`, "[{a s    } {b t 7 rev-c  }]"},
		{"user names", `{"id":"a","secret":"s","user_name":"a@5"}` + "\nb,t,,b@5\n" + `{"secrets":{"c":"u","d":"v"},"user_names":{"d":"d@5"}}`, "[{a s    a@5} {b t    b@5} {c u    } {d v    d@5}]"},
		{"an import's answer", `{"updated":2,"secrets":{"b":"t","a":"s"}}`, "[{a s    } {b t    }]"},
		{"an import's lines", `{"line":1,"id":"b","outcome":"updated","secret":"t"}
{"line":2,"id":"old","outcome":"existing"}
{"line":3,"id":"a/b","outcome":"invalid"}
{"done":1000,"total":1001}
{"line":1001,"id":"a","outcome":"updated","secret":"s"}
{"error":"unavailable","error_description":"the store does not answer"}
`, "[{b t    } {a s    }]"},
		{"objects with an id", `{"id":"a","secret":"s"}`, "[{a s    }]"},
		{"an object without a secret", `{"device":"a"}`, "credentials, line 1: device a has no secret"},
		{"nothing", "", "[]"},
		{"no secret", "a,", "credentials, line 1: device a has no secret"},
		{"one field", "a,s\nb", "credentials, line 2: use device,secret or device,secret,version or device,secret,version,user name"},
		{"bad id", "a/b,s", `credentials, line 1: device id "a/b": use 1 to 128 of A-Z a-z 0-9 : _ -`},
		{"bad version", "a,s,1.4", `credentials, line 1: version "1.4": write it as 1.4.0`},
		{"twice", "a,s\na,t", "credentials, line 2: device a appears twice"},
	} {
		t.Run(row.name, func(t *testing.T) {
			all, err := ReadCredentials(strings.NewReader(row.text))
			got := fmt.Sprint(all)
			if err != nil {
				got = err.Error()
				if !errors.Is(err, fleet.Invalid) {
					t.Errorf("got %v, want an Invalid", err)
				}
			}
			if got != row.want {
				t.Errorf("got %s, want %s", got, row.want)
			}
		})
	}
}

func TestParseBroker(t *testing.T) {
	for _, row := range []struct{ text, want string }{
		{"localhost", "tcp localhost:1883 "},
		{"127.0.0.1:40001", "tcp 127.0.0.1:40001 "},
		{"mqtt://h", "tcp h:1883 "},
		{"mqtts://h", "tls h:8883 "},
		{"ssl://h:1", "tls h:1 "},
		{"tcp://[::1]", "tcp [::1]:1883 "},
		{"ws://h:8080/mqtt", "ws h:8080 /mqtt"},
		{"wss://h", "wss h:443 /mqtt"},
		{"http://h", ""},
		{"tcp://h/path", ""},
		{"", ""},
	} {
		t.Run(row.text, func(t *testing.T) {
			b, err := mqttlite.ParseBroker(row.text)
			got := b.Scheme + " " + b.Host + " " + b.Path
			if err != nil {
				got = ""
			}
			if got != row.want {
				t.Errorf("got %q, %v; want %q", got, err, row.want)
			}
		})
	}
}
